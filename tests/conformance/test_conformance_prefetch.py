"""Prefetch and FHIR access: every way the data may come, and every way it may fail to."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from answers import cards_without_identity
from counting_hospital import Hospital
from flask import Flask
from flask.testing import FlaskClient
from requirements import requirement
from service import Json, MakeApp, PrefetchOf, context_of, filled, loopback, request

from cds.engine import Engine

CALL = "/cds-services/pancreas-risk"
STORY = "new-diabetes"
TOKEN = "secret-access-token-5f2a"
Prefetch = dict[str, Any]


def authorization(**changed: Any) -> Json:
    scope = "patient/*.rs"
    usual = {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 300, "scope": scope, "subject": "cds"}
    return {**usual, "patient": STORY, **changed}


def failed() -> Json:
    issue = [{"severity": "error", "code": "exception", "details": {"text": "the search failed"}}]
    return {"resourceType": "OperationOutcome", "issue": issue}


@pytest.fixture
def ask(fetching: FlaskClient, hospital: Hospital) -> Callable[[Prefetch | None], Json]:
    """Opens the story's chart with this prefetch, naming the hospital's FHIR server and a token for it."""

    def post(prefetch: Prefetch | None) -> Json:
        context = context_of(STORY, "patient-view")
        access: Json = {"fhirServer": hospital.base, "fhirAuthorization": authorization()}
        answer = fetching.post(CALL, json=request("patient-view", context, prefetch, **access))
        assert answer.status_code == 200, answer.get_data(as_text=True)
        found: Json = answer.get_json()
        return found

    return post


@pytest.fixture
def ask_without_server(client: FlaskClient) -> Callable[[Prefetch], Json]:
    def post(prefetch: Prefetch) -> Json:
        answer = client.post(CALL, json=request("patient-view", context_of(STORY, "patient-view"), prefetch))
        assert answer.status_code == 200, answer.get_data(as_text=True)
        found: Json = answer.get_json()
        return found

    return post


@requirement(14, 16)
@pytest.mark.parametrize("story", [STORY, "jaundice-head"])
def test_prefetched_and_fetched_data_give_the_same_cards(
    fetching: FlaskClient, hospital: Hospital, prefetch_of: PrefetchOf, story: str
) -> None:
    context = context_of(story, "patient-view")
    sent = fetching.post(CALL, json=request("patient-view", context, prefetch_of(story)))
    assert hospital.asked == []
    fetched = fetching.post(CALL, json=request("patient-view", context, fhirServer=hospital.base))
    assert hospital.asked
    assert sent.get_json()["cards"]
    assert cards_without_identity(sent.get_json()) == cards_without_identity(fetched.get_json())


@requirement(14)
def test_keys_of_another_service_do_no_harm(
    ask_without_server: Callable[[Prefetch], Json], prefetch_of: PrefetchOf
) -> None:
    coverage = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": {"resourceType": "Coverage"}}]}
    whole = prefetch_of(STORY)
    assert cards_without_identity(
        ask_without_server({"coverage": coverage, "appointments": None, "other": failed(), **whole})
    ) == cards_without_identity(ask_without_server(whole))


@requirement(16)
def test_each_fhir_request_carries_the_access_token(ask: Callable[[Prefetch | None], Json], hospital: Hospital) -> None:
    ask(None)
    assert set(hospital.kinds()) >= {"Patient", "Observation", "Condition", "ImagingStudy"}
    assert {headers.get("authorization") for _, headers in hospital.asked} == {f"Bearer {TOKEN}"}
    assert {headers.get("prefer") for _, headers in hospital.asked} == {"handling=strict"}


@requirement(16)
def test_without_a_token_none_is_made_up(fetching: FlaskClient, hospital: Hospital) -> None:
    body = request("patient-view", context_of(STORY, "patient-view"), fhirServer=hospital.base)
    assert fetching.post(CALL, json=body).status_code == 200
    assert all("authorization" not in headers for _, headers in hospital.asked)


@requirement(17)
def test_an_absent_key_is_fetched_and_nothing_else(
    ask: Callable[[Prefetch | None], Json], hospital: Hospital, prefetch_of: PrefetchOf
) -> None:
    whole = prefetch_of(STORY)
    partial = {k: v for k, v in whole.items() if k != "conditions"}
    assert cards_without_identity(ask(partial)) == cards_without_identity(ask(whole))
    assert set(hospital.kinds()) == {"Condition"}


@requirement(17)
def test_a_key_that_failed_at_the_client_is_fetched(
    ask: Callable[[Prefetch | None], Json], hospital: Hospital, prefetch_of: PrefetchOf
) -> None:
    whole = prefetch_of(STORY)
    assert cards_without_identity(ask({**whole, "conditions": failed()})) == cards_without_identity(ask(whole))
    assert set(hospital.kinds()) == {"Condition"}


@requirement(17)
def test_null_means_that_there_is_nothing_and_is_not_asked_again(
    ask: Callable[[Prefetch | None], Json], hospital: Hospital, prefetch_of: PrefetchOf
) -> None:
    nothing = {"resourceType": "Bundle", "type": "searchset", "total": 0}
    told_null = ask({**prefetch_of(STORY), "orders": None, "imaging": None})
    assert hospital.asked == []
    assert cards_without_identity(told_null) == cards_without_identity(
        ask({**prefetch_of(STORY), "orders": nothing, "imaging": nothing})
    )
    assert "could not be read" not in told_null["cards"][0]["detail"]


@requirement(17)
def test_a_first_page_is_followed_to_the_last(
    ask: Callable[[Prefetch | None], Json], hospital: Hospital, prefetch_of: PrefetchOf, client: FlaskClient
) -> None:
    services = client.get("/cds-services").get_json()["services"]
    risk = ("pancreas-risk", "patient-view")
    template = next(s["prefetch"]["observations"] for s in services if (s["id"], s["hook"]) == risk)
    template = template.replace("_count=250", "_count=25")
    first = requests.get(f"{hospital.base}/{filled(template, {'patientId': STORY})}", timeout=10).json()
    assert [link["relation"] for link in first["link"]] == ["self", "next"]
    hospital.asked.clear()
    assert cards_without_identity(ask({**prefetch_of(STORY), "observations": first})) == cards_without_identity(
        ask(prefetch_of(STORY))
    )
    assert set(hospital.kinds()) == {"Observation"}
    assert all("_page=" in path for path, _ in hospital.asked)
    assert {headers["authorization"] for _, headers in hospital.asked} == {f"Bearer {TOKEN}"}


@requirement(17)
@pytest.mark.parametrize("value", ["absent", "failed", "not FHIR"])
def test_what_could_not_be_had_is_named_on_the_card(
    ask_without_server: Callable[[Prefetch], Json], prefetch_of: PrefetchOf, value: str
) -> None:
    prefetch: Prefetch = prefetch_of(STORY)
    del prefetch["imaging"]
    if value != "absent":
        prefetch["imaging"] = failed() if value == "failed" else {"rows": []}
    card = ask_without_server(prefetch)["cards"][0]
    assert "Imaging studies could not be read" in card["detail"]


@requirement(17)
def test_a_page_cut_off_is_named_on_the_card(
    ask_without_server: Callable[[Prefetch], Json], prefetch_of: PrefetchOf
) -> None:
    prefetch: Prefetch = prefetch_of(STORY)
    more = {"relation": "next", "url": "https://fhir.hospital.example/r4/ImagingStudy?_page=2"}
    prefetch["imaging"] = {**prefetch["imaging"], "link": [more]}
    card = ask_without_server(prefetch)["cards"][0]
    assert "Imaging studies could be read only in part (not all of it was asked for or fetched)" in card["detail"]


@requirement(17)
def test_with_nothing_to_say_but_data_unread_the_answer_is_not_silence(
    client: FlaskClient, prefetch_of: PrefetchOf
) -> None:
    story = "missing-data"
    whole = prefetch_of(story)
    assert client.post(CALL, json=request("patient-view", context_of(story, "patient-view"), whole)).get_json() == {
        "cards": []
    }
    whole["observations"] = failed()
    cards = client.post(CALL, json=request("patient-view", context_of(story, "patient-view"), whole)).get_json()[
        "cards"
    ]
    assert [c["indicator"] for c in cards] == ["info"]
    assert "Laboratory results and measurements could not be read" in cards[0]["detail"]


@requirement(18)
@pytest.mark.parametrize("with_resources", [False, True], ids=["alone", "beside resources"])
def test_an_operationoutcome_among_the_entries_of_a_bundle_is_seen(
    ask_without_server: Callable[[Prefetch], Json], prefetch_of: PrefetchOf, with_resources: bool
) -> None:
    prefetch: Prefetch = prefetch_of(STORY)
    entries = prefetch["conditions"]["entry"] if with_resources else []
    assert bool(entries) == with_resources
    said = {"resource": failed(), "search": {"mode": "outcome"}}
    prefetch["conditions"] = {"resourceType": "Bundle", "type": "searchset", "entry": [*entries, said]}
    card = ask_without_server(prefetch)["cards"][0]
    assert "The problem list could" in card["detail"]


@requirement(18)
def test_a_hint_about_the_search_is_not_taken_for_a_failure(
    ask_without_server: Callable[[Prefetch], Json], prefetch_of: PrefetchOf
) -> None:
    prefetch: Prefetch = prefetch_of(STORY)
    hint = {"resourceType": "OperationOutcome", "issue": [{"severity": "information", "code": "informational"}]}
    entries = prefetch["conditions"]["entry"]
    prefetch["conditions"] = {
        **prefetch["conditions"],
        "entry": [*entries, {"resource": hint, "search": {"mode": "outcome"}}],
    }
    assert cards_without_identity(ask_without_server(prefetch)) == cards_without_identity(
        ask_without_server(prefetch_of(STORY))
    )


@requirement(20)
@pytest.mark.threat("token-theft")
def test_the_access_token_is_neither_kept_nor_told(
    make_app: MakeApp, hospital: Hospital, caplog: pytest.LogCaptureFixture
) -> None:
    app: Flask = make_app(**loopback(fhir_servers=[hospital.base]))
    access: Json = {"fhirServer": hospital.base, "fhirAuthorization": authorization()}
    body = request("patient-view", context_of(STORY, "patient-view"), **access)
    with caplog.at_level(logging.DEBUG):
        answer = app.test_client().post(CALL, json=body)
    assert answer.status_code == 200
    assert hospital.asked
    assert TOKEN not in answer.get_data(as_text=True)
    assert TOKEN not in caplog.text
    assert TOKEN not in app.test_client().get("/metrics").get_data(as_text=True)
    engine: Engine = app.extensions["cds"]
    kept = [f for f in Path(engine.settings.data_dir).rglob("*") if f.is_file()]
    assert any(STORY.encode() not in f.read_bytes() for f in kept if f.suffix == ".db")
    assert [f.name for f in kept if TOKEN.encode() in f.read_bytes()] == []


@requirement(20)
@pytest.mark.threat("token-theft")
def test_the_access_token_stays_with_the_server_it_was_given_for(
    fetching: FlaskClient, hospital: Hospital, prefetch_of: PrefetchOf
) -> None:
    """A next link to a host that is not on the client's list is not followed, with the token or without."""
    prefetch: Prefetch = prefetch_of(STORY)
    elsewhere = hospital.base.replace("127.0.0.1", "localhost") + "/ImagingStudy?_page=2"
    prefetch["imaging"] = {**prefetch["imaging"], "link": [{"relation": "next", "url": elsewhere}]}
    access: Json = {"fhirServer": hospital.base, "fhirAuthorization": authorization()}
    answer = fetching.post(CALL, json=request("patient-view", context_of(STORY, "patient-view"), prefetch, **access))
    assert hospital.asked == []
    assert "Imaging studies" in answer.get_json()["cards"][0]["detail"]
