"""One model's predictions over a period, as the committee reads them: row by row, nobody named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from cds.ledger.tables import calls, card_predictions, predictions

SHADOW = "withheld"
"""Reason of a prediction that was made while the committee withheld its model: kept, and shown to nobody."""


@dataclass(frozen=True)
class PredictedRow:
    id: str
    at: datetime
    call_id: str
    patient_key: str
    language: str
    model_version: str
    outcome: str
    reason: str | None
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    carded: bool
    """A card that went out rested on it."""
    model_sha256: str
    """Fingerprint of what decided; rows of rules from before rules had one hold none."""


_CARDED = sa.exists().where(card_predictions.c.prediction_id == predictions.c.id)
_ROWS = (
    sa.select(
        *(predictions.c.id, predictions.c.at, predictions.c.call_id, calls.c.patient_key, calls.c.language),
        *(predictions.c.model_version, predictions.c.outcome, predictions.c.reason),
        *(predictions.c.inputs, predictions.c.outputs, _CARDED.label("carded"), predictions.c.model_sha256),
    )
    .join(calls, calls.c.id == predictions.c.call_id)
    .where(
        predictions.c.model == sa.bindparam("model"),
        predictions.c.at >= sa.bindparam("since", type_=predictions.c.at.type),
        predictions.c.at < sa.bindparam("until", type_=predictions.c.at.type),
        calls.c.client == sa.bindparam("client"),
    )
    .order_by(predictions.c.at, predictions.c.id)
)


def predicted(
    connection: sa.Connection, model: str, client: str, since: datetime, until: datetime
) -> Iterator[PredictedRow]:
    """Oldest first, all outcomes (predicted, not assessed, failed)."""
    by = {"model": model, "client": client, "since": since, "until": until}
    for row in connection.execution_options(yield_per=2000).execute(_ROWS, by).mappings():
        yield PredictedRow(**{**row, "carded": bool(row["carded"])})


def newest_predicted(
    connection: sa.Connection,
    model: str,
    client: str,
    skip: int,
    most: int,
    *,
    carded: bool = False,
    since: datetime = datetime(1970, 1, 1, tzinfo=UTC),
    until: datetime = datetime(9999, 1, 1, tzinfo=UTC),
) -> tuple[PredictedRow, ...]:
    """Newest first. ``carded``: only those that a card rested on."""
    ends = {"since": since, "until": until}
    newest = _ROWS.order_by(None).order_by(predictions.c.at.desc(), predictions.c.id.desc()).offset(skip).limit(most)
    if carded:
        newest = newest.where(_CARDED)
    rows = connection.execute(newest, {"model": model, "client": client, **ends}).mappings()
    return tuple(PredictedRow(**{**row, "carded": bool(row["carded"])}) for row in rows)


def sites(connection: sa.Connection, model: str) -> tuple[str, ...]:
    """Clients whose calls asked this model."""
    question = (
        sa.select(calls.c.client)
        .join(predictions, predictions.c.call_id == calls.c.id)
        .where(predictions.c.model == model)
        .distinct()
        .order_by(calls.c.client)
    )
    return tuple(connection.execute(question).scalars())


def last_contacts(connection: sa.Connection, client: str) -> dict[str, datetime]:
    """By patient key: the newest call."""
    question = (
        sa.select(calls.c.patient_key, sa.func.max(calls.c.at))
        .where(calls.c.client == client, calls.c.patient_key != "")
        .group_by(calls.c.patient_key)
    )
    return {key: at for key, at in connection.execute(question)}
