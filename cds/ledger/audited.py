"""What happened, as rows for an export: calls, feedback, opened reports, decisions. Takes a connection each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from cds.ledger.committee_tables import card_openings, standings
from cds.ledger.tables import calls, cards, feedback, predictions

What = Literal["call", "feedback", "opening", "standing"]


@dataclass(frozen=True)
class Happened:
    what: What
    id: str
    at: datetime
    client: str
    patient_key: str
    """Empty where no patient is concerned, or none could be read."""
    user_key: str | None
    good: bool
    details: tuple[tuple[str, str], ...]
    """Names and plain values: service, hook, policy, models."""


def happened(connection: sa.Connection, since: datetime, until: datetime) -> Iterator[Happened]:
    """Kind by kind, each oldest first."""
    yield from _calls(connection, since, until)
    yield from _feedback(connection, since, until)
    yield from _openings(connection, since, until)
    yield from _standings(connection, since, until)


def _calls(connection: sa.Connection, since: datetime, until: datetime) -> Iterator[Happened]:
    question = sa.select(calls).where(calls.c.at >= since, calls.c.at < until).order_by(calls.c.at, calls.c.id)
    for some in connection.execution_options(yield_per=500).execute(question).mappings().partitions():
        asked = _models(connection, [row["id"] for row in some])
        for row in some:
            details = [
                ("service", row["service"]),
                ("hook", row["hook"]),
                ("service version", row["service_version"]),
                ("policy", row["policy_version"]),
                *(("model", told) for told in asked.get(row["id"], ())),
                ("error", row["error_code"] or ""),
            ]
            kept = tuple((name, value) for name, value in details if value)
            yield Happened(
                "call", row["id"], row["at"], row["client"], row["patient_key"], row["user_key"],
                row["status"] == "answered", kept,
            )  # fmt: skip


def _models(connection: sa.Connection, ids: list[str]) -> dict[str, list[str]]:
    columns = (predictions.c.call_id, predictions.c.model, predictions.c.model_version, predictions.c.outcome)
    question = sa.select(*columns).where(predictions.c.call_id.in_(ids)).order_by(predictions.c.position)
    found: dict[str, list[str]] = {}
    for call, model, version, outcome in connection.execute(question):
        found.setdefault(call, []).append(f"{model} {version}: {outcome}")
    return found


def _feedback(connection: sa.Connection, since: datetime, until: datetime) -> Iterator[Happened]:
    question = (
        sa.select(feedback, cards.c.patient_key)
        .outerjoin(cards, cards.c.id == feedback.c.card_id)
        .where(feedback.c.received_at >= since, feedback.c.received_at < until)
        .order_by(feedback.c.received_at)
    )
    for row in connection.execute(question).mappings():
        details: list[tuple[str, Any]] = [
            ("card", row["card_id"]), ("outcome", row["outcome"]), ("reason", row["reason_code"] or "")
        ]  # fmt: skip
        kept = tuple((name, str(value)) for name, value in details if value)
        yield Happened(
            "feedback", row["id"], row["received_at"], row["client"], row["patient_key"] or "", None, True, kept
        )


def _openings(connection: sa.Connection, since: datetime, until: datetime) -> Iterator[Happened]:
    question = (
        sa.select(card_openings, cards.c.patient_key)
        .outerjoin(cards, cards.c.id == card_openings.c.card_id)
        .where(card_openings.c.at >= since, card_openings.c.at < until)
        .order_by(card_openings.c.at)
    )
    for row in connection.execute(question).mappings():
        details = (("card", row["card_id"]),)
        yield Happened("opening", row["id"], row["at"], row["client"], row["patient_key"] or "", None, True, details)


def _standings(connection: sa.Connection, since: datetime, until: datetime) -> Iterator[Happened]:
    question = sa.select(standings).where(standings.c.at >= since, standings.c.at < until).order_by(standings.c.at)
    for row in connection.execute(question).mappings():
        details = (
            ("model", row["model"]), ("action", row["action"]), ("cause", row["cause"]), ("person", row["person"]),
            ("second person", row["second"] or ""),
        )  # fmt: skip
        kept = tuple((name, value) for name, value in details if value)
        yield Happened("standing", row["id"], row["at"], row["site"], "", None, True, kept)
