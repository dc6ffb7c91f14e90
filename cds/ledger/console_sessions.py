"""Sessions of the committee's console that were ended before their time, for every worker. Takes a connection each."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from cds.ledger.book import put
from cds.ledger.committee_tables import ended_sessions


def end(connection: sa.Connection, session_id: str, until: datetime, now: datetime) -> None:
    """``until``: when its cookie would have been too old anyway; what is past that is forgotten."""
    connection.execute(sa.delete(ended_sessions).where(ended_sessions.c.until < now))
    put(connection, ended_sessions, [{"id": session_id, "until": until}])


def ended(connection: sa.Connection, session_id: str) -> bool:
    return (
        connection.execute(sa.select(ended_sessions.c.id).where(ended_sessions.c.id == session_id)).first() is not None
    )
