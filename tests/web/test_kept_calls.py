"""An EHR may see what the ledger keeps of its own calls, and nobody else's; no patient is in it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from service import TODAY, Clock, MakeApp, loopback, prefetcher
from werkzeug.test import TestResponse

from cds.ledger import CallEntry


def opened(app: Flask, story: str = "new-diabetes", **more: Any) -> tuple[str, dict[str, Any]]:
    """(hook instance, answer) of a chart opened by the demonstration's client."""
    client, instance = app.test_client(), str(uuid.uuid4())
    body = {
        "hook": "patient-view",
        "hookInstance": instance,
        "context": {"userId": "Practitioner/1", "patientId": story},
        "prefetch": prefetcher(app)(story, "pancreas-risk", "patient-view"),
        **more,
    }
    answer = client.post("/cds-services/pancreas-risk", json=body)
    assert answer.status_code == 200, answer.text
    return instance, answer.get_json()


def kept(app: Flask, instance: str, **how: Any) -> TestResponse:
    return app.test_client().get(f"/calls/{instance}", **how)


def test_the_row_names_models_cards_timings_and_policy(fresh_app: Flask) -> None:
    instance, answer = opened(fresh_app)
    found = kept(fresh_app, instance)
    assert found.status_code == 200
    assert found.headers["Cache-Control"] == "no-store"
    (row,) = found.get_json()["calls"]
    assert (row["service"], row["hook"], row["status"]) == ("pancreas-risk", "patient-view", "answered")
    assert [card["id"] for card in row["cards"]] == [card["uuid"] for card in answer["cards"]]
    assert {"trust", "gather", "models", "cards"} <= set(row["timings"])
    assert {p["outcome"] for p in row["predictions"]} <= {"predicted", "not-assessed"}
    assert row["policy"]


def test_no_patient_no_value_and_no_reference_is_in_it(fresh_app: Flask) -> None:
    instance, _ = opened(fresh_app)
    text = kept(fresh_app, instance).text
    key = fresh_app.extensions["cds"].ledger.patient_key("demo", "new-diabetes")
    for secret in ("new-diabetes", "Testpatient", "Nora", key, "Observation/", "71.9", "Patient/", "Practitioner/"):
        assert secret not in text, secret


def test_feedback_and_what_is_silent_since_and_until_when_are_told(fresh_app: Flask) -> None:
    instance, answer = opened(fresh_app)
    card = answer["cards"][0]
    said = {
        "card": card["uuid"],
        "outcome": "overridden",
        "overrideReason": {"reason": {"code": "declined", "system": "urn:cds:override-reason"}},
        "outcomeTimestamp": f"{TODAY.isoformat()}T12:00:00Z",
    }
    fresh_app.test_client().post("/cds-services/pancreas-risk/feedback", json={"feedback": [said]})
    (row,) = kept(fresh_app, instance).get_json()["calls"]
    assert row["cards"][0]["feedback"] == [{"outcome": "overridden", "reason": "declined", "commented": False}]
    again, quiet = opened(fresh_app)
    assert quiet["cards"] == []
    (row,) = kept(fresh_app, again).get_json()["calls"]
    (held,) = [h for h in row["heldBack"] if h["reason"] == "snoozed:declined"]
    assert held["topic"].startswith(card["source"]["topic"]["code"])
    assert held["until"] > TODAY.isoformat()


@pytest.mark.threat("other-client")
def test_another_clients_call_is_not_there(fresh_app: Flask) -> None:
    ledger = fresh_app.extensions["cds"].ledger
    instance, _ = opened(fresh_app)
    (own,) = ledger.calls_of("demo", instance, fresh_app.extensions["cds"].now() - timedelta(hours=1))
    foreign = {f: getattr(own, f) for f in CallEntry.__dataclass_fields__} | {
        "id": "foreign", "client": "other", "hook_instance": "theirs", "predictions": (), "cards": (),
    }  # fmt: skip
    ledger.record_call(CallEntry(**foreign))
    assert ledger.calls_of("other", "theirs", own.at - timedelta(hours=1))
    answer = kept(fresh_app, "theirs")
    assert answer.status_code == 404
    assert answer.get_json()["resourceType"] == "OperationOutcome"


def test_a_stranger_sees_nothing(fresh_app: Flask) -> None:
    instance, _ = opened(fresh_app)
    assert kept(fresh_app, instance, environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 401


@pytest.mark.parametrize("instance", ["no-such-call", "%20", "x" * 300])
def test_a_call_that_never_was_is_not_found(fresh_app: Flask, instance: str) -> None:
    assert kept(fresh_app, instance).status_code == 404


def test_a_call_of_the_day_before_yesterday_is_no_longer_shown(make_app: MakeApp) -> None:
    clock = Clock()
    app = make_app(now=clock, **loopback())
    instance, _ = opened(app)
    clock.now += timedelta(hours=25)
    assert kept(app, instance).status_code == 404
