"""What clinicians did with a model's cards, as rows: given, opened, answered. Takes a connection."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from cds.ledger.committee_tables import card_openings
from cds.ledger.tables import calls, card_predictions, cards, feedback, predictions


@dataclass(frozen=True)
class GivenCard:
    id: str
    at: datetime
    patient_key: str
    user_key: str | None
    topic: str
    opened: bool
    outcome: str | None
    """``accepted`` or ``overridden``, by the newest feedback of the client it was given to; None: no answer."""
    reason: str | None
    """Code of an override's reason."""


def given(
    connection: sa.Connection,
    model: str,
    client: str,
    since: datetime,
    until: datetime,
    version: str | None = None,
    fingerprint: str = "",
) -> tuple[GivenCard, ...]:
    """Cards that rest on the model, in one version and file of it where they are named; oldest first."""
    rests = (
        sa.exists()
        .where(card_predictions.c.card_id == cards.c.id)
        .where(predictions.c.id == card_predictions.c.prediction_id, predictions.c.model == model)
    )
    if version is not None:
        rests = rests.where(predictions.c.model_version == version)
    if fingerprint:
        rests = rests.where(predictions.c.model_sha256.in_(("", fingerprint)))
    opened = sa.exists().where(card_openings.c.card_id == cards.c.id, card_openings.c.client == client)
    chosen = (
        sa.select(cards.c.id, cards.c.at, cards.c.patient_key, calls.c.user_key, cards.c.topic, opened.label("opened"))
        .join(calls, calls.c.id == cards.c.call_id)
        .where(calls.c.client == client, cards.c.at >= since, cards.c.at < until, rests)
        .order_by(cards.c.at, cards.c.id)
    )
    rows = connection.execute(chosen).mappings().all()
    answers = _answers(connection, client, since, until)
    return tuple(
        GivenCard(**{**row, "opened": bool(row["opened"])}, outcome=outcome, reason=reason)
        for row in rows
        for outcome, reason in [answers.get(row["id"], (None, None))]
    )


def _answers(
    connection: sa.Connection, client: str, since: datetime, until: datetime
) -> dict[str, tuple[str | None, str | None]]:
    question = (
        sa.select(feedback.c.card_id, feedback.c.outcome, feedback.c.reason_code)
        .join(cards, cards.c.id == feedback.c.card_id)
        .where(feedback.c.client == client, cards.c.at >= since, cards.c.at < until)
        .order_by(feedback.c.at)
    )
    return {card: (outcome, reason) for card, outcome, reason in connection.execute(question)}
