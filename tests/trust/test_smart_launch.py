"""From a card's link to an open report, over real sockets and an authorization server; and all that must not work."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from ledger_reading import rows
from smart_house import APP, MakeHouse, SmartHouse

from cds import errors
from cds.demo.authorization import AuthorizationServer
from cds.demo.authorization_grants import Grant
from cds.ledger import tables
from cds.trust.smart import rehearse

PATIENT, OTHER = "new-diabetes", "jaundice-head"


def code_on(answer: requests.Response) -> str:
    """The code a refusal's page shows."""
    assert answer.headers["Content-Type"].startswith("text/html"), answer.text[:200]
    found = re.search(r"CDS-\d{3}", answer.text)
    return found[0] if found else ""


def refused(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, code_on(answer)


def stopped(house: SmartHouse, address: str, **headers: str) -> requests.Response:
    """The first answer, its redirect not followed."""
    return house.browser.get(address, allow_redirects=False, timeout=20, headers={"Accept": "text/html", **headers})


def returned(house: SmartHouse, patient: str = PATIENT) -> str:
    """The address with code and state that the authorization server sends the browser to; not yet gone to."""
    away = stopped(house, house.launch(house.card(patient), patient)).headers["Location"]
    return stopped(house, away).headers["Location"]


# the link


def test_a_card_has_the_link_to_its_report_first(house: SmartHouse) -> None:
    link = house.card(PATIENT)["links"][0]
    assert link["label"] == "Open report" and link["type"] == "smart"
    assert link["url"] == f"{house.url}/report/launch"
    assert re.fullmatch(r"[\w-]{64}", link["appContext"])
    assert house.card(PATIENT, "nl")["links"][0]["label"] == "Rapport openen"


def test_the_reference_is_another_each_time_and_holds_neither_card_nor_patient_in_the_open(house: SmartHouse) -> None:
    card = house.card(PATIENT)
    first, second = card["links"][0]["appContext"], house.card(PATIENT)["links"][0]["appContext"]
    assert first != second and first[:10] != second[:10]
    assert card["uuid"][:8] not in first


def test_the_ledger_does_not_keep_the_reference(house: SmartHouse) -> None:
    link = house.card(PATIENT)["links"][0]
    stored = rows(house.app, tables.cards)[-1]["body"]
    assert {k: v for k, v in link.items() if k != "appContext"} in stored["links"]
    assert "appContext" not in str(stored)


def test_what_a_patient_may_be_reading_has_no_link(make_house: MakeHouse) -> None:
    card = make_house(client={"patient_facing": True}).card(PATIENT)
    assert all(link["type"] == "absolute" for link in card.get("links", []))


# the way in


def test_a_launch_leads_to_the_report_of_the_cards_patient(house: SmartHouse) -> None:
    card = house.card(PATIENT)
    answer = house.follow(house.launch(card, PATIENT))
    rid = urlsplit(answer.url).path.split("/")[2]
    assert re.fullmatch(r"[\w-]{22}", rid)
    whose = house.follow(f"{house.url}/report/{rid}/whose").text
    assert whose == f"patient={PATIENT} card={card['uuid']} user=Practitioner/demonstration rid={rid}"


def test_the_launch_is_asked_for_with_pkce_state_nonce_and_audience(house: SmartHouse) -> None:
    away = stopped(house, house.launch(house.card(PATIENT), PATIENT))
    asked = {k: v[0] for k, v in parse_qs(urlsplit(away.headers["Location"]).query).items()}
    assert away.status_code == 303 and away.headers["Location"].startswith(f"{house.server.base}/authorize?")
    assert asked["response_type"] == "code" and asked["client_id"] == APP
    assert asked["code_challenge_method"] == "S256" and len(asked["code_challenge"]) == 43
    assert asked["aud"] == house.fhir_base and asked["redirect_uri"] == f"{house.url}/report/callback"
    assert asked["scope"] == "launch openid fhirUser patient/*.read"
    assert len(asked["state"]) >= 32 and len(asked["nonce"]) >= 32 and asked["launch"]
    assert away.headers["Cache-Control"] == "no-store" and away.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("wrap", [lambda text: {"appContext": text}, lambda text: f'"{text}"', lambda text: text])
def test_the_reference_may_come_back_as_a_string_or_in_an_object(house: SmartHouse, wrap: Any) -> None:
    card = house.card(PATIENT)
    context = wrap(card["links"][0]["appContext"])
    answer = house.follow(house.launch(card, PATIENT, app_context=context))
    assert f"card={card['uuid']}" in house.follow(f"{answer.url}whose").text


def test_without_a_reference_the_patients_newest_card_counts(house: SmartHouse) -> None:
    answer = house.follow(house.launch(house.card(PATIENT), PATIENT, app_context=None))
    assert "card=None" in house.follow(f"{answer.url}whose").text


def test_outside_the_ehr_a_patient_is_chosen_there(house: SmartHouse) -> None:
    house.card(PATIENT)
    picker = house.follow(f"{house.url}/report/start?iss={house.fhir_base}")
    assert "launch%2Fpatient" in picker.url and "Anna Jansen" in picker.text
    key = re.search(r'name="key" value="([^"]+)"', picker.text)
    assert key is not None
    choose = {"key": key[1], "place": "0"}
    answer = house.browser.post(f"{house.server.base}/choose", data=choose, timeout=20)
    assert f"patient={PATIENT} card=None" in house.follow(f"{answer.url}whose").text


def test_a_patient_without_cards_has_no_report(house: SmartHouse) -> None:
    url = house.server.launch_url(f"{house.url}/report/launch", None, "nobody")
    assert refused(house.follow(url)) == (404, "CDS-313")


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_both_signatures_of_an_identity_are_believed(make_house: MakeHouse, algorithm: str) -> None:
    house = make_house(algorithm=algorithm)
    answer = house.opened(PATIENT)
    assert "user=Practitioner/demonstration" in house.follow(f"{answer.url}whose").text


def test_a_launch_leaves_no_cookie_of_its_own(house: SmartHouse) -> None:
    house.opened(PATIENT)
    assert [cookie.name for cookie in house.browser.cookies] == ["cds_report"]


def test_cds_check_says_whether_reports_can_be_opened(house: SmartHouse) -> None:
    settings = house.app.extensions["cds"].settings
    here = settings.clients["demo"].model_copy(update={"fhir_servers": (house.fhir_base,)})
    settings = settings.model_copy(update={"clients": {"demo": here}})
    assert f"launch address {house.url}/report/launch" in rehearse(settings, "demo")
    unreached = settings.model_copy(update={"environment": "production"})
    with pytest.raises(errors.LaunchFailed, match="not an https address"):
        rehearse(unreached, "demo")


# what must not work


def test_a_launch_without_iss_or_launch_is_a_page_that_says_so(house: SmartHouse) -> None:
    for query in ("", f"?iss={house.fhir_base}", "?launch=x"):
        assert refused(house.follow(f"{house.url}/report/launch{query}")) == (400, "CDS-301")
    assert refused(house.follow(f"{house.url}/report/callback")) == (400, "CDS-301")


@pytest.mark.parametrize(
    "iss", ["{base}/x", "{base}.evil.example", "http://127.0.0.1:9/fhir", "file:///etc", "{base}?a"]
)
@pytest.mark.threat("ssrf-fhir-server")
def test_an_unknown_iss_is_refused_before_any_request(house: SmartHouse, iss: str) -> None:
    house.asked.clear()
    answer = house.browser.get(
        f"{house.url}/report/launch", params={"iss": iss.format(base=house.fhir_base), "launch": "x"}, timeout=20
    )
    assert refused(answer) == (403, "CDS-302")
    assert not [asked for asked in house.asked if "/.well-known/" in asked or "/auth/" in asked]


@pytest.mark.threat("report-session")
def test_another_state_is_refused(house: SmartHouse) -> None:
    back = returned(house)
    house.asked.clear()
    state = parse_qs(urlsplit(back).query)["state"][0]
    assert refused(house.follow(back.replace(state, "A" + state[1:-1] + "B"))) == (400, "CDS-303")
    assert not [asked for asked in house.asked if "/auth/token" in asked]


@pytest.mark.threat("report-session")
def test_another_browser_cannot_finish_a_launch(house: SmartHouse) -> None:
    back = returned(house)
    house.browser.cookies.clear()
    assert refused(house.follow(back)) == (400, "CDS-303")


@pytest.mark.threat("report-session")
def test_a_launch_that_comes_back_too_late_is_refused(house: SmartHouse) -> None:
    back = returned(house)
    house.clock.now += timedelta(minutes=10)
    assert refused(house.follow(back)) == (400, "CDS-303")


@pytest.mark.threat("report-session")
def test_a_code_works_once(house: SmartHouse) -> None:
    back = returned(house)
    assert house.follow(back).ok
    house.asked.clear()
    assert refused(house.follow(back)) == (400, "CDS-303")
    assert not [asked for asked in house.asked if "/auth/token" in asked]


def test_a_code_of_another_challenge_is_refused_by_the_authorization_server(house: SmartHouse) -> None:
    """As if the code had been made for somebody else's launch: our verifier does not fit it."""
    back = returned(house)
    house.server.spoil(challenge="A" * 43)
    assert refused(house.follow(back)) == (400, "CDS-303")


@pytest.mark.threat("report-session")
def test_an_injected_code_opens_nothing(house: SmartHouse) -> None:
    """The code of one launch on the state of another, in the same browser."""
    first, second = (parse_qs(urlsplit(returned(house)).query) for _ in range(2))
    mixed = f"{house.url}/report/callback?code={first['code'][0]}&state={second['state'][0]}"
    assert refused(house.follow(mixed)) == (400, "CDS-303")


def test_a_refusal_of_the_ehr_is_told_without_its_words(house: SmartHouse) -> None:
    state = parse_qs(urlsplit(returned(house)).query)["state"][0]
    told = f"{house.url}/report/callback?error=access_denied&error_description=Anna+Jansen&state={state}"
    answer = house.follow(told)
    assert refused(answer) == (403, "CDS-304") and "Anna" not in answer.text


@pytest.mark.threat("report-session")
def test_an_answer_of_another_server_than_was_asked_is_refused(house: SmartHouse) -> None:
    assert refused(house.follow(f"{returned(house)}&iss=https://other.example")) == (403, "CDS-304")


@pytest.mark.threat("report-session")
def test_an_expired_link_is_gone(house: SmartHouse) -> None:
    card = house.card(PATIENT)
    house.clock.now += timedelta(hours=71)
    assert house.follow(house.launch(card, PATIENT)).ok
    house.clock.now += timedelta(hours=1)
    assert refused(house.follow(house.launch(card, PATIENT))) == (410, "CDS-308")


@pytest.mark.threat("report-session")
def test_an_altered_link_is_refused(house: SmartHouse) -> None:
    card = house.card(PATIENT)
    good = card["links"][0]["appContext"]
    swapped = good[:40] + ("A" if good[40] != "A" else "B") + good[41:]
    for context in (swapped, good[:-1], good + "A", "x", card["uuid"], "ä" * 64, {"a": good, "b": good}, 7):
        answer = house.follow(house.launch(card, PATIENT, app_context=context))
        assert refused(answer) == (403, "CDS-307"), context


@pytest.mark.threat("other-client")
def test_a_card_of_another_patient_is_refused(house: SmartHouse) -> None:
    answer = house.follow(house.launch(house.card(OTHER), PATIENT))
    assert refused(answer) == (403, "CDS-309")
    assert not [c for c in house.browser.cookies if c.name.endswith("cds_report")]


@pytest.mark.threat("other-client")
def test_a_card_of_another_client_is_refused(make_house: MakeHouse) -> None:
    """The same patient number at two hospitals is two people."""
    house = make_house()
    engine = house.app.extensions["cds"]
    card = house.card(PATIENT)
    call = engine.ledger.call(engine.ledger.card(card["uuid"]).call_id)
    theirs = replace(call.cards[0], id=str(uuid.uuid4()), prediction_ids=())
    engine.ledger.record_call(
        replace(call, id="south-1", client="south", predictions=(), cards=(theirs,), suppressions=())
    )
    reference = engine.door.reference("demo", theirs.id)
    assert refused(house.follow(house.launch(card, PATIENT, app_context=reference))) == (403, "CDS-309")


def test_a_card_the_ledger_does_not_have_is_said_to_be_not_there_yet(house: SmartHouse) -> None:
    card = house.card(PATIENT)
    reference = house.app.extensions["cds"].door.reference("demo", str(uuid.uuid4()))
    assert refused(house.follow(house.launch(card, PATIENT, app_context=reference))) == (404, "CDS-310")


def test_a_token_without_a_patient_opens_nothing(house: SmartHouse) -> None:
    card = house.card(PATIENT)
    for patient in ("", "Group/1", "a/b", "x" * 257):
        assert refused(house.follow(house.launch(card, patient))) == (403, "CDS-306")


class Lying(AuthorizationServer):
    """Signs what the test says."""

    lie: dict[str, Any]

    def claims(self, grant: Grant) -> dict[str, Any]:
        return {k: v for k, v in {**super().claims(grant), **self.lie}.items() if v is not None}


@pytest.fixture(scope="module")
def lying(make_house: MakeHouse) -> SmartHouse:
    return make_house(server=Lying)


@pytest.mark.parametrize(
    "lie",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another-app"},
        {"aud": [APP, "another-app"]},
        {"iss": "https://elsewhere.example"},
        {"exp": 1},
        {"exp": None},
        {"iat": 99999999999},
    ],
    ids=str,
)
@pytest.mark.threat("report-session")
def test_an_identity_that_is_not_proven_opens_nothing(lying: SmartHouse, lie: dict[str, Any]) -> None:
    lying.server.lie = lie  # type: ignore[attr-defined]
    assert refused(lying.opened(PATIENT)) == (502, "CDS-305")


