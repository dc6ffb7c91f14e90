"""The response: every card of every story, in both languages, against the rules for cards."""

from __future__ import annotations

import re
import uuid
from collections import defaultdict
from urllib.parse import urlsplit

import pytest
from answers import Answered
from flask.testing import FlaskClient
from requirements import requirement
from service import Json, SignedClient, StoryCalls
from smart_house import SmartHouse

CARD = {
    "uuid",
    "summary",
    "detail",
    "indicator",
    "source",
    "suggestions",
    "selectionBehavior",
    "overrideReasons",
    "links",
}


def is_uuid(value: str) -> bool:
    return str(uuid.UUID(value)) == value


def is_absolute(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def suggestions(cards: list[Json]) -> list[Json]:
    found = [s for card in cards for s in card.get("suggestions", ())]
    assert found
    return found


@requirement(22)
def test_every_call_is_answered_with_an_array_of_cards(every_answer: list[Answered]) -> None:
    for answer in every_answer:
        assert answer.status == 200, answer.text
        assert isinstance(answer.body["cards"], list)


@requirement(22)
def test_nothing_to_say_is_an_empty_array(every_answer: list[Answered]) -> None:
    silent = [a for a in every_answer if a.story == "referred" and a.hook == "patient-view"]
    assert [a.body for a in silent] == [{"cards": []}] * 2


@requirement(23)
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/cds-services/pancreas-risk", 400),
        ("POST", "/cds-services/unknown", 404),
        ("GET", "/cds-services/pancreas-risk", 405),
        ("POST", "/cds-services/pancreas-risk/feedback", 400),
        ("GET", "/nowhere", 404),
    ],
)
def test_errors_are_operationoutcomes(client: FlaskClient, method: str, path: str, status: int) -> None:
    answer = client.open(path, method=method, data=b"{", content_type="application/json")
    assert answer.status_code == status
    is_outcome(answer.get_json(), answer.content_type)


