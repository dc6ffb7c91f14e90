"""Feedback: what clinicians did with cards, in whatever order and number it arrives."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from flask.testing import FlaskClient
from requirements import requirement
from service import Json, StoryCalls

from cds.engine import Engine

FEEDBACK = "/cds-services/pancreas-risk/feedback"
AT = "2026-11-23T12:00:10Z"
REASON = {"code": "already-investigated", "system": "urn:cds:override-reason"}


def accepted(card: str, *suggestions: str, at: str = AT) -> Json:
    return {
        "card": card,
        "outcome": "accepted",
        "acceptedSuggestions": [{"id": s} for s in suggestions],
        "outcomeTimestamp": at,
    }


def overridden(card: str, at: str = AT, **why: Any) -> Json:
    return {"card": card, "outcome": "overridden", "outcomeTimestamp": at, **({"overrideReason": why} if why else {})}


def some_card(fire: StoryCalls, story: str = "new-diabetes") -> Json:
    card: Json = fire(story).get_json()["cards"][0]
    return card


@requirement(32)
def test_an_accepted_suggestion_is_received(fire_fresh: StoryCalls) -> None:
    card = some_card(fire_fresh)
    item = accepted(card["uuid"], card["suggestions"][0]["uuid"])
    answer = fire_fresh.client.post(FEEDBACK, json={"feedback": [item]})
    assert (answer.status_code, answer.get_json()) == (200, {"received": 1, "stored": 1})


@requirement(32)
def test_posted_feedback_leads_to_the_card_it_answers_and_to_the_predictions_behind_it(fire_fresh: StoryCalls) -> None:
    """From the accepted order back to the numbers: with nothing in hand but what the EHR posted."""
    shown = some_card(fire_fresh)
    chosen = shown["suggestions"][1]
    fire_fresh.client.post(FEEDBACK, json={"feedback": [accepted(shown["uuid"], chosen["uuid"])]})
    engine: Engine = fire_fresh.client.application.extensions["cds"]

    (said,) = engine.ledger.feedback_on(shown["uuid"])
    assert (said.outcome, said.suggestion_ids) == ("accepted", (chosen["uuid"],))
    card = engine.ledger.card(said.card_id)
    assert card is not None
    (order,) = (s for s in card.entry.body["suggestions"] if s["uuid"] in said.suggestion_ids)
    (stored,), (sent,) = order["actions"], chosen["actions"]
    assert (order["label"], stored["resource"]["code"]) == (chosen["label"], sent["resource"]["code"])
    assert "new-diabetes" not in str(card.entry.body)  # the order as stored names no patient
    predictions = [engine.ledger.prediction(id) for id in card.entry.prediction_ids]
    said_by = {p.entry.model: p.entry for p in predictions if p is not None}
    assert set(said_by) == {"nice-ng12", "endpac", "qcancer-2013-pancreas"}
    assert said_by["endpac"].outputs["score"] == 9
    assert "END-PAC 9, high" in card.entry.body["detail"]


@requirement(32)
@pytest.mark.parametrize(
    "why",
    [{"reason": REASON, "userComment": "CT last week"}, {"reason": REASON}, {"userComment": "not now"}, {}],
    ids=["reason and comment", "reason", "comment", "neither"],
)
def test_an_override_is_received_with_a_reason_a_comment_or_neither(fire_fresh: StoryCalls, why: Json) -> None:
    item = overridden(some_card(fire_fresh)["uuid"], **why)
    answer = fire_fresh.client.post(FEEDBACK, json={"feedback": [item]})
    assert (answer.status_code, answer.get_json()["stored"]) == (200, 1)


@requirement(32)
def test_an_override_with_a_reason_silences_its_topic_for_this_patient_only(fire_fresh: StoryCalls) -> None:
    card = some_card(fire_fresh)
    fire_fresh.client.post(FEEDBACK, json={"feedback": [overridden(card["uuid"], reason=REASON)]})
    assert fire_fresh("new-diabetes").get_json() == {"cards": []}
    assert fire_fresh("jaundice-head").get_json()["cards"]


@requirement(32)
def test_an_accepted_card_silences_nothing(fire_fresh: StoryCalls) -> None:
    card = some_card(fire_fresh)
    fire_fresh.client.post(FEEDBACK, json={"feedback": [accepted(card["uuid"], card["suggestions"][0]["uuid"])]})
    assert fire_fresh("new-diabetes").get_json()["cards"]


@requirement(32)
@pytest.mark.parametrize(
    "message",
    [
        {"feedback": [{"card": "x", "outcome": "ignored", "outcomeTimestamp": AT}]},
        {"feedback": [{"outcome": "accepted", "outcomeTimestamp": AT}]},
        {"feedback": [{"card": "x", "outcomeTimestamp": AT}]},
        {"feedback": "accepted"},
        {"feedback": [7]},
        {"feedback": None},
        [],
        {},
    ],
)
def test_what_is_not_feedback_is_refused(client: FlaskClient, message: Any) -> None:
    answer = client.post(FEEDBACK, json=message)
    assert answer.status_code == 400
    assert answer.get_json()["resourceType"] == "OperationOutcome"


@requirement(32)
def test_feedback_for_a_service_that_does_not_exist_is_404(client: FlaskClient) -> None:
    assert client.post("/cds-services/unknown/feedback", json={"feedback": []}).status_code == 404


@requirement(32)
def test_the_words_of_a_comment_are_not_kept(fire_fresh: StoryCalls) -> None:
    card = some_card(fire_fresh)
    comment = "Mrs Testpatient had her scan in Utrecht"
    fire_fresh.client.post(FEEDBACK, json={"feedback": [overridden(card["uuid"], userComment=comment)]})
    engine: Engine = fire_fresh.client.application.extensions["cds"]
    kept = b"".join(f.read_bytes() for f in engine.settings.data_dir.rglob("*") if f.is_file())
    assert card["uuid"].encode() in kept
    assert b"Utrecht" not in kept


@requirement(33)
def test_the_same_feedback_again_is_received_and_stored_once(fire_fresh: StoryCalls) -> None:
    message = {"feedback": [overridden(some_card(fire_fresh)["uuid"], reason=REASON)]}
    answers = [fire_fresh.client.post(FEEDBACK, json=message) for _ in range(3)]
    assert [a.status_code for a in answers] == [200] * 3
    assert [a.get_json()["stored"] for a in answers] == [1, 0, 0]


@requirement(33)
def test_a_later_outcome_for_the_same_card_is_one_more(fire_fresh: StoryCalls) -> None:
    card = some_card(fire_fresh)
    first = accepted(card["uuid"], card["suggestions"][0]["uuid"])
    second = accepted(card["uuid"], card["suggestions"][1]["uuid"], at="2026-11-23T12:03:00Z")
    for item in (first, second):
        assert fire_fresh.client.post(FEEDBACK, json={"feedback": [item]}).get_json()["stored"] == 1


@requirement(33)
def test_a_batch_may_hold_cards_of_many_calls(fire_fresh: StoryCalls) -> None:
    items = [overridden(some_card(fire_fresh, story)["uuid"]) for story in ("new-diabetes", "jaundice-head") * 2]
    answer = fire_fresh.client.post(FEEDBACK, json={"feedback": items})
    assert answer.get_json() == {"received": 4, "stored": 4}


@requirement(33)
@pytest.mark.parametrize("wrong", [{"card": "c", "outcome": "ignored"}, {"outcome": "accepted"}, 7])
def test_one_wrong_item_of_a_batch_is_named_and_takes_none_along(fire_fresh: StoryCalls, wrong: object) -> None:
    good = [overridden(some_card(fire_fresh, story)["uuid"]) for story in ("new-diabetes", "jaundice-head")]
    answer = fire_fresh.client.post(FEEDBACK, json={"feedback": [good[0], wrong, good[1]]})
    assert answer.status_code == 400
    said = answer.get_json()["issue"][0]["details"]["text"]
    assert said.startswith("item 2 of 3 is not CDS Hooks feedback: ")
    assert said.endswith("The items that can be read are kept: 2")
    again = fire_fresh.client.post(FEEDBACK, json={"feedback": good})
    assert again.get_json() == {"received": 2, "stored": 0}


@requirement(33)
def test_an_empty_batch_and_an_unknown_card_are_taken_calmly(client: FlaskClient) -> None:
    """A card of before the ledger was moved, or one that Epic numbers in its own way."""
    assert client.post(FEEDBACK, json={"feedback": []}).get_json() == {"received": 0, "stored": 0}
    for card in (str(uuid.uuid4()), "123456"):
        assert client.post(FEEDBACK, json={"feedback": [overridden(card)]}).status_code == 200


@requirement(33)
@pytest.mark.parametrize("at", ["2026-11-23T12:00:10Z", "2026-11-23T13:00:10.123+01:00", "2026-11-23", "soon", ""])
def test_an_outcome_counts_whenever_it_says_it_was(fire_fresh: StoryCalls, at: str) -> None:
    item = overridden(some_card(fire_fresh)["uuid"], at=at)
    assert fire_fresh.client.post(FEEDBACK, json={"feedback": [item]}).get_json()["stored"] == 1
