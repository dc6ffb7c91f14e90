"""Entries as the call path makes them, for tests of the ledger."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any

from cds.ledger import CallEntry, CardEntry, FeedbackEntry, PredictionEntry, SuppressionEntry

KEY = b"a key of thirty-two bytes or more"
NOW = datetime(2026, 11, 20, 9, 30, 15, 250_000, tzinfo=UTC)
TOPIC = "risk"


def prediction(**changes: Any) -> PredictionEntry:
    values: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "model": "model-a",
        "model_version": "1.2.0",
        "model_sha256": "ab" * 32,
        "outcome": "predicted",
        "reason": None,
        "inputs": {
            "hba1c": {"state": "found", "value": 6.7, "unit": "%", "date": "2026-11-02", "from": ["Observation/7"]},
            "weight": {"state": "absent"},
        },
        "outputs": {"risk": 0.0123, "curve": [1.0, 0.93, 0.81]},
    }
    return PredictionEntry(**{**values, **changes})


def card(*prediction_ids: str, **changes: Any) -> CardEntry:
    card_id = str(uuid.uuid4())
    body = {
        "uuid": card_id,
        "summary": "Consider a scan",
        "indicator": "warning",
        "suggestions": [{"uuid": str(uuid.uuid4()), "label": "Order it"}],
    }
    values: dict[str, Any] = {"id": card_id, "topic": TOPIC, "indicator": "warning", "body": body}
    return CardEntry(**{**values, "prediction_ids": prediction_ids, **changes})


def call(*, predictions: int = 4, cards: int = 1, **changes: Any) -> CallEntry:
    said = [prediction() for _ in range(predictions - 1)]
    if predictions:
        said.append(prediction(outcome="not-assessed", reason="input-absent", outputs={}))
    values: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "at": NOW,
        "client": "north",
        "service": "a-risk",
        "hook": "patient-view",
        "hook_instance": str(uuid.uuid4()),
        "patient_key": "0f" * 32,
        "user_key": "1e" * 32,
        "policy_version": "sha256:1234",
        "service_version": "1.0.0",
        "language": "nl",
        "data_state": {"patient": {"state": "sent", "count": 1}, "labs": {"state": "failed", "error": "CDS-601"}},
        "status": "answered",
        "error_code": None,
        "duration_ms": 12.5,
        "timings": {"parse": 0.4, "models": 1.75},
        "predictions": tuple(said),
        "cards": tuple(card(*(p.id for p in said[:2])) for _ in range(cards)),
        "suppressions": (SuppressionEntry("plan", "snoozed:later", date(2027, 1, 1), tuple(p.id for p in said[:1])),),
    }
    return CallEntry(**{**values, **changes})


def feedback(card_id: str, **changes: Any) -> FeedbackEntry:
    values: dict[str, Any] = {
        "card_id": card_id,
        "outcome": "overridden",
        "suggestion_ids": (),
        "reason_code": "already-known",
        "reason_system": "urn:reasons",
        "comment_present": True,
        "client": "north",
        "service": "a-risk",
        "outcome_at": (NOW - timedelta(minutes=5)).isoformat(),
        "received_at": NOW,
    }
    return FeedbackEntry(**{**values, **changes})
