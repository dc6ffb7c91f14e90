"""Wrong passwords at the committee's console, counted once for every worker. Takes a connection each.

What they are counted for (a name, an address, a browser) is not stored: only a keyed hash of it is.

On PostgreSQL several write at once. Rows are waited for in the order of their ids alone, and what is swept out beside
one's own is never waited for: so no two transactions wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cds.ledger.committee_tables import sign_in_attempts

Counted = tuple[int, datetime]
"""(how often, not before)"""
_MOST = 10_000
"""Whoever guesses under ever new names must not fill the database."""
_NONE_YET = -1
"""How often, in a row that its own transaction has just made: nobody else ever sees it."""
columns = sign_in_attempts.c


def of(connection: sa.Connection, ids: Collection[str]) -> dict[str, Counted]:
    rows = connection.execute(sa.select(columns.id, columns.wrong, columns.until).where(columns.id.in_(list(ids))))
    return {row.id: (row.wrong, row.until) for row in rows}


@dataclass(frozen=True)
class Step:
    """One count, before an attempt was counted and after it."""

    before: Counted | None
    """None: there was none."""
    after: Counted


def begin(
    connection: sa.Connection, counting: Mapping[str, Callable[[Counted], Counted]], now: datetime, forgotten: datetime
) -> tuple[datetime, dict[str, Step]]:
    """(not before when, what was counted). An attempt is counted as a wrong one before anybody looks whether it is, so
    that of many at once no more are looked at than of as many in a row; while one has to wait nothing is counted.

    ``counting``: by id, what the count becomes; one that is not there yet was (0, now). What has been over since before
    ``forgotten`` goes."""
    ids = sorted(counting)
    rows = {one: _held(connection, one, now) for one in ids}
    new = [one for one, (wrong, _) in rows.items() if wrong == _NONE_YET]
    if (until := _latest(rows, now)) > now:
        forget(connection, new)
        return until, {}
    steps = {}
    for one, found in rows.items():
        before = found if one not in new and found[1] >= forgotten else None
        steps[one] = Step(before, counting[one](before or (0, now)))
        _set(connection, one, steps[one].after)
    _sweep(connection, sa.select(columns.id).where(columns.until < forgotten))
    over = connection.execute(sa.select(sa.func.count()).select_from(sign_in_attempts)).scalar_one() - _MOST
    if over > 0:
        # not what was counted just now, however much longer all others have to wait
        _sweep(connection, sa.select(columns.id).where(columns.id.not_in(ids)).order_by(columns.until).limit(over))
    return now, steps


def take_back(connection: sa.Connection, steps: Mapping[str, Step], own: Collection[str]) -> None:
    """The attempt was a right one. What is counted for ``own`` is forgotten; of the rest, what others have counted
    since stays."""
    for one in sorted({*steps, *own}):
        if one in own:
            forget(connection, [one])
            continue
        step, found = steps[one], _locked(connection, one)
        if found is None:
            continue
        if found != step.after:
            _set(connection, one, (max(found[0] - 1, 0), found[1]))
        elif step.before is not None:
            _set(connection, one, step.before)
        else:
            forget(connection, [one])


def until(connection: sa.Connection, ids: Collection[str], now: datetime) -> datetime:
    """Not before when, as far as is counted: a question, so that whoever has to wait keeps no writer waiting."""
    return _latest(of(connection, ids), now)


def _latest(found: Mapping[str, Counted], now: datetime) -> datetime:
    return max([now, *(until for _, until in found.values())])


def _held(connection: sa.Connection, one: str, now: datetime) -> Counted:
    """The row, there and held until the transaction ends. In one statement: between a look and a lock, whoever sweeps
    would take it away, and what is then counted is counted nowhere."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    made = insert(sign_in_attempts).values(id=one, wrong=_NONE_YET, until=now)
    kept = made.on_conflict_do_update(index_elements=[columns.id], set_={"wrong": columns.wrong})
    row = connection.execute(kept.returning(columns.wrong, columns.until)).one()
    return row.wrong, row.until


def _sweep(connection: sa.Connection, chosen: sa.Select[Any]) -> None:
    """What others hold just now is in use, and stays."""
    forget(connection, connection.execute(chosen.with_for_update(skip_locked=True)).scalars().all())


def _locked(connection: sa.Connection, one: str) -> Counted | None:
    row = connection.execute(
        sa.select(columns.wrong, columns.until).where(columns.id == one).with_for_update()
    ).one_or_none()
    return (row.wrong, row.until) if row is not None else None


def _set(connection: sa.Connection, one: str, counted: Counted) -> None:
    connection.execute(sa.update(sign_in_attempts).where(columns.id == one).values(wrong=counted[0], until=counted[1]))


def forget(connection: sa.Connection, ids: Collection[str]) -> None:
    connection.execute(sa.delete(sign_in_attempts).where(columns.id.in_(list(ids))))