@pytest.mark.parametrize(
    ("lie", "user"),
    [
        ({"fhirUser": None}, "None"),
        ({"fhirUser": 7}, "None"),
        ({"fhirUser": "no address"}, "None"),
        ({"fhirUser": "https://elsewhere.example/Practitioner/1"}, "https://elsewhere.example/Practitioner/1"),
        ({"aud": [APP, "another-app"], "azp": APP}, "Practitioner/demonstration"),
    ],
    ids=str,
)
def test_a_proven_identity_is_told_as_it_is(lying: SmartHouse, lie: dict[str, Any], user: str) -> None:
    lying.server.lie = lie  # type: ignore[attr-defined]
    answer = lying.opened(PATIENT)
    assert f"user={user} " in lying.follow(f"{answer.url}whose").text


class Forging(AuthorizationServer):
    """Publishes another key than it signs with."""

    def jwks(self) -> dict[str, Any]:
        other = AuthorizationServer(self.fhir_base, (), algorithm=self.algorithm)
        return AuthorizationServer.jwks(other)


@pytest.mark.threat("report-session")
def test_a_signature_of_another_key_opens_nothing(make_house: MakeHouse) -> None:
    assert refused(make_house(server=Forging).opened(PATIENT)) == (502, "CDS-305")


# refusals are for people


