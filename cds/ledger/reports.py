"""What the report page asks of the ledger and puts into it. Each function takes a connection; none opens one."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cds.ledger import rows
from cds.ledger.committee_tables import card_openings
from cds.ledger.entries import PredictionEntry, ProblemEntry, SealedSession
from cds.ledger.tables import calls, cards, predictions, problems, report_sessions


def put_session(connection: sa.Connection, session: SealedSession) -> None:
    """Again after a connection was lost: the same session is one row."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(insert(report_sessions).on_conflict_do_nothing(), dict(session.__dict__))
    connection.execute(sa.delete(report_sessions).where(report_sessions.c.expires < session.created_at))


def session(connection: sa.Connection, session_id: str, now: datetime) -> SealedSession | None:
    """None: never opened, left, or expired."""
    found = connection.execute(
        sa.select(report_sessions).where(report_sessions.c.id == session_id, report_sessions.c.expires > now)
    ).mappings()
    row = found.first()
    return None if row is None else SealedSession(**{**row, "sealed": bytes(row["sealed"])})


def reseal_session(connection: sa.Connection, session_id: str, sealed: bytes) -> None:
    """Nothing where it has been left meanwhile."""
    connection.execute(sa.update(report_sessions).where(report_sessions.c.id == session_id).values(sealed=sealed))


def drop_session(connection: sa.Connection, session_id: str) -> None:
    connection.execute(sa.delete(report_sessions).where(report_sessions.c.id == session_id))


# of the client it was given to: two hospitals' patients never share a key, but the question should not rest on that
_NEWEST_CARD = (
    sa.select(cards.c.id)
    .join(calls, calls.c.id == cards.c.call_id)
    .where(cards.c.patient_key == sa.bindparam("patient_key"), calls.c.client == sa.bindparam("client"))
    .order_by(cards.c.at.desc(), cards.c.call_id.desc(), cards.c.position)
    .limit(1)
)


def newest_card(connection: sa.Connection, client: str, patient_key: str) -> str | None:
    """The first card of the newest call of this patient that gave any."""
    found: str | None = connection.execute(
        _NEWEST_CARD, {"patient_key": patient_key, "client": client}
    ).scalar_one_or_none()
    return found


_PREDICTIONS_OF = (
    sa.select(predictions)
    .join(calls, calls.c.id == predictions.c.call_id)
    .where(
        predictions.c.id.in_(sa.bindparam("ids", expanding=True)),
        calls.c.patient_key == sa.bindparam("patient_key"),
        calls.c.client == sa.bindparam("client"),
    )
)


def predictions_of(
    connection: sa.Connection, client: str, patient_key: str, ids: Collection[str]
) -> dict[str, PredictionEntry]:
    """Those of ``ids`` that were made for this patient of this client, by id."""
    by = {"ids": list(ids), "patient_key": patient_key, "client": client}
    return {row["id"]: rows.read_prediction(row) for row in connection.execute(_PREDICTIONS_OF, by).mappings()}


def put_opening(connection: sa.Connection, opening_id: str, card_id: str, client: str, at: datetime) -> None:
    """Somebody opened the report behind a card; who, is not kept."""
    connection.execute(sa.insert(card_openings), {"id": opening_id, "card_id": card_id, "client": client, "at": at})


def all_problems(connection: sa.Connection) -> tuple[ProblemEntry, ...]:
    found = connection.execute(sa.select(problems).order_by(problems.c.at.desc(), problems.c.id.desc()))
    return tuple(rows.read_problem(row) for row in found.mappings())
