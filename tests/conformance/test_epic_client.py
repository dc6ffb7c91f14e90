"""Calls as Epic makes them: prefetch typed in by hand, no discovery, its own claims and its own feedback."""

from __future__ import annotations

import time
from typing import Any

import pytest
from answers import cards_without_identity
from flask.testing import FlaskClient
from requirements import requirement
from service import FHIR, Json, PrefetchOf, SignedClient, StoryCalls, context_of, request

CALL = "/cds-services/pancreas-risk"
STORY = "new-diabetes"
EXTENSION = {
    "com.epic.cdshooks.request.bpa-trigger-action": "60",
    "com.epic.cdshooks.request.cds-hooks-specification-version": "1.1",
    "com.epic.cdshooks.request.fhir-version": "R4",
    "com.epic.cdshooks.request.criteria-id": "26744",
    "com.epic.cdshooks.request.cds-hooks-implementation-version": "1.1",
    "internal": {"name": None},
}
SCOPE = "PATIENT.READ (R4) Observation.Search (Labs) (R4) Condition.Search (Problems) (R4)"


def epic_call(prefetch: dict[str, Any], **context: Any) -> Json:
    return request(
        "patient-view",
        {"patientId": STORY, "encounterId": "eAJ9U5Zv9Vzeg4lBWxmAQcI", "userId": "PractitionerRole/e-Qok3", **context},
        prefetch,
        fhirServer=FHIR,
        fhirAuthorization={
            "access_token": "epic",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": SCOPE,
            "subject": "aeac3da7",
        },
        extension=EXTENSION,
    )


@requirement(14, 17)
def test_prefetch_under_names_of_the_sites_own_gives_the_same_cards(
    client: FlaskClient, prefetch_of: PrefetchOf
) -> None:
    whole = prefetch_of(STORY)
    renamed = {f"-SITE {number}": value for number, value in enumerate(whole.values())}
    answers = [client.post(CALL, json=epic_call(p)) for p in (whole, renamed)]
    assert [a.status_code for a in answers] == [200, 200]
    assert answers[0].get_json()["cards"]
    assert cards_without_identity(answers[0].get_json()) == cards_without_identity(answers[1].get_json())


@requirement(14)
def test_observations_split_over_several_keys_are_put_together(client: FlaskClient, prefetch_of: PrefetchOf) -> None:
    whole = prefetch_of(STORY)
    entries = whole["observations"]["entry"]
    split: dict[str, Any] = {k: v for k, v in whole.items() if k != "observations"}
    for number, part in enumerate((entries[::2], entries[1::2])):
        split[f"labs-{number}"] = {"resourceType": "Bundle", "type": "searchset", "entry": part}
    assert cards_without_identity(client.post(CALL, json=epic_call(split)).get_json()) == cards_without_identity(
        client.post(CALL, json=epic_call(whole)).get_json()
    )


@requirement(14)
def test_the_users_own_resource_beside_the_data_does_no_harm(client: FlaskClient, prefetch_of: PrefetchOf) -> None:
    user = {"resourceType": "PractitionerRole", "id": "e-Qok3", "practitioner": {"reference": "Practitioner/e1"}}
    answer = client.post(CALL, json=epic_call({"-user": user, **prefetch_of(STORY)}))
    assert answer.get_json()["cards"]


@requirement(21)
def test_the_extension_that_names_the_trigger_is_no_reason_to_refuse(
    client: FlaskClient, prefetch_of: PrefetchOf
) -> None:
    assert client.post(CALL, json=epic_call(prefetch_of(STORY))).status_code == 200


@requirement(27)
@pytest.mark.parametrize("user", ["PractitionerRole/e-QokEGUJIzyynNdkCFrs9w3", "Practitioner/e1"])
def test_a_proposed_order_names_the_role_that_asked(client: FlaskClient, prefetch_of: PrefetchOf, user: str) -> None:
    card = client.post(CALL, json=epic_call(prefetch_of(STORY), userId=user)).get_json()["cards"][0]
    resource = card["suggestions"][0]["actions"][0]["resource"]
    assert resource["requester"] == {"reference": user}
    assert resource["encounter"] == {"reference": "Encounter/eAJ9U5Zv9Vzeg4lBWxmAQcI"}


@requirement(27)
def test_references_written_as_addresses_make_good_ones(client: FlaskClient, prefetch_of: PrefetchOf) -> None:
    def proposed(**context: str) -> Any:
        card = client.post(CALL, json=epic_call(prefetch_of(STORY), **context)).get_json()["cards"][0]
        return card["suggestions"][0]["actions"][0]["resource"]

    ehr = "https://ehr.example/fhir/"
    whole = proposed(userId=f"{ehr}Practitioner/e1", encounterId=f"{ehr}Encounter/e2")
    assert (whole["requester"], whole["encounter"]) == ({"reference": "Practitioner/e1"}, {"reference": "Encounter/e2"})
    assert not {"requester", "encounter"} & set(proposed(userId="Practitioner/x y", encounterId="Visit 9"))


