"""Entries to rows and back: the only place that knows both shapes."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import RowMapping

from cds.ledger.entries import (
    CallEntry,
    CardEntry,
    FeedbackEntry,
    PolicyEntry,
    PredictionEntry,
    SuppressionEntry,
)

Row = dict[str, Any]


def to_json(value: Any) -> str:
    """PostgreSQL refuses NUL in JSON: it becomes U+FFFD. Raises TypeError for what JSON can't hold."""
    text = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY).decode()
    return text.replace("\\u0000", "\\ufffd") if "\\u0000" in text else text


def call_row(entry: CallEntry) -> Row:
    return {
        "id": entry.id,
        "at": entry.at,
        "client": entry.client,
        "service": entry.service,
        "hook": entry.hook,
        "hook_instance": _sent(entry.hook_instance),
        "patient_key": entry.patient_key,
        "user_key": entry.user_key,
        "policy_version": entry.policy_version,
        "service_version": entry.service_version,
        "language": entry.language,
        "data_state": entry.data_state,
        "status": entry.status,
        "error_code": entry.error_code,
        "duration_ms": entry.duration_ms,
        "timings": entry.timings,
    }


def prediction_rows(entry: CallEntry) -> list[Row]:
    return [
        {
            "id": p.id,
            "call_id": entry.id,
            "position": position,
            "at": entry.at,
            "model": p.model,
            "model_version": p.model_version,
            "model_sha256": p.model_sha256,
            "outcome": p.outcome,
            "reason": p.reason,
            "inputs": p.inputs,
            "outputs": p.outputs,
        }
        for position, p in enumerate(entry.predictions)
    ]


def card_rows(entry: CallEntry) -> list[Row]:
    return [
        {
            "id": card.id,
            "call_id": entry.id,
            "position": position,
            "patient_key": entry.patient_key,
            "at": entry.at,
            "topic": card.topic,
            "indicator": card.indicator,
            "body": card.body,
        }
        for position, card in enumerate(entry.cards)
    ]


def card_prediction_rows(entry: CallEntry) -> list[Row]:
    return [
        {"card_id": card.id, "position": position, "prediction_id": prediction_id}
        for card in entry.cards
        for position, prediction_id in enumerate(card.prediction_ids)
    ]


def suppression_rows(entry: CallEntry) -> list[Row]:
    return [
        {
            "call_id": entry.id,
            "position": position,
            "topic": s.topic,
            "reason": s.reason,
            "until": s.until,
            "prediction_ids": s.prediction_ids,
        }
        for position, s in enumerate(entry.suppressions)
    ]


def feedback_row(entry: FeedbackEntry) -> Row:
    card_id, outcome = _sent(entry.card_id), _sent(entry.outcome)
    sent = _moment(entry.outcome_at)
    same = "\x1f".join((entry.client, card_id, outcome, sent.isoformat() if sent else entry.outcome_at or ""))
    return {
        "id": hashlib.sha256(same.encode()).hexdigest(),
        "card_id": card_id,
        "outcome": outcome,
        "suggestion_ids": entry.suggestion_ids,
        "reason_code": _sent_or_none(entry.reason_code),
        "reason_system": _sent_or_none(entry.reason_system),
        "reason_display": _sent_or_none(entry.reason_display),
        "comment_present": entry.comment_present,
        "client": entry.client,
        "service": entry.service,
        "outcome_at": _sent_or_none(entry.outcome_at),
        # a client's clock may run ahead; a snooze must not outlast the reason for it
        "at": sent if sent is not None and sent <= entry.received_at else entry.received_at,
        "received_at": entry.received_at,
    }


def policy_row(entry: PolicyEntry) -> Row:
    return {"version": entry.version, "content": entry.content, "first_used_at": entry.first_used_at}


def read_prediction(row: RowMapping) -> PredictionEntry:
    return PredictionEntry(
        id=row["id"],
        model=row["model"],
        model_version=row["model_version"],
        model_sha256=row["model_sha256"],
        outcome=row["outcome"],
        reason=row["reason"],
        inputs=row["inputs"],
        outputs=row["outputs"],
    )


def read_card(row: RowMapping, prediction_ids: tuple[str, ...]) -> CardEntry:
    return CardEntry(row["id"], row["topic"], row["indicator"], row["body"], prediction_ids)


def read_suppression(row: RowMapping) -> SuppressionEntry:
    return SuppressionEntry(row["topic"], row["reason"], row["until"], tuple(row["prediction_ids"]))


def read_feedback(row: RowMapping) -> FeedbackEntry:
    return FeedbackEntry(
        card_id=row["card_id"],
        outcome=row["outcome"],
        suggestion_ids=tuple(row["suggestion_ids"]),
        reason_code=row["reason_code"],
        reason_system=row["reason_system"],
        reason_display=row["reason_display"],
        comment_present=row["comment_present"],
        client=row["client"],
        service=row["service"],
        outcome_at=row["outcome_at"],
        received_at=row["received_at"],
    )


def _moment(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if text else None
        if found is None:
            return None
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _sent(text: str) -> str:
    """What a client wrote: PostgreSQL takes no NUL, and no index entry over 2,700 bytes."""
    return text.replace("\x00", "\ufffd")[:400]


def _sent_or_none(text: str | None) -> str | None:
    return None if text is None else _sent(text)
