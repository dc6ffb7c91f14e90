"""Calls as Oracle Health and older clients make them: CDS Hooks 1.0, patient-view only, a narrow sidebar."""

from __future__ import annotations

from flask.testing import FlaskClient
from requirements import requirement
from service import Json, PrefetchOf, SignedClient, request

CALL = "/cds-services/pancreas-risk"
STORY = "jaundice-head"


def oldest(prefetch: Json) -> Json:
    """CDS Hooks 1.0: the same members, and a hookInstance that is any string."""
    return {
        "hook": "patient-view",
        "hookInstance": "18f2b3a1",
        "user": "Practitioner/4464007",
        "context": {"userId": "4464007", "patientId": f"Patient/{STORY}", "encounterId": "97939518"},
        "prefetch": prefetch,
    }


@requirement(15, 21)
def test_a_request_of_version_1_0_gets_its_cards(client: FlaskClient, prefetch_of: PrefetchOf) -> None:
    answer = client.post(CALL, json=oldest(prefetch_of(STORY)))
    assert answer.status_code == 200
    assert answer.get_json()["cards"]


@requirement(15)
def test_a_patient_id_with_its_type_is_the_same_patient(client: FlaskClient, prefetch_of: PrefetchOf) -> None:
    for id in (STORY, f"Patient/{STORY}", f"https://fhir.hospital.example/r4/Patient/{STORY}"):
        context = {"userId": "Practitioner/1", "patientId": id}
        answer = client.post(CALL, json=request("patient-view", context, prefetch_of(STORY)))
        [card] = answer.get_json()["cards"]
        assert card["suggestions"][0]["actions"][0]["resource"]["subject"] == {"reference": f"Patient/{STORY}"}


@requirement(24)
def test_a_card_of_version_1_0_can_be_read_from_ours(every_card: list[Json]) -> None:
    """Every member that 1.0 requires is there; what it does not know it ignores."""
    for card in every_card:
        assert isinstance(card["summary"], str)
        assert card["indicator"] in ("info", "warning", "critical")
        assert isinstance(card["source"]["label"], str)
        assert "appContext" not in str(card.get("links", ""))


@requirement(31)
def test_nothing_pops_up(every_card: list[Json]) -> None:
    assert all(card["indicator"] != "critical" for card in every_card)


@requirement(31)
def test_a_risk_card_has_no_table_for_a_narrow_sidebar(every_card: list[Json]) -> None:
    risk = [c for c in every_card if c["source"]["topic"]["code"] == "pancreas-risk"]
    assert risk
    assert all("|---" not in card["detail"] for card in risk)


@requirement(35)
def test_a_token_with_a_tenant_nobody_agreed_on_is_accepted(
    signed_client: SignedClient, prefetch_of: PrefetchOf
) -> None:
    token = signed_client.sign(CALL, tenant="ec2458f2-1e24-41c8-b71b-0e701af7583d")
    assert signed_client.post(CALL, oldest(prefetch_of(STORY)), token).status_code == 200
