"""SQLite with the bare driver, for what every call does; SQLAlchemy's pool and statements cost several times as much.

A commit here outlives the process at once, however that ends: it is in the file's log, in the kernel's hands. The disk
has it within ``SYNC_S``, when a thread of the process has synced the log; a power cut may undo what came after.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from cds.ledger.inserts import Execute, Row, UnfitEntry
from cds.ledger.turn import Turn

_log = logging.getLogger("cds.ledger")

SYNC_S = 1.0
_CACHE_KB = 400
"""Of each connection, for pages it has read; SQLite's own is 2000. The kernel's cache, shared by all, has the rest."""
_LONGEST_LOG = 16_000
"""Pages (of 4 kB) from which a commit itself moves the log into the file, and only then the log starts anew in the
middle of traffic. SQLite's own 1000 made every hundredth call wait 10 ms for the disk, and all others with it."""


def make_private(path: Path) -> None:
    """The file, for the service's user only, if there is none yet. Raises OSError."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


class Direct:
    """One process's own connections to a SQLite file, and its turn to write to it. All errors are SQLAlchemy's."""

    def __init__(self, path: Path, wait_s: float) -> None:
        self.turn = Turn(path, wait_s)
        self._path = path
        self._wait_s = wait_s
        self._writer: sqlite3.Connection | None = None
        self._readers: deque[sqlite3.Connection] = deque()
        self._sync = Sync(path)

    def transaction(self, work: Callable[[Execute], int]) -> int:
        """Run ``work`` in one transaction, undone when it raises."""
        with self.turn.hold():
            return self._transaction(work)

    def _transaction(self, work: Callable[[Execute], int]) -> int:
        try:
            connection = self._writer = self._writer or self._connect()
            try:
                connection.execute("BEGIN IMMEDIATE")
                found = work(lambda statement, rows: _execute(connection, statement, rows))
                connection.execute("COMMIT")
            except BaseException:
                self._undo(connection)
                raise
        except sqlite3.Error as error:
            raise _as_sqlalchemy(error) from error
        except (TypeError, ValueError, OverflowError) as error:
            raise UnfitEntry(error) from error
        self._sync.wanted()
        return found

    def statement(self, statement: str, row: Row) -> int:
        """One statement that is its own transaction; how many rows it changed."""
        with self.turn.hold():
            try:
                self._writer = self._writer or self._connect()
                found = self._writer.execute(statement, row).rowcount
            except sqlite3.Error as error:
                raise _as_sqlalchemy(error) from error
            self._sync.wanted()
        return found

    def rows(self, question: str, row: Row) -> list[Any]:
        """Readers wait for nobody; each thread that asks has a connection of its own meanwhile."""
        try:
            try:
                connection = self._readers.pop()
            except IndexError:
                connection = self._connect()
            try:
                found = connection.execute(question, row).fetchall()
            except BaseException:
                connection.close()
                raise
        except sqlite3.Error as error:
            raise _as_sqlalchemy(error) from error
        self._readers.append(connection)
        return found

    def close(self) -> None:
        self._sync.close()
        if self._writer is not None:
            # another thread may be in the middle of a write; one that hangs is not waited for
            with suppress(SQLAlchemyError), self.turn.hold():
                self._writer.close()
                self._writer = None
        while self._readers:
            self._readers.pop().close()
        self.turn.close()

    def _undo(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            # closing undoes it as well
            self._writer = None
            connection.close()

    def _connect(self) -> sqlite3.Connection:
        try:
            make_private(self._path)
        except OSError as error:
            raise sqlite3.OperationalError(f"the ledger's file can't be made: {error.strerror}") from error
        # passed from thread to thread, used by one at a time
        connection = sqlite3.connect(self._path, self._wait_s, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA cache_size=-{_CACHE_KB}")
        connection.execute(f"PRAGMA wal_autocheckpoint={_LONGEST_LOG}")
        return connection


def _execute(connection: sqlite3.Connection, statement: str, rows: Row | list[Row]) -> int:
    done = connection.executemany(statement, rows) if isinstance(rows, list) else connection.execute(statement, rows)
    return done.rowcount


def _as_sqlalchemy(error: sqlite3.Error) -> Exception:
    return DBAPIError.instance(None, None, error, sqlite3.Error, hide_parameters=True)


class Sync:
    """Brings the write-ahead log to the disk, ``SYNC_S`` after the first commit it does not have yet, and then what is
    in it into the file, so that no commit has to. Nobody waits for either."""

    def __init__(self, path: Path) -> None:
        self._address = f"{path.absolute().as_uri()}?mode=rw"  # a ledger that was taken away is not made anew here
        self._file = path.with_name(path.name + "-wal")
        self._wanted = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def wanted(self) -> None:
        """After a commit, by the thread that has the turn."""
        if not self._wanted.is_set():
            self._wanted.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ledger-sync", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Syncs what there is."""
        self._stop.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            last = self._stop.wait(SYNC_S)
            # before the sync: a commit during it is not covered by it
            self._wanted.clear()
            self._now()
            if last:
                return
            self._into_the_file()

    def _into_the_file(self) -> None:
        try:
            # "passive": beside readers and writers, as far as they allow
            with closing(sqlite3.connect(self._address, timeout=0.0, isolation_level=None, uri=True)) as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.Error as error:  # it stays in the log, which is as good
            _log.warning("ledger.log_kept reason=%s", error)

    def _now(self) -> None:
        try:
            descriptor = os.open(self._file, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return  # the last one to close the ledger has moved it into the file, synced
        except OSError as error:
            _log.error("ledger.unsynced reason=%s", os.strerror(error.errno or 0))
            return
        try:
            os.fsync(descriptor)
        except OSError as error:
            _log.error("ledger.unsynced reason=%s", os.strerror(error.errno or 0))
        finally:
            os.close(descriptor)
