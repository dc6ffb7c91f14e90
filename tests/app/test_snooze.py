"""A reason given for an override silences that topic, for that patient, for the time the policy says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from ledger_reading import rows, suppressions
from service import NOW, Clock, MakeApp, StoryCalls, loopback, prefetcher

from cds.ledger import tables

SERVICE, HOOK = "pancreas-risk", "patient-view"


@dataclass
class Ward:
    """A service whose clock a test may move, and a doctor who overrides."""

    app: Flask
    clock: Clock
    fire: StoryCalls

    def cards(self, patient: str) -> list[dict[str, Any]]:
        answer = self.fire(patient, SERVICE, HOOK)
        assert answer.status_code == 200
        found: list[dict[str, Any]] = answer.get_json()["cards"]
        return found

    def override(self, card: dict[str, Any], code: str | None, **members: Any) -> dict[str, Any]:
        item: dict[str, Any] = {"card": card["uuid"], "outcome": "overridden", **members}
        if code is not None:
            item["overrideReason"] = {"reason": {"code": code, "system": "urn:cds:override-reason"}}
        answer = self.app.test_client().post(f"/cds-services/{SERVICE}/feedback", json={"feedback": [item]})
        assert answer.status_code == 200, answer.get_data(as_text=True)
        told: dict[str, Any] = answer.get_json()
        return told


@pytest.fixture
def ward(make_app: MakeApp) -> Ward:
    clock = Clock(NOW)
    app = make_app(now=clock, **loopback())
    return Ward(app, clock, StoryCalls(app.test_client(), prefetcher(app)))


def test_later_means_a_week_and_this_patient_only(ward: Ward) -> None:
    (card,) = ward.cards("jaundice-head")
    ward.override(card, "later")
    assert ward.cards("jaundice-head") == []
    assert suppressions(ward.app) == {"pancreas-risk/referral": "snoozed:later"}
    (held,) = rows(ward.app, tables.suppressions)
    assert held["until"] == date(2026, 11, 30)
    assert held["prediction_ids"]
    assert len(ward.cards("new-diabetes")) == 1


def test_it_speaks_again_when_the_time_is_over(ward: Ward) -> None:
    (card,) = ward.cards("jaundice-head")
    ward.override(card, "later")
    ward.clock.now = NOW + timedelta(days=6, hours=23)
    assert ward.cards("jaundice-head") == []
    ward.clock.now = NOW + timedelta(days=7, hours=1)
    assert len(ward.cards("jaundice-head")) == 1


@pytest.mark.parametrize("code", [None, "of-our-own", ""])
def test_an_override_without_a_reason_that_snoozes_silences_nothing(ward: Ward, code: str | None) -> None:
    (card,) = ward.cards("jaundice-head")
    ward.override(card, code)
    assert len(ward.cards("jaundice-head")) == 1


def test_accepting_silences_nothing(ward: Ward) -> None:
    (card,) = ward.cards("jaundice-head")
    accepted: dict[str, Any] = {"card": card["uuid"], "outcome": "accepted"}
    accepted["acceptedSuggestions"] = [{"id": card["suggestions"][0]["uuid"]}]
    answer = ward.app.test_client().post(f"/cds-services/{SERVICE}/feedback", json={"feedback": [accepted]})
    assert answer.status_code == 200
    assert len(ward.cards("jaundice-head")) == 1


def test_the_same_feedback_twice_is_kept_once(ward: Ward) -> None:
    (card,) = ward.cards("jaundice-head")
    at = datetime(2026, 11, 23, 11, 59, tzinfo=UTC).isoformat()
    for _ in range(2):
        ward.override(card, "later", outcomeTimestamp=at)
    (kept,) = rows(ward.app, tables.feedback)
    assert (kept["card_id"], kept["reason_code"]) == (card["uuid"], "later")


def test_a_reason_that_comes_after_a_bare_override_is_heard(ward: Ward) -> None:
    """Also from a client that sends no time with it."""
    (card,) = ward.cards("jaundice-head")
    assert ward.override(card, None)["stored"] == 1
    ward.clock.now = NOW + timedelta(minutes=1)
    assert [ward.override(card, "later")["stored"] for _ in range(2)] == [1, 0]
    assert ward.cards("jaundice-head") == []


def test_a_topic_is_silent_not_the_patient(ward: Ward) -> None:
    """The survival card of another service still comes."""
    patient = "folfirinox-falling"
    sign = (patient, "pancreas-first-line", "order-sign")
    before = [c["source"]["topic"]["code"] for c in ward.fire(*sign).get_json()["cards"]]
    (card,) = ward.cards("jaundice-head")
    ward.override(card, "later")
    assert [c["source"]["topic"]["code"] for c in ward.fire(*sign).get_json()["cards"]] == before != []


def test_another_clients_patient_of_the_same_id_still_gets_the_card(make_app: MakeApp) -> None:
    """The hash that stands for a patient is the client's and the patient's together."""
    app = make_app(**loopback())
    engine = app.extensions["cds"]
    assert engine.ledger.patient_key("north", "1") != engine.ledger.patient_key("south", "1")
