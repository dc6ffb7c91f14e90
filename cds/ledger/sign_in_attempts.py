"""Wrong passwords at the committee's console, counted once for every worker. Takes a connection each.

What they are counted for (a name, an address, a browser) is not stored: only a keyed hash of it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime

import sqlalchemy as sa

from cds.ledger.book import put
from cds.ledger.committee_tables import sign_in_attempts

Counted = tuple[int, datetime]
"""(how often, not before)"""
_MOST = 10_000
"""Whoever guesses under ever new names must not fill the database."""
columns = sign_in_attempts.c


def of(connection: sa.Connection, ids: Collection[str]) -> dict[str, Counted]:
    rows = connection.execute(sa.select(columns.id, columns.wrong, columns.until).where(columns.id.in_(list(ids))))
    return {row.id: (row.wrong, row.until) for row in rows}


def add(
    connection: sa.Connection, counting: Mapping[str, Callable[[Counted], Counted]], now: datetime, forgotten: datetime
) -> None:
    """``counting``: by id, what the count becomes; one that is not there yet was (0, now). What has been over since
    before ``forgotten`` goes."""
    connection.execute(sa.delete(sign_in_attempts).where(columns.until < forgotten))
    for one in sorted(counting):  # in one order, so that two workers never wait for each other
        put(connection, sign_in_attempts, [{"id": one, "wrong": 0, "until": now}])
        held = connection.execute(
            sa.select(columns.wrong, columns.until).where(columns.id == one).with_for_update()
        ).one()
        wrong, until = counting[one]((held.wrong, held.until))
        connection.execute(sa.update(sign_in_attempts).where(columns.id == one).values(wrong=wrong, until=until))
    over = connection.execute(sa.select(sa.func.count()).select_from(sign_in_attempts)).scalar_one() - _MOST
    if over > 0:
        oldest = sa.select(columns.id).order_by(columns.until).limit(over)
        connection.execute(sa.delete(sign_in_attempts).where(columns.id.in_(oldest)))


def forget(connection: sa.Connection, ids: Collection[str]) -> None:
    connection.execute(sa.delete(sign_in_attempts).where(columns.id.in_(list(ids))))