@requirement(23)
def test_the_errors_of_a_call_are_operationoutcomes(
    fire: StoryCalls, client: FlaskClient, signed_client: SignedClient
) -> None:
    path = "/cds-services/pancreas-risk"
    answers = {
        412: fire("new-diabetes", prefetch={}),
        403: fire("new-diabetes", fhirServer="https://elsewhere.example/fhir"),
        415: client.post(path, data=b"x", content_type="text/plain"),
        413: client.post(path, data=b" " * 8_000_001, content_type="application/json"),
        401: signed_client.post(path, {}, token=""),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        is_outcome(answer.get_json(), answer.content_type)


def is_outcome(body: Json, content_type: str) -> None:
    assert content_type == "application/fhir+json"
    assert body["resourceType"] == "OperationOutcome"
    [issue] = body["issue"]
    assert issue["severity"] == "error"
    # codes of FHIR R4's issue-type
    assert issue["code"] in {
        "invalid", "login", "security", "not-found", "not-supported", "required", "too-long", "processing"
    }  # fmt: skip
    assert issue["details"]["text"]


@requirement(24)
def test_a_summary_is_one_short_line(every_card: list[Json]) -> None:
    for card in every_card:
        assert 0 < len(card["summary"]) < 140
        assert "\n" not in card["summary"]
        assert not re.search(r"[.!?]\s+[A-Z]", card["summary"]), f"more than one sentence: {card['summary']}"
        assert not re.search(r"[*_`#]{2}|\]\(", card["summary"]), "a summary is plain text"


@requirement(24)
def test_a_card_holds_what_it_must_and_nothing_unknown(every_card: list[Json]) -> None:
    for card in every_card:
        assert {"uuid", "summary", "indicator", "source"} <= set(card) <= CARD
        assert card["indicator"] in ("info", "warning", "critical")
        assert is_uuid(card["uuid"])
        assert isinstance(card.get("detail", ""), str)


@requirement(24)
def test_no_two_cards_share_an_identity(every_card: list[Json]) -> None:
    assert len({c["uuid"] for c in every_card}) == len(every_card)


@requirement(25)
def test_a_source_has_a_label_and_a_whole_address(every_card: list[Json]) -> None:
    for card in every_card:
        source = card["source"]
        assert source["label"].strip()
        assert set(source) <= {"label", "url", "topic"}
        assert "url" not in source or is_absolute(source["url"])


@requirement(25)
def test_a_topic_is_one_code_whatever_the_patient_and_the_language(every_answer: list[Answered]) -> None:
    topics: dict[tuple[str, str], set[str]] = defaultdict(set)
    for answer in every_answer:
        for card in answer.body["cards"]:
            topic = card["source"]["topic"]
            assert topic["system"].startswith(("urn:", "http"))
            assert re.fullmatch(r"[A-Za-z0-9-]{1,100}", topic["code"])
            topics[answer.story, answer.hook].add(f"{answer.language} {topic['code']}")
    for codes in topics.values():
        english = {c.removeprefix("en ") for c in codes if c.startswith("en ")}
        assert english == {c.removeprefix("nl ") for c in codes if c.startswith("nl ")}


@requirement(26)
def test_suggestions_come_with_how_many_may_be_chosen(every_card: list[Json]) -> None:
    for card in every_card:
        assert ("suggestions" in card) == ("selectionBehavior" in card)
        assert card.get("selectionBehavior", "any") in ("any", "at-most-one")
        if card.get("selectionBehavior") == "at-most-one":
            assert sum(s.get("isRecommended", False) for s in card["suggestions"]) <= 1


@requirement(26)
def test_a_suggestion_has_a_label_and_an_identity_of_its_own(every_card: list[Json]) -> None:
    found = suggestions(every_card)
    for suggestion in found:
        assert suggestion["label"].strip()
        assert is_uuid(suggestion["uuid"])
        assert set(suggestion) <= {"label", "uuid", "isRecommended", "actions"}
        assert suggestion.get("isRecommended", True) is True
    assert len({s["uuid"] for s in found}) == len(found)


@requirement(27)
def test_an_action_creates_a_whole_draft_order_for_this_patient(every_answer: list[Answered]) -> None:
    seen = 0
    for answer in every_answer:
        for card in answer.body["cards"]:
            for action in (a for s in card.get("suggestions", ()) for a in s["actions"]):
                seen += 1
                assert set(action) == {"type", "description", "resource"}
                assert action["type"] == "create"
                assert action["description"].strip()
                resource = action["resource"]
                assert resource["subject"] == {"reference": f"Patient/{answer.story}"}
                assert resource["status"] == "draft"
                assert "id" not in resource
    assert seen


@requirement(28)
def test_override_reasons_are_codings_with_words(every_card: list[Json]) -> None:
    for card in every_card:
        for reason in card["overrideReasons"]:
            assert set(reason) == {"system", "code", "display"}
            assert all(value.strip() for value in reason.values())
        codes = [(r["system"], r["code"]) for r in card["overrideReasons"]]
        assert len(set(codes)) == len(codes)


@requirement(29)
def test_a_link_of_a_client_that_opens_reports_launches_them_with_a_context(house: SmartHouse) -> None:
    report, *others = house.card("new-diabetes")["links"]
    assert set(report) == {"label", "url", "type", "appContext"} and report["type"] == "smart"
    assert report["label"].strip() and report["appContext"] and is_absolute(report["url"])
    assert all(set(link) == {"label", "url", "type"} for link in others)


@requirement(29)
def test_links_are_labelled_absolute_and_launch_nothing(every_card: list[Json]) -> None:
    links = [link for card in every_card for link in card.get("links", ())]
    assert links
    for link in links:
        assert set(link) == {"label", "url", "type"}
        assert link["label"].strip()
        assert link["type"] == "absolute"
        assert is_absolute(link["url"])


@requirement(30)
def test_nothing_is_done_behind_the_clinicians_back(every_answer: list[Answered]) -> None:
    for answer in every_answer:
        assert set(answer.body) == {"cards"}


@requirement(31)
def test_nothing_interrupts_and_one_card_at_most_warns(every_answer: list[Answered]) -> None:
    urgent = 0
    for answer in every_answer:
        indicators = [c["indicator"] for c in answer.body["cards"]]
        assert "critical" not in indicators
        assert indicators.count("warning") <= 1
        assert indicators == sorted(indicators, reverse=True), "a warning comes before an info"
        urgent += indicators.count("warning")
    assert urgent


@requirement(31)
def test_a_prognosis_never_warns(every_answer: list[Answered]) -> None:
    for answer in every_answer:
        if answer.service == "pancreas-first-line":
            assert {c["indicator"] for c in answer.body["cards"]} <= {"info"}