def test_a_refusal_is_in_the_readers_language_and_kept_by_nobody(house: SmartHouse) -> None:
    english = house.follow(f"{house.url}/report/launch", **{"Accept-Language": "en"})
    dutch = house.follow(f"{house.url}/report/launch", **{"Accept-Language": "nl-BE,nl;q=0.9"})
    assert '<html lang="en">' in english.text and "Open the report from the card" in english.text
    assert '<html lang="nl">' in dutch.text and "Open het rapport vanaf de kaart" in dutch.text
    for answer in (english, dutch):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy


def test_a_refusal_is_in_the_language_and_colours_chosen_on_a_report(house: SmartHouse) -> None:
    house.browser.cookies.set("cds_language", "nl", domain="127.0.0.1", path="/report")
    house.browser.cookies.set("cds_theme", "dark", domain="127.0.0.1", path="/report")
    told = house.follow(f"{house.url}/report/launch", **{"Accept-Language": "en"})
    assert '<html lang="nl" data-theme="dark">' in told.text and told.headers["Content-Language"] == "nl"
    house.browser.cookies.set("cds_theme", '"><b>', domain="127.0.0.1", path="/report")
    assert '<html lang="nl">' in house.follow(f"{house.url}/report/launch").text


def test_a_report_opens_in_its_cards_language_and_closes_in_it(house: SmartHouse) -> None:
    """Whatever the browser says: beside a Dutch card an English page would be another's."""
    opened = house.follow(house.launch(house.card(PATIENT, "nl"), PATIENT), **{"Accept-Language": "en"})
    assert '<html lang="nl">' in opened.text
    left = house.browser.post(
        f"{opened.url}leave", timeout=20, headers={"Accept-Language": "en", "Accept": "text/html"}
    )
    assert '<html lang="nl">' in left.text


def test_a_program_gets_an_operation_outcome(house: SmartHouse) -> None:
    answer = requests.get(f"{house.url}/report/launch", headers={"Accept": "application/json"}, timeout=20)
    assert answer.status_code == 400 and answer.json()["issue"][0]["details"]["coding"][0]["code"] == "CDS-301"


def test_every_refusal_has_sentences_of_its_own(house: SmartHouse) -> None:
    for language in ("en", "nl"):
        texts = house.app.extensions["cds"].catalogues.book(language).texts
        for kind in errors.ReportRefused.__subclasses__():
            assert {f"refused.{kind.code}.what", f"refused.{kind.code}.do"} <= set(texts), kind
