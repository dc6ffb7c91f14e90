"""The queue: rows of the ledger's database, on SQLite and PostgreSQL alike.

A job is claimed by writing an owner and a lease into its row. Whoever's lease runs out has lost the job to the next
claimer; the attempt number is the fence, so a worker that comes back from the dead can't finish what another has
taken over. Delivery is therefore at least once, and the effect once: a result is committed in the same transaction
that ends the job.

Times are the database's on PostgreSQL, where workers run on several machines whose clocks differ.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from cds.clock import utc_now
from cds.errors import LedgerError
from cds.jobs.job import CANCELLED, DEAD, DONE, ENDED, QUEUED, RUNNING, STATES, Job
from cds.jobs.rows import first_row, held, insert_for, job_of, one_row
from cds.ledger.database import Database, fault, parse_url
from cds.ledger.tables import jobs as table

T = TypeVar("T")

LEASE = timedelta(seconds=30)
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 5.0, 600.0

Also = Callable[[sa.Connection], None]
"""Further rows of the same transaction."""


class Jobs:
    """One process's view of the queue; not shared across a fork. Every method raises LedgerError when the database
    does not answer."""

    def __init__(self, url: str, now: Callable[[], datetime] = utc_now, lease: timedelta = LEASE) -> None:
        self._database = Database(parse_url(url))
        self._now = now
        self.lease = lease

    def enqueue(
        self,
        kind: str,
        key: str,
        payload: Mapping[str, Any],
        *,
        priority: int = 0,
        after: timedelta = timedelta(),
        most_attempts: int = 5,
        subject: str | None = None,
        item: str | None = None,
        later: bool = True,
    ) -> tuple[Job, bool]:
        """The job of this key, and whether it is new. Asking again for one that still waits moves it ``after`` from
        now and to the higher priority: late images restart the quiet period. Not ``later``: it is only ever moved
        nearer. One that ended stays as it is."""

        def work(c: sa.Connection) -> tuple[Job, bool]:
            now = self._clock(c)
            insert = insert_for(c)
            made = c.execute(
                insert(table)
                .values(
                    kind=kind,
                    key=key,
                    subject=subject,
                    item=item,
                    payload=dict(payload),
                    state=QUEUED,
                    priority=priority,
                    attempts=0,
                    most_attempts=most_attempts,
                    run_at=now + after,
                    created_at=now,
                    stage="",
                    progress=0.0,
                    reason="",
                    cancel_asked=False,
                )
                .on_conflict_do_nothing(index_elements=["key"])
                .returning(table.c.id)
            ).first()
            if made is None:
                waiting = (table.c.key == key) & (table.c.state == QUEUED) & (table.c.attempts == 0)
                higher = sa.case((table.c.priority < priority, priority), else_=table.c.priority)
                wished = sa.literal(now + after, type_=table.c.run_at.type)
                moved = wished if later else sa.case((table.c.run_at > wished, wished), else_=table.c.run_at)
                c.execute(sa.update(table).where(waiting).values(run_at=moved, priority=higher))
                if subject is not None:  # who asked first may not have known whose it is, or it has moved since
                    _belong(c, table.c.key == key, subject)
            return one_row(c, table.c.key == key), made is not None

        return self._write(work)

    def claim(self, owner: str, kinds: Sequence[str]) -> Job | None:
        """The next due job of these kinds, now leased to ``owner``; None: nothing is due."""

        def work(c: sa.Connection) -> Job | None:
            now = self._clock(c)
            due = ((table.c.state == QUEUED) & (table.c.run_at <= now)) | (
                (table.c.state == RUNNING) & (table.c.lease_until < now)
            )
            wanted = due & table.c.kind.in_(kinds)
            order = (table.c.priority.desc(), table.c.run_at, table.c.id)
            found = sa.select(table.c.id).where(wanted).order_by(*order).limit(1)
            if c.dialect.name == "postgresql":
                found = found.with_for_update(skip_locked=True)
            taken = (
                c.execute(
                    sa.update(table)
                    .where(table.c.id == found.scalar_subquery())
                    .values(
                        state=RUNNING,
                        owner=owner,
                        lease_until=now + self.lease,
                        started_at=now,
                        attempts=table.c.attempts + 1,
                        progress=0.0,
                        stage="",
                    )
                    .returning(*table.c)
                )
                .mappings()
                .one_or_none()
            )
            return None if taken is None else job_of(taken)

        job = self._write(work)
        if job is not None and job.attempts > job.most_attempts:
            # its workers died each time, and had no chance to say why
            self._end(job, DEAD, "worker-lost")
            return self.claim(owner, kinds)
        if job is not None and job.cancel_asked:
            self._end(job, CANCELLED, "cancelled")
            return self.claim(owner, kinds)
        return job

    def renew(self, job: Job, stage: str, progress: float) -> str:
        """Extend the lease and show how far the work is: ``held``, ``cancelled`` or ``lost``."""

        def work(c: sa.Connection) -> str:
            values = {"lease_until": self._clock(c) + self.lease, "stage": stage, "progress": progress}
            row = c.execute(held(sa.update(table), job).values(**values).returning(table.c.cancel_asked)).first()
            if row is None:
                return "lost"
            return "cancelled" if row.cancel_asked else "held"

        return self._write(work)

    def note(self, job: Job, **said: Any) -> bool:
        """Keep in the payload what a later attempt must know. False: another worker has it."""

        def work(c: sa.Connection) -> bool:
            payload = {**one_row(c, table.c.id == job.id).payload, **said}
            return bool(c.execute(held(sa.update(table), job).values(payload=payload)).rowcount)

        return self._write(work)

    def finish(self, job: Job, result: Mapping[str, Any], also: Also | None = None) -> bool:
        """End the job with its result. False: another worker has it, and nothing was written."""

        def work(c: sa.Connection) -> bool:
            values = {"result": dict(result), "progress": 1.0, "reason": ""}
            if not self._ended(c, job, DONE, values):
                return False
            if also is not None:
                also(c)
            return True

        return self._write(work)

    def fail(
        self,
        job: Job,
        reason: str,
        *,
        again: bool,
        patience: timedelta = timedelta(),
        after: timedelta = timedelta(),
    ) -> str:
        """The state it is in now: ``queued`` (after a pause that grows, with jitter), ``dead``, or ``lost``.

        ``patience``: a source was away, which is no fault of the work: it is tried again for so long after the first
        such failure in a row, and no attempt counts. ``after``: not sooner, because the source said so.
        """

        def work(c: sa.Connection) -> str:
            now, values = self._clock(c), {"reason": reason}
            attempts, times = job.attempts, job.attempts
            # as it is now: the attempt may have left a note in it
            payload = dict(one_row(c, table.c.id == job.id).payload)
            away = payload.pop("away", None) or {"since": now.isoformat(), "times": 0}
            if patience:
                again_then = again and now - datetime.fromisoformat(away["since"]) < patience
                attempts, times = job.attempts - 1, away["times"] + 1
                payload["away"] = {**away, "times": times}
            else:
                again_then = again and job.attempts < job.most_attempts
            if not again_then:
                return DEAD if self._ended(c, job, DEAD, values) else "lost"
            pause = max(_pause(times), after)
            back = {"state": QUEUED, "owner": None, "lease_until": None, "run_at": now + pause}
            changed = held(sa.update(table), job).values(**back, **values, attempts=attempts, payload=payload)
            return QUEUED if c.execute(changed).rowcount else "lost"

        return self._write(work)

    def release(self, job: Job) -> bool:
        """Give it back untried, because this worker shuts down: the attempt does not count."""

        def work(c: sa.Connection) -> bool:
            values = {"state": QUEUED, "owner": None, "lease_until": None, "reason": "", "attempts": job.attempts - 1}
            return bool(c.execute(held(sa.update(table), job).values(run_at=self._clock(c), **values)).rowcount)

        return self._write(work)

    def cancelled(self, job: Job) -> bool:
        """The work has stopped because it was asked to."""
        return self._end(job, CANCELLED, "cancelled")

    def cancel(self, job_id: int) -> bool:
        """Ask for an end: at once when it waits, at its next step when it runs. False when it has ended."""

        def work(c: sa.Connection) -> bool:
            now = self._clock(c)
            at_once = {"state": CANCELLED, "reason": "cancelled", "finished_at": now, "cancel_asked": True}
            waiting = sa.update(table).where(table.c.id == job_id, table.c.state == QUEUED).values(**at_once)
            if c.execute(waiting).rowcount:
                return True
            running = sa.update(table).where(table.c.id == job_id, table.c.state == RUNNING)
            return bool(c.execute(running.values(cancel_asked=True)).rowcount)

        return self._write(work)

    def renewed(
        self, job: Job, payload: Mapping[str, Any], *, after: timedelta = timedelta(), priority: int | None = None
    ) -> bool:
        """One that ended waits again as new work of the same key, with all its attempts and without its result. False
        when it is no longer as ``job`` says, because somebody else has renewed it."""

        def work(c: sa.Connection) -> bool:
            as_seen = sa.update(table).where(
                table.c.id == job.id, table.c.state == job.state, table.c.finished_at == job.finished_at
            )
            fresh = {"state": QUEUED, "attempts": 0, "reason": "", "cancel_asked": False, "finished_at": None}
            fresh |= {"owner": None, "lease_until": None, "started_at": None, "progress": 0.0, "stage": ""}
            now = self._clock(c)
            told = {**payload, "asked_at": now.isoformat()}
            fresh |= {"payload": told, "result": sa.null(), "run_at": now + after}
            fresh["priority"] = job.priority if priority is None else priority
            return job.state in ENDED and bool(c.execute(as_seen.values(**fresh)).rowcount)

        return self._write(work)

    def sooner(self, job_id: int) -> bool:
        """One that waits, for its time or after a failure, is due now. False: it does not wait."""

        def work(c: sa.Connection) -> bool:
            now = self._clock(c)
            waits = (table.c.id == job_id) & (table.c.state == QUEUED) & (table.c.run_at > now)
            return bool(c.execute(sa.update(table).where(waits).values(run_at=now)).rowcount)

        return self._write(work)

    def belong(self, items: Sequence[str], subject: str) -> int:
        """Work on these items concerns this subject, whomever it was thought to concern before; how many jobs that
        were."""
        return self._write(lambda c: _belong(c, table.c.item.in_(items), subject))

    def leave(self, items: Sequence[str], subject: str) -> int:
        """Work on these items does not concern this subject any more; how many jobs did."""
        mine = table.c.item.in_(items) & (table.c.subject == subject)
        return self._write(lambda c: c.execute(sa.update(table).where(mine).values(subject=None)).rowcount)

    def get(self, job_id: int) -> Job | None:
        return self._read(lambda c: first_row(c, table.c.id == job_id))

    def concerning(
        self, kind: str, *, subject: str | None = None, items: Sequence[str] = (), most: int = 200
    ) -> list[Job]:
        """Work that concerns this subject or one of these items, the newest first."""
        of_item = table.c.item.in_(items)
        mine = of_item if subject is None else of_item | (table.c.subject == subject)
        query = sa.select(*table.c).where(table.c.kind == kind, mine).order_by(table.c.id.desc()).limit(most)
        return self._read(lambda c: [job_of(row) for row in c.execute(query).mappings()])

    def newest(self, *, kind: str | None = None, state: str | None = None, most: int = 100) -> list[Job]:
        """Jobs of any or one kind and state, the newest first."""
        query = sa.select(*table.c).order_by(table.c.id.desc()).limit(most)
        if kind is not None:
            query = query.where(table.c.kind == kind)
        if state is not None:
            query = query.where(table.c.state == state)
        return self._read(lambda c: [job_of(row) for row in c.execute(query).mappings()])

    def due(self, most: int = 100) -> list[int]:
        """Ids of jobs that wait for a worker now, the first to run first: what a sweeper sends again."""

        def work(c: sa.Connection) -> list[int]:
            now = self._clock(c)
            waits = (table.c.state == QUEUED) & (table.c.run_at <= now)
            lost = (table.c.state == RUNNING) & (table.c.lease_until < now)
            order = (table.c.priority.desc(), table.c.run_at, table.c.id)
            return list(c.scalars(sa.select(table.c.id).where(waits | lost).order_by(*order).limit(most)))

        return self._read(work)

    def depth(self, kind: str | None = None) -> dict[str, int]:
        """How many jobs, of any or one kind, are in each state."""
        query = sa.select(table.c.state, sa.func.count()).group_by(table.c.state)
        if kind is not None:
            query = query.where(table.c.kind == kind)
        found: dict[str, int] = dict(self._read(lambda c: [(row[0], row[1]) for row in c.execute(query)]))
        return {state: found.get(state, 0) for state in STATES}

    def untried(self, kind: str) -> int:
        """How many jobs of this kind wait that have not failed: what waits out a fault, such as an archive that is
        away, keeps no worker from the rest."""
        well = sa.func.coalesce(table.c.reason, "") == ""
        query = sa.select(sa.func.count()).where(table.c.kind == kind, table.c.state == QUEUED, well)
        return int(self._read(lambda c: c.execute(query).scalar_one()))

    def close(self) -> None:
        self._database.close()

    def _end(self, job: Job, state: str, reason: str) -> bool:
        return self._write(lambda c: self._ended(c, job, state, {"reason": reason}))

    def _ended(self, c: sa.Connection, job: Job, state: str, values: Mapping[str, Any]) -> bool:
        ended = {"state": state, "lease_until": None, "finished_at": self._clock(c)}
        return bool(c.execute(held(sa.update(table), job).values(**ended, **values)).rowcount)

    def _clock(self, c: sa.Connection) -> datetime:
        if c.dialect.name == "postgresql":
            moment: datetime = c.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
            return moment
        return self._now()

    def _write(self, work: Callable[[sa.Connection], T]) -> T:
        return self._asked(self._database.transaction, work)

    def _read(self, work: Callable[[sa.Connection], T]) -> T:
        return self._asked(self._database.read, work)

    @staticmethod
    def _asked(way: Callable[[Callable[[sa.Connection], T]], T], work: Callable[[sa.Connection], T]) -> T:
        try:
            return way(work)
        except SQLAlchemyError as error:
            raise LedgerError(f"the job queue's database did not answer ({fault(error)})") from error


def _belong(c: sa.Connection, which: sa.ColumnElement[bool], subject: str) -> int:
    others = sa.update(table).where(which, table.c.subject.is_distinct_from(subject))
    return c.execute(others.values(subject=subject)).rowcount


def _pause(times: int) -> timedelta:
    """After so many failures in a row."""
    grown = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(times - 1, 30))
    return timedelta(seconds=grown * random.uniform(0.5, 1.5))  # nosec B311