@requirement(26, 27)
def test_suggestions_keep_to_what_epic_takes(every_card: list[Json]) -> None:
    for card in every_card:
        assert card.get("selectionBehavior", "any") == "any"
        for suggestion in card.get("suggestions", ()):
            assert len(suggestion["actions"]) == 1
            # the main text shown: plain
            assert not set("*_`#[]") & set(suggestion["actions"][0]["description"])


@requirement(25)
def test_topics_keep_to_what_override_memory_takes(every_card: list[Json]) -> None:
    for card in every_card:
        code = card["source"]["topic"]["code"]
        assert len(code) <= 100
        assert code.replace("-", "").isalnum()


@requirement(19)
def test_a_call_stripped_of_data_is_412_at_once(signed_client: SignedClient) -> None:
    """The address differs from the registered one by a character: neither prefetch nor token comes along."""
    body = request("patient-view", context_of(STORY, "patient-view"), extension=EXTENSION)
    start = time.perf_counter()
    answer = signed_client.post(CALL, body)
    assert time.perf_counter() - start < 0.5
    assert answer.status_code == 412
    assert "fhirAuthorization" in answer.get_json()["issue"][0]["details"]["text"]


@requirement(35, 36)
def test_a_jwt_with_nbf_sub_and_a_kid_of_base64_is_accepted(
    signed_client: SignedClient, prefetch_of: PrefetchOf
) -> None:
    now = int(signed_client.clock().timestamp())
    assert set("+/=") <= set(signed_client.keys.kids["RS384"])
    token = signed_client.sign(
        CALL,
        nbf=now - 300,
        iat=now,
        exp=now + 900,
        sub="aeac3da7-6481-45af-ad41-42e5e701141d",
        headers={"jku": "https://ehr.hospital.example/api/epic/2019/Security/Open/PublicKeys/530005/OIDC"},
    )
    answer = signed_client.post(CALL, epic_call(prefetch_of(STORY)), token)
    assert answer.status_code == 200
    assert answer.get_json()["cards"]


def feedback(why: Json) -> Json:
    item = {"card": "123456", "outcome": "overridden", "outcomeTimestamp": "2026-11-23T12:44:04Z"}
    return {"feedback": [{**item, "overrideReasons": why}]}


BUILT_IN = {
    "extension": {
        "com.epic.cdshooks.feedback.overrideReason.reasonCategory": "45",
        "com.epic.cdshooks.feedback.overrideReason.reasonDisplay": "Does not meet criteria",
        "com.epic.cdshooks.feedback.overrideReason.reasonTitle": "Does not meet criteria",
    },
    "userComment": "free text",
}
MAPPED = {
    "reason": {"code": "already-investigated", "display": "Already investigated", "system": "urn:cds:override-reason"},
    "userComment": "free text",
}


@requirement(32)
@pytest.mark.parametrize("why", [MAPPED, BUILT_IN, [MAPPED], {}], ids=["mapped", "built in", "array", "empty"])
def test_override_reasons_come_under_epics_name(fresh_client: FlaskClient, why: Any) -> None:
    answer = fresh_client.post(f"{CALL}/feedback", json=feedback(why))
    assert (answer.status_code, answer.get_json()["received"]) == (200, 1)


@requirement(32)
def test_a_mapped_reason_under_epics_name_silences_the_topic(fire_fresh: StoryCalls) -> None:
    card = fire_fresh(STORY).get_json()["cards"][0]
    message = feedback(MAPPED)
    message["feedback"][0]["card"] = card["uuid"]
    assert fire_fresh.client.post(f"{CALL}/feedback", json=message).status_code == 200
    assert fire_fresh(STORY).get_json() == {"cards": []}


@requirement(15)
def test_draft_orders_with_their_medications_beside_them_are_understood(fire: StoryCalls) -> None:
    """medicationReference to a Medication in the same Bundle, and only the order among the selections."""
    body = fire.body("folfirinox-falling", "pancreas-first-line", "order-sign")
    entries = []
    for number, entry in enumerate(body["context"]["draftOrders"]["entry"]):
        order = dict(entry["resource"])
        medication = {
            "resourceType": "Medication",
            "id": f"med.{number}",
            "code": order.pop("medicationCodeableConcept"),
        }
        order["medicationReference"] = {"reference": f"Medication/med.{number}", "display": "as ordered"}
        entries += [{"resource": order}, {"resource": medication}]
    drafts = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    plain = fire("folfirinox-falling", "pancreas-first-line", "order-sign").get_json()
    body["context"]["draftOrders"] = drafts
    answer = fire.client.post("/cds-services/pancreas-first-line", json=body).get_json()
    assert plain["cards"]
    assert cards_without_identity(answer) == cards_without_identity(plain)
