"""How often each input of a model was there: counted from the predictions kept in the ledger."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from cds.errors import LedgerError
from cds.ledger.database import make_engine, parse_url
from cds.ledger.tables import predictions

_NEWEST = (
    sa.select(predictions.c.inputs)
    .where(predictions.c.model == sa.bindparam("model"))
    .order_by(predictions.c.at.desc())
    .limit(sa.bindparam("most", type_=sa.Integer))
)
UNSOURCED = "unsourced"
"""Found, but read from no resource: a flag that nothing in the record speaks for, or the patient's own age or sex."""
_STATEMENT_S, _CONNECT_S = 30.0, 3.0


def input_states(url: str, model: str, most: int = 10_000) -> tuple[int, Mapping[str, Counter[str]]]:
    """How many of the newest predictions were read, and by input how often it was in each state. Raises LedgerError."""
    parsed = parse_url(url)
    engine = make_engine(parsed, statement_s=_STATEMENT_S, connect_s=_CONNECT_S)
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    count = 0
    try:
        with engine.connect() as connection:
            for (inputs,) in connection.execute(_NEWEST, {"model": model, "most": most}):
                count += 1
                for name, snapshot in inputs.items():
                    found[name][_state(snapshot)] += 1
    except SQLAlchemyError as error:
        raise LedgerError(f"the ledger can't be read: {type(error).__name__}") from error
    finally:
        engine.dispose()
    return count, found


def _state(snapshot: Mapping[str, object]) -> str:
    state = str(snapshot.get("state", ""))
    return UNSOURCED if state == "found" and "from" not in snapshot else state
