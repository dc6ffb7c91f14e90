"""One model's predictions over a period, as the committee reads them: row by row, nobody named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa

from cds.ledger.tables import calls, card_predictions, predictions

SHADOW = "withheld"
"""Reason of a prediction that was made while the committee withheld its model: kept, and shown to nobody."""

SCANNER = "scanner"
"""Among the inputs of a prediction that was read from images: what made the series."""


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
    patient_language: str | None = None
    """That the patient speaks; ``language`` is that of the cards."""


_CARDED = sa.exists().where(card_predictions.c.prediction_id == predictions.c.id)
_ALL = sa.select(
    *(predictions.c.id, predictions.c.at, predictions.c.call_id, calls.c.patient_key, calls.c.language),
    *(predictions.c.model_version, predictions.c.outcome, predictions.c.reason),
    *(predictions.c.inputs, predictions.c.outputs, _CARDED.label("carded"), predictions.c.model_sha256),
    calls.c.patient_language,
).join(calls, calls.c.id == predictions.c.call_id)
_ROWS = _ALL.where(
    predictions.c.model == sa.bindparam("model"),
    predictions.c.at >= sa.bindparam("since", type_=predictions.c.at.type),
    predictions.c.at < sa.bindparam("until", type_=predictions.c.at.type),
    calls.c.client == sa.bindparam("client"),
).order_by(predictions.c.at, predictions.c.id)
_AT_ONCE = 500
"""Ids in one question: a database takes so many parameters and no more."""


def predicted(
    connection: sa.Connection, model: str, client: str, since: datetime, until: datetime
) -> Iterator[PredictedRow]:
    """Oldest first, all outcomes (predicted, not assessed, failed)."""
    by = {"model": model, "client": client, "since": since, "until": until}
    yield from map(_row, connection.execution_options(yield_per=2000).execute(_ROWS, by).mappings())


@dataclass(frozen=True)
class Newest:
    rows: tuple[PredictedRow, ...]
    cut: bool
    """There are earlier rows, at which nobody looked."""


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
    only: Callable[[PredictedRow], bool] | None = None,
    looks: int,
) -> Newest:
    """Newest first. ``carded``: only those that a card rested on. ``only``: those it says yes to, of which ``skip`` and
    ``most`` count; for what no column tells, since it reads row after row: ``looks`` of them and no more, so that a
    rare group has nobody wait for a model's whole history."""
    newest = _ROWS.order_by(None).order_by(predictions.c.at.desc(), predictions.c.id.desc())
    if carded:
        newest = newest.where(_CARDED)
    # one more than is looked at tells that there are more
    newest = newest.offset(skip).limit(most) if only is None else newest.limit(looks + 1)
    asked = {"model": model, "client": client, "since": since, "until": until}
    with connection.execute(newest, asked, execution_options={"yield_per": 500}) as found:
        rows = map(_row, found.mappings())
        if only is None:
            return Newest(tuple(rows), cut=False)
        wanted = tuple(islice(filter(only, islice(rows, looks)), skip, skip + most))
        return Newest(wanted, cut=len(wanted) < most and next(rows, None) is not None)


def of_calls(connection: sa.Connection, call_ids: Sequence[str]) -> dict[str, tuple[tuple[str, PredictedRow], ...]]:
    """Call -> its predictions, each with its model. A call without any is not in it."""
    found: dict[str, tuple[tuple[str, PredictedRow], ...]] = {}
    for start in range(0, len(call_ids), _AT_ONCE):
        some = call_ids[start : start + _AT_ONCE]
        asked = _ALL.add_columns(predictions.c.model).where(predictions.c.call_id.in_(some))
        for told in connection.execute(asked.order_by(predictions.c.call_id, predictions.c.position)).mappings():
            values = dict(told)
            model = values.pop("model")
            found[told["call_id"]] = (*found.get(told["call_id"], ()), (model, _row(values)))
    return found


def _row(values: Mapping[Any, Any]) -> PredictedRow:
    return PredictedRow(**{**values, "carded": bool(values["carded"])})


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


def language_of(connection: sa.Connection, client: str, patient_key: str) -> str | None:
    """That the patient speaks, as the newest call says that does; None: none does."""
    question = (
        sa.select(calls.c.patient_language)
        .where(calls.c.patient_key == patient_key, calls.c.client == client, calls.c.patient_language.is_not(None))
        .order_by(calls.c.at.desc())
        .limit(1)
    )
    return connection.execute(question).scalar_one_or_none()


def last_contacts(connection: sa.Connection, client: str) -> dict[str, datetime]:
    """By patient key: the newest call."""
    question = (
        sa.select(calls.c.patient_key, sa.func.max(calls.c.at))
        .where(calls.c.client == client, calls.c.patient_key != "")
        .group_by(calls.c.patient_key)
    )
    return {key: at for key, at in connection.execute(question)}
