"""One person's rows in the ledger: all of them, those that wait for it included, to be handed over or removed.

Found by the keyed hash and by what hangs on it. Which tables that are is read from the schema: a column of one of these
names means the same wherever it stands, so a table added later is found as well.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from cds.errors import LedgerError
from cds.ledger.chained import KINDS
from cds.ledger.committee_tables import WHOLE
from cds.ledger.database import fault, make_engine, parse_url
from cds.ledger.entries import CallEntry, FeedbackEntry, ProblemEntry
from cds.ledger.spool import Entry
from cds.ledger.tables import calls, cards, jobs, predictions, problems

_log = logging.getLogger("cds.ledger")

PATIENT = ("patient_key", "subject")
"""Columns that hold the hash of a patient."""
_PATIENCE_S = 120.0

T = TypeVar("T")


@dataclass(frozen=True)
class Whose:
    """What is a person's: their hashes, one a client, and the rows that hang on them."""

    keys: frozenset[str]
    calls: frozenset[str]
    cards: frozenset[str]
    predictions: frozenset[str]
    jobs: frozenset[int] = frozenset()
    items: frozenset[str] = frozenset()
    """Hashes of studies."""
    problems: frozenset[str] = frozenset()


def in_one_transaction(url: str, work: Callable[[sa.Connection], T]) -> T:
    """Raises LedgerError; nothing is then changed."""
    engine = make_engine(parse_url(url), statement_s=_PATIENCE_S, connect_s=5.0, poolclass=sa.NullPool)
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "sqlite":
                # what is deleted is overwritten in the file, too; PostgreSQL's vacuum frees it in its own time
                connection.exec_driver_sql("PRAGMA secure_delete=ON")
            found = work(connection)
        if engine.dialect.name == "sqlite":
            _empty_log(engine)
        return found
    except SQLAlchemyError as error:
        raise LedgerError(f"the ledger's database did not do it ({fault(error)}); nothing was changed") from error
    finally:
        engine.dispose()


def _empty_log(engine: sa.Engine) -> None:
    """So that nothing of what was removed stays in the log beside the file. The work is done by now: where this fails,
    the next checkpoint of the service does it."""
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    except SQLAlchemyError as error:
        _log.warning("ledger.log_kept reason=%s", fault(error))


def whose(connection: sa.Connection, keys: frozenset[str], waiting: Iterable[Entry | None] = ()) -> Whose:
    """``keys``: the person's hashes. Work on studies that nobody knew to be theirs is found by the study. ``waiting``:
    what is on the spool: feedback and problems may be stored of a call that is not."""
    spooled = [entry for entry in waiting if isinstance(entry, CallEntry) and entry.patient_key in keys]
    items = _all(connection, sa.select(jobs.c.item).where(jobs.c.subject.in_(keys), jobs.c.item.is_not(None)))
    own_jobs = _all(connection, sa.select(jobs.c.id).where(jobs.c.subject.in_(keys) | jobs.c.item.in_(items)))
    by_job = calls.c.hook_instance.in_([f"job-{id}" for id in own_jobs]) & (calls.c.hook == "study-job")
    own_calls = _all(connection, sa.select(calls.c.id).where(calls.c.patient_key.in_(keys) | by_job))
    own_calls |= {entry.id for entry in spooled}
    own_cards = _all(connection, sa.select(cards.c.id).where(cards.c.call_id.in_(own_calls)))
    own_cards |= {card.id for entry in spooled for card in entry.cards}
    of_theirs = problems.c.call_id.in_(own_calls) | problems.c.card_id.in_(own_cards)
    return Whose(
        keys,
        own_calls,
        own_cards,
        _all(connection, sa.select(predictions.c.id).where(predictions.c.call_id.in_(own_calls))),
        own_jobs,
        items,
        _all(connection, sa.select(problems.c.id).where(of_theirs)),
    )


def spooled_of(theirs: Whose) -> Callable[[Entry], bool]:
    """Whether an entry of the spool is the person's: a call, and what speaks of one in the database or on the spool.
    To be asked of all entries in the order in which they were kept."""
    calls, cards = set(theirs.calls), set(theirs.cards)

    def of(entry: Entry) -> bool:
        if isinstance(entry, CallEntry):
            if entry.patient_key not in theirs.keys:
                return False
            calls.add(entry.id)
            cards.update(card.id for card in entry.cards)
            return True
        if isinstance(entry, FeedbackEntry):
            return entry.card_id in cards
        return isinstance(entry, ProblemEntry) and (entry.call_id in calls or entry.card_id in cards)

    return of


def rows(connection: sa.Connection, theirs: Whose) -> Iterator[tuple[str, dict[str, Any]]]:
    """(table, row), every row of the person's, parents first."""
    for table in WHOLE.sorted_tables:
        condition = _of(table, theirs)
        if condition is not None:
            for row in connection.execute(sa.select(table).where(condition)).mappings():
                yield str(table.name), {str(name): value for name, value in row.items()}


def erase(connection: sa.Connection, theirs: Whose, keep: frozenset[str] = frozenset()) -> dict[str, int]:
    """Table -> rows removed. ``keep``: tables left alone, although their rows speak of these calls."""
    removed: dict[str, int] = {}
    for table in reversed(WHOLE.sorted_tables):
        condition = _of(table, theirs)
        if condition is not None and table.name not in keep:
            count = connection.execute(sa.delete(table).where(condition)).rowcount
            if count:
                removed[str(table.name)] = count
    return removed


def linked(connection: sa.Connection, theirs: Whose, keep: frozenset[str] = frozenset()) -> dict[str, list[str]]:
    """Ids of the rows that ``erase`` would remove, by the audit's kinds."""
    found = {}
    for kind in KINDS:
        condition = _of(kind.table, theirs)
        if condition is not None and kind.table.name not in keep:
            found[kind.name] = list(connection.scalars(sa.select(kind.name_of).where(condition)))
    return found


def record(connection: sa.Connection, kind: str, key: str, result: Mapping[str, Any]) -> None:
    """That something was done to the ledger itself, as a row of work that is done: when, how many, never to whom."""
    now = datetime.now(UTC)
    done: dict[str, Any] = {"kind": kind, "key": key, "payload": {}, "state": "done", "priority": 0, "attempts": 1}
    done |= {"most_attempts": 1, "run_at": now, "created_at": now, "finished_at": now, "stage": "", "progress": 1.0}
    connection.execute(sa.insert(jobs).values(**done, reason="", cancel_asked=False, result=dict(result)))


def _of(table: sa.Table, theirs: Whose) -> sa.ColumnElement[bool] | None:
    """Which rows of a table are the person's; None where it has none of anybody."""
    conditions: list[sa.ColumnElement[bool]] = [table.c[name].in_(theirs.keys) for name in PATIENT if name in table.c]
    for name, ids in (
        ("call_id", theirs.calls),
        ("card_id", theirs.cards),
        ("prediction_id", theirs.predictions),
        ("problem_id", theirs.problems),
        ("item", theirs.items),
    ):
        if name in table.c:
            conditions.append(table.c[name].in_(ids))
    if table is calls:
        conditions.append(table.c.id.in_(theirs.calls))
    if table is jobs:
        conditions.append(table.c.id.in_(theirs.jobs))
    return sa.or_(*conditions) if conditions else None


def _all(connection: sa.Connection, query: sa.Select[Any]) -> frozenset[Any]:
    return frozenset(connection.scalars(query))
