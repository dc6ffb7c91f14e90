"""Whose turn it is to write to a SQLite file: one thread of one process at a time.

SQLite's own waiting sleeps ever longer, up to 100 ms, so that among several busy processes one may miss its chance
for half a second. Here threads queue in order, and processes try every millisecond.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError, TimeoutError


class Turn:
    """For one process; a forked child makes its own."""

    def __init__(self, database: Path, patience_s: float) -> None:
        self._path = database.with_name(database.name + ".turn")
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._file: int | None = None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Raises SQLAlchemyError when the turn does not come in time or its file can't be made."""
        deadline = time.monotonic() + self._patience_s
        if not self._lock.acquire(timeout=self._patience_s):
            raise TimeoutError("the ledger's writers are queueing for too long")
        try:
            file = self._opened()
            while not _taken(file):
                if time.monotonic() > deadline:
                    raise TimeoutError("another process is writing to the ledger for too long")
                time.sleep(0.001)
            try:
                yield
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)
        finally:
            self._lock.release()

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _opened(self) -> int:
        if self._file is None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise SQLAlchemyError(
                    f"the ledger's folder can't be written: {os.strerror(error.errno or 0)}"
                ) from error
        return self._file


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
