"""The ledger as the service uses it: write at once if the database is there, spool if it is not, never wait long.

Each process keeps its own connections and its own circuit breaker. The first failure opens the breaker: rows then
go straight to the spool, reading fails at once, and a thread of the process tries the database until it answers,
brings its schema up to date, moves the spool in and closes the breaker. Where the spool has no room either, rows of
calls wait in memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from cds.clock import utc_now
from cds.errors import LedgerError
from cds.ledger import policies, queries, reports, standings, verdicts
from cds.ledger.database import Database, fault, parse_url, row_at_fault
from cds.ledger.drain import Drain
from cds.ledger.entries import (
    CallEntry,
    FeedbackEntry,
    HeldCard,
    Override,
    PolicyEntry,
    PolicyRecord,
    PredictionEntry,
    ProblemEntry,
    SealedSession,
    ShownCard,
    StoredCard,
    StoredPrediction,
)
from cds.ledger.patient_hash import person
from cds.ledger.process import PURGE_S, Process
from cds.ledger.spool import Entry, Spool
from cds.ledger.standings import Standing
from cds.ledger.tables import HEAD
from cds.ledger_key import chain
from cds.steady import Steady

_log = logging.getLogger("cds.ledger")
_FIRST_TRY_S, _LONGEST_TRY_S = 0.2, 2.0
_LOOK_AT_SPOOL_S = 30.0

T = TypeVar("T")


class Ledger:
    """Safe for threads and across forks. Writing raises LedgerError only when the spool fails as well, and of a call
    only when more than a few thousand of them wait in memory."""

    def __init__(self, url: str, key: bytes, spool_dir: Path, now: Callable[[], datetime] = utc_now) -> None:
        """``key`` is the secret of the patient hash. Connects to nothing. Raises SettingsError for a wrong URL."""
        self._address, self._url = url, parse_url(url)
        self.file = Path(self._url.database or "").resolve() if self._url.get_backend_name() == "sqlite" else None
        """None: on another machine."""
        self._keys = chain(key)
        self._now, self._steady = now, Steady(now)
        self._spool = Spool(spool_dir)
        # by process id; a parent's entry is kept in the child, since closing it would close the parent's sockets
        self._processes: dict[int, Process] = {}
        self._process()

    @property
    def waits(self) -> bool:
        """Whether recording a call waits: for another machine, or for the disk to have it on the spool."""
        return self.file is None or self._process().open

    # writing

    def patient_key(self, client: str, patient_id: str) -> str:
        """Keyed hash of a patient (or user) of one client: the only way a person is named in the ledger."""
        return person(self._keys, client, patient_id)

    def record_call(self, entry: CallEntry) -> bool:
        """True: stored (now or before). False: on the spool, or in memory until the disk has room for that. Raises
        LedgerError when not even memory took it."""
        return self._store([entry], at_once=False, hold=True) is not None

    def record_feedback(self, entries: Sequence[FeedbackEntry]) -> int:
        """How many were new, the same (client, card, outcome and its time) being stored once; 0 when they went to the
        spool, where repeats are sorted out later. Raises LedgerError when neither database nor spool took it."""
        return (self._store(entries) or 0) if entries else 0

    def remember_policy(self, version: str, content: str) -> bool:
        """Keep a policy's text the first time it is used. Meaning of the result and error as `record_call`."""
        return self._store([PolicyEntry(version, content, self._now())], hold=True) is not None

    def record_problem(self, entry: ProblemEntry) -> bool:
        """What a reader of a report says is wrong with it. Meaning of the result and error as `record_call`."""
        return self._store([entry]) is not None

    def use_jti(self, key: str, expires: datetime) -> bool:
        """True for the first use of a token anywhere, False for a replay. Raises LedgerError when unknown."""
        process = self._process()
        # a token's id is the sender's text, of any length
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        row = (digest, process.inserts.moment(expires))
        fresh = self._ask(process, lambda database: database.statement(process.inserts.jti, row) == 1)
        # a replay is refused whatever becomes of the purge
        if fresh and time.monotonic() > process.purge_at:
            process.purge_at = time.monotonic() + PURGE_S
            self._ask(process, lambda database: database.transaction(lambda c: queries.purge_jti(c, self._steady())))
        return fresh

    # sessions of the report page: never spooled, since what can't be read back at once is no session

    def put_session(self, session: SealedSession) -> None:
        """Keep an open report; those that have expired go. Raises LedgerError."""
        self._ask(self._process(), lambda db: db.transaction(lambda c: reports.put_session(c, session)))

    def session(self, session_id: str) -> SealedSession | None:
        """None: never opened, left, or expired. Raises LedgerError."""
        return self._read(lambda c: reports.session(c, session_id, self._now()))

    def reseal_session(self, session_id: str, sealed: bytes) -> None:
        """Put another content into an open session's row. Raises LedgerError."""
        self._ask(self._process(), lambda db: db.transaction(lambda c: reports.reseal_session(c, session_id, sealed)))

    def drop_session(self, session_id: str) -> None:
        """Raises LedgerError."""
        self._ask(self._process(), lambda db: db.transaction(lambda c: reports.drop_session(c, session_id)))

    def record_opening(self, opening_id: str, card_id: str, client: str) -> None:
        """The report behind a card was opened. Raises LedgerError; one that is lost costs a count."""
        self._ask(
            self._process(),
            lambda db: db.transaction(lambda c: reports.put_opening(c, opening_id, card_id, client, self._now())),
        )

    def _store(self, entries: Sequence[Entry], *, at_once: bool = True, hold: bool = False) -> int | None:
        """How many were new; None when they are on the spool, or with ``hold`` in memory."""
        process = self._process()
        wanted = None if process.open else process.to_store(entries)
        if wanted is not None:
            try:
                writes = [process.inserts.write(entry) for entry in wanted]
                stored = process.database.store(writes, at_once=at_once)
            except SQLAlchemyError as error:
                if row_at_fault(error):
                    for entry in wanted:
                        self._spool.reject(entry, fault(error))
                    return None
                self._trip(process, error)
            else:
                if time.monotonic() > process.look_at:
                    self._look_at_spool(process)
                return stored
        try:
            self._spool.put(entries)
        except LedgerError:
            self._start_drainer(process)
            if not hold or not all(process.held.put(entry) for entry in entries):
                raise
        self._start_drainer(process)
        return None

    # reading; all raise LedgerError at once while the database is down

    def overrides(self, patient_key: str, since: datetime) -> tuple[Override, ...]:
        """The latest override of each topic on this patient's cards, newest first."""
        process = self._process()
        row = (patient_key, process.inserts.moment(since))
        return process.overrides.read(self._ask(process, lambda database: database.rows(process.overrides.text, row)))

    def shown_cards(
        self, patient_key: str, since: datetime, user_key: str | None, today: datetime, most: int
    ) -> tuple[ShownCard, ...]:
        """Cards given on this patient since then, and those given to this user today on others, the newest ``most``."""
        process = self._process()
        since_text, today_text = process.inserts.moment(since), process.inserts.moment(today)
        row = (patient_key, since_text, user_key or "", today_text, patient_key, most)
        return process.shown.read(self._ask(process, lambda database: database.rows(process.shown.text, row)))

    def held_cards(self, client: str, patient_key: str, since: datetime) -> tuple[HeldCard, ...]:
        """Cards of this patient that were held back and are kept word for word, newest first; 500 at most."""
        return self._read(lambda c: queries.held_cards(c, client, patient_key, since))

    def cards_of(self, patient_key: str, topic: str, since: datetime) -> tuple[StoredCard, ...]:
        """Cards of this topic given on this patient, newest first."""
        return self._read(lambda c: queries.cards_of(c, patient_key, topic, since))

    def call(self, call_id: str) -> CallEntry | None:
        return self._read(lambda c: queries.call(c, call_id))

    def snapshot(self, call_id: str) -> bytes | None:
        """What the call's cards were made from, sealed; None where there were none, or it was not kept."""
        return self._read(lambda c: queries.snapshot(c, call_id))

    def calls_of(self, client: str, hook_instance: str, since: datetime) -> tuple[CallEntry, ...]:
        """A client's calls under one instance of a hook, the oldest first: an EHR may send it to several services."""
        return self._read(lambda c: queries.calls_of(c, client, hook_instance, since)) if hook_instance else ()

    def prediction(self, prediction_id: str) -> StoredPrediction | None:
        return self._read(lambda c: queries.prediction(c, prediction_id))

    def card(self, card_id: str) -> StoredCard | None:
        return self._read(lambda c: queries.card(c, card_id))

    def newest_card(self, client: str, patient_key: str) -> str | None:
        """The id of the first card of the newest call of this patient that gave any."""
        return self._read(lambda c: reports.newest_card(c, client, patient_key))

    def predictions_of(self, client: str, patient_key: str, ids: Collection[str]) -> dict[str, PredictionEntry]:
        """By id, in one question however many they are; none of another patient or another client."""
        return self._read(lambda c: reports.predictions_of(c, client, patient_key, ids)) if ids else {}

    def problems(self) -> tuple[ProblemEntry, ...]:
        """Everything reported, newest first."""
        return self._read(reports.all_problems)

    def standings(self) -> tuple[Standing, ...]:
        """Every decision of the committee on a model, oldest first."""
        return self._read(standings.every)

    def verdicts_here(
        self, site: str, versions: Collection[tuple[str, str]]
    ) -> dict[tuple[str, str], verdicts.Verdict]:
        """The newest on each very (model, version) at one site; none for those on which the committee reached none."""
        return self._read(lambda c: verdicts.on_versions(c, site, versions))

    def feedback_on(self, card_id: str) -> tuple[FeedbackEntry, ...]:
        """Feedback on a card, known to this ledger or not, oldest first."""
        return self._read(lambda c: queries.feedback_on(c, card_id))

    def last_policy_event(self) -> int:
        """Changes whenever somebody does something with a layer of the policy."""
        return self._read(policies.last_event)

    def policy_record(self) -> PolicyRecord:
        """All layers' versions and what was done with them."""
        return self._read(policies.record)

    def policy(self, version: str) -> str | None:
        """The text of a policy that was in force."""
        return self._read(lambda c: queries.policy(c, version))

    def _read(self, question: Callable[[sa.Connection], T]) -> T:
        return self._ask(self._process(), lambda database: database.read(question))

    def _ask(self, process: Process, question: Callable[[Database], T]) -> T:
        if process.open:
            raise LedgerError("the ledger's database is down; it is tried again every few seconds")
        try:
            return question(process.database)
        except SQLAlchemyError as error:
            if not row_at_fault(error):
                self._trip(process, error)
                self._start_drainer(process)
            raise LedgerError(f"the ledger's database did not answer ({fault(error)})") from error

    # operation

    def prepare(self) -> bool:
        """Bring the schema up to date. False when the database is down: that then happens when it comes back."""
        process = self._process()
        try:
            self._upgrade(process)
        except LedgerError as error:
            self._trip(process, error)
            self._start_drainer(process)
            return False
        return True

    def ping(self) -> bool:
        """Does the database answer, with a ledger in it?"""
        try:
            self._read(queries.revision)
        except LedgerError:
            return False
        return True

    def spooled(self) -> int:
        """Entries on this machine's spool or in this process's memory, not yet in the database."""
        return self._spool.count() + len(self._process().held)

    def rejected(self) -> int:
        """Entries on this machine's spool that no database takes, and files that were left half done."""
        return len(self._spool.rejected()) + len(self._spool.left())

    def drain(self) -> int:
        """Move the spool into the database now; how many entries this process moved, 0 when another process is at it.
        Raises LedgerError when the database is down."""
        process = self._process()
        self._upgrade(process)
        process.open = False
        return self._drain(process)

    def close(self) -> None:
        """Stop this process's thread and close its connections. The ledger may be used again afterwards."""
        process = self._processes.pop(os.getpid(), None)
        if process is None:
            return
        process.stop.set()
        if process.drainer is not None:
            process.drainer.join(timeout=10)
        try:
            self._let_go(process)
        except LedgerError as error:
            _log.critical("ledger.lost rows=%d at=close error=%s", len(process.held), error)
        process.database.close()

    def _process(self) -> Process:
        process = self._processes.get(os.getpid())
        # setdefault is atomic, a lock taken here could be inherited locked by a forked child
        return process or self._processes.setdefault(os.getpid(), Process(self._url))

    def _trip(self, process: Process, error: Exception) -> None:
        with process.lock:
            first, process.open = not process.open, True
        if first:
            _log.error("ledger.down reason=%s", error if isinstance(error, LedgerError) else fault(error))

    def _look_at_spool(self, process: Process) -> None:
        """What a process that was killed left behind is moved in by whoever comes next."""
        process.look_at = time.monotonic() + _LOOK_AT_SPOOL_S
        if self._spool.count():
            self._start_drainer(process)

    def _start_drainer(self, process: Process) -> None:
        with process.lock:
            if process.drainer is None or not process.drainer.is_alive():
                process.drainer = threading.Thread(
                    target=self._until_drained, args=(process,), name="ledger-drain", daemon=True
                )
                process.drainer.start()

    def _until_drained(self, process: Process) -> None:
        pause = _FIRST_TRY_S
        while not process.stop.wait(pause):
            try:
                self._upgrade(process)
                if process.open:
                    process.open = False
                    _log.warning("ledger.up")
                self._let_go(process)
                moved = self._drain(process)
            except (LedgerError, OSError) as error:
                self._trip(process, error)
                with contextlib.suppress(LedgerError):  # said already
                    self._to_spool(process)
                pause = min(pause * 2, _LONGEST_TRY_S)
                continue
            with process.lock:
                # under the lock: whoever spools next sees either this thread or none
                if not process.open and not process.held and not self._spool.count():
                    process.drainer = None
                    return
            # nothing moved, yet files wait: another process is at it, or they are held
            pause = _FIRST_TRY_S if moved else _LONGEST_TRY_S

    def _upgrade(self, process: Process) -> None:
        """Make the schema what this version needs, and prove that the database takes writes."""
        try:
            revision = process.database.read(queries.revision)
        except SQLAlchemyError as error:
            _log.debug("ledger.no_revision reason=%s", fault(error))
            revision = None
        if revision != HEAD:
            from cds.ledger import migrate  # slow to import, seldom needed

            migrate.upgrade(self._address)
        try:
            process.database.transaction(lambda c: queries.purge_jti(c, self._steady()))
        except SQLAlchemyError as error:
            raise LedgerError(f"the ledger's database takes no rows ({fault(error)})") from error

    def _let_go(self, process: Process) -> None:
        """What is held in memory goes to the spool, from where what can never be stored is set aside; while only the
        database has room, there. Raises LedgerError when neither has; what is left stays held."""

        def store(row: Entry) -> None:
            process.database.store([process.inserts.write(row)], at_once=True)

        if not process.held:
            return
        try:
            self._to_spool(process)
        except LedgerError as full:
            try:
                process.held.give(store)
            except SQLAlchemyError as error:
                raise LedgerError(f"{full}, nor the database a row that waits in memory ({fault(error)})") from error

    def _to_spool(self, process: Process) -> None:
        process.held.give(lambda row: self._spool.put([row]))

    def _drain(self, process: Process) -> int:
        return Drain(self._spool, process, lambda: self._upgrade(process)).run()
