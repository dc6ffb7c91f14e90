"""Rows older than a hospital keeps them, removed batch by batch so that no call waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import partial

import sqlalchemy as sa

from cds.ledger.chain_changes import Chained
from cds.ledger.committee_tables import incident_events, outcome_events
from cds.ledger.outcomes import of_nobody_left
from cds.ledger.privacy import Whose, erase, in_one_transaction, linked
from cds.ledger.tables import calls, cards, feedback, jobs, jti, problems

_BATCH = 500
_OF_THEIR_OWN = frozenset({"problems", "incident_events"})
_ENDED = ("done", "dead", "cancelled")


def count(url: str, before: datetime) -> dict[str, int]:
    """Table -> rows that a purge would remove, of those that have an age themselves. Raises LedgerError."""

    def work(connection: sa.Connection) -> dict[str, int]:
        asked = {
            "calls": sa.select(sa.func.count()).select_from(calls).where(calls.c.at < before),
            "jobs": sa.select(sa.func.count()).select_from(jobs).where(_old_jobs(before)),
            "problems": sa.select(sa.func.count()).select_from(problems).where(_old_problems(before)),
            "feedback": sa.select(sa.func.count()).select_from(feedback).where(_old_feedback(before)),
            "outcome_events": sa.select(sa.func.count()).select_from(outcome_events).where(of_nobody_left(before)),
        }
        return {name: int(connection.execute(query).scalar_one()) for name, query in asked.items()}

    return in_one_transaction(url, work)


def purge(url: str, before: datetime, chained: Chained, step: Callable[[int], None] = lambda _: None) -> dict[str, int]:
    """Table -> rows removed. ``chained``: the audit, which is told of what goes. ``step`` hears how many calls each
    batch took. Raises LedgerError: what was removed by then stays removed, and another purge goes on."""
    removed: Counter[str] = Counter()
    while True:
        found = in_one_transaction(url, partial(_calls, before=before, chained=chained))
        removed.update(found)
        step(found.get("calls", 0))
        if found.get("calls", 0) < _BATCH:
            break
    while True:
        found = in_one_transaction(url, partial(_outcomes, chained=chained))
        removed.update(found)
        if found.get("outcome_events", 0) < _BATCH:
            break
    removed.update(in_one_transaction(url, partial(_others, before=before, chained=chained)))
    return dict(removed)


def _calls(connection: sa.Connection, before: datetime, chained: Chained) -> dict[str, int]:
    """The oldest ones with all that hangs on them: predictions, cards, feedback, what was held back."""
    ids = frozenset(
        connection.scalars(sa.select(calls.c.id).where(calls.c.at < before).order_by(calls.c.at).limit(_BATCH))
    )
    of_calls = frozenset(connection.scalars(sa.select(cards.c.id).where(cards.c.call_id.in_(ids))))
    # a younger card may rest on a prediction of one of these: it goes on saying so, though the prediction is gone
    theirs = Whose(frozenset(), ids, of_calls, frozenset())
    # a problem may be younger than the card it is about, and still open
    chained.let_go(connection, "purge", lambda: linked(connection, theirs, _OF_THEIR_OWN))
    return erase(connection, theirs, keep=_OF_THEIR_OWN)


def _outcomes(connection: sa.Connection, chained: Chained) -> dict[str, int]:
    """What became of people of whom no call is left: those of this purge, and of one that was broken off."""
    chosen: list[str] = []

    def find() -> dict[str, list[str]]:
        chosen.extend(connection.scalars(sa.select(outcome_events.c.id).where(of_nobody_left()).limit(_BATCH)))
        return {"outcome": chosen}

    chained.let_go(connection, "purge", find)
    rows = connection.execute(sa.delete(outcome_events).where(outcome_events.c.id.in_(chosen))).rowcount
    return {"outcome_events": rows} if rows else {}


def _others(connection: sa.Connection, before: datetime, chained: Chained) -> dict[str, int]:
    """Work that has ended, problems, feedback on no card, and tokens that could not be sent again anyway."""
    told_of = incident_events.c.problem_id.in_(sa.select(problems.c.id).where(_old_problems(before)))
    wanted = {
        jobs: _old_jobs(before),
        incident_events: told_of,
        problems: _old_problems(before),
        feedback: _old_feedback(before),
        jti: jti.c.expires < before,
    }
    going = {
        "incident": sa.select(incident_events.c.id).where(told_of),
        "problem": sa.select(problems.c.id).where(_old_problems(before)),
        "feedback": sa.select(feedback.c.id).where(_old_feedback(before)),
    }
    chained.let_go(
        connection, "purge", lambda: {kind: list(connection.scalars(query)) for kind, query in going.items()}
    )
    found = {table.name: connection.execute(sa.delete(table).where(old)).rowcount for table, old in wanted.items()}
    return {str(name): rows for name, rows in found.items() if rows}


def _old_jobs(before: datetime) -> sa.ColumnElement[bool]:
    return jobs.c.state.in_(_ENDED) & (jobs.c.finished_at < before)


def _old_problems(before: datetime) -> sa.ColumnElement[bool]:
    return problems.c.at < before


def _old_feedback(before: datetime) -> sa.ColumnElement[bool]:
    """On no card: the card went before the feedback came, or never was this service's. Other feedback goes with its
    card."""
    return (feedback.c.received_at < before) & ~sa.exists().where(cards.c.id == feedback.c.card_id)
