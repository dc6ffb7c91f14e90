"""What one model was asked and said, as kept: its inputs as read then, so that other rules can be tried on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from cds.errors import LedgerError
from cds.ledger.database import fault, make_engine, parse_url
from cds.ledger.tables import calls, predictions

_STATEMENT_S, _CONNECT_S = 600.0, 3.0
_AT_ONCE = 1000
_KEPT = (
    sa.select(
        calls.c.patient_key,
        predictions.c.model_version,
        predictions.c.outcome,
        predictions.c.reason,
        predictions.c.inputs,
        predictions.c.outputs,
    )
    .join(calls, calls.c.id == predictions.c.call_id)
    .where(
        predictions.c.model == sa.bindparam("model"),
        predictions.c.at >= sa.bindparam("since"),
        predictions.c.at < sa.bindparam("until"),
    )
    .order_by(predictions.c.at.desc(), predictions.c.id.desc())
)


@dataclass(frozen=True)
class KeptAnswer:
    patient: str
    """The ledger's key of them."""
    version: str
    outcome: str
    reason: str | None
    inputs: dict[str, dict[str, Any]]
    """By name: ``state`` and, where there is one, ``value`` in the input's unit."""
    outputs: dict[str, Any]


def newest_by_patient(url: str, model: str, since: datetime, until: datetime) -> Iterator[KeptAnswer]:
    """The newest answer on each patient asked about in that time. Raises LedgerError."""
    engine = make_engine(parse_url(url), statement_s=_STATEMENT_S, connect_s=_CONNECT_S, poolclass=sa.NullPool)
    seen: set[str] = set()
    try:
        with engine.connect() as connection:
            window = {"model": model, "since": since, "until": until}
            for row in connection.execution_options(yield_per=_AT_ONCE).execute(_KEPT, window):
                if row.patient_key not in seen:
                    seen.add(row.patient_key)
                    yield KeptAnswer(
                        row.patient_key, row.model_version, row.outcome, row.reason, row.inputs, row.outputs
                    )
    except SQLAlchemyError as error:
        raise LedgerError(f"the ledger can't be read ({fault(error)}): check database_url") from error
    finally:
        engine.dispose()
