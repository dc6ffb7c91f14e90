"""The book of tokens used on this host: which of its workers saw a token first, decided without a database.

A file a minute of expiry, each a row of fixed-size records, written under an exclusive lock. A worker keeps what it
has read in memory and under the lock reads only what others have added since, so the cost of a token does not grow
with their number. A token's expiry is signed, so the same token is always in the same file, whatever the clock does.

A record cut short (a full disk, a worker killed at the wrong moment) is overwritten by the next one. A file is
removed under the same lock, and who holds a removed one open notices by its link count and opens the new one. The
lock is the kernel's and ends with the process that holds it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from pathlib import Path

RECORD = 16
"""Bytes of a token's hash that are kept: 128 bits never meet by chance among the tokens of an hour."""
_MINUTE = 60
_PATIENCE_S = 0.5
_SUFFIX = ".used"


class Book:
    """For the threads of one process; other processes have their own on the same folder. A forked child makes its
    own: a lock it inherited would be its parent's."""

    def __init__(self, folder: Path) -> None:
        """Makes nothing yet: the folder comes with the first token."""
        self._folder = folder
        self._pages: dict[int, _Page] = {}
        self._lock = threading.Lock()

    def add(self, digest: bytes, expires: float) -> bool:
        """Whether it is new to this host. Raises OSError when that can't be found out or written down."""
        record, minute = digest[:RECORD], int(expires) // _MINUTE
        deadline = time.monotonic() + _PATIENCE_S
        if not self._lock.acquire(timeout=_PATIENCE_S):
            raise _too_slow()
        try:
            while True:
                page = self._pages.get(minute)
                if page is None:
                    page = self._pages[minute] = _Page(self._open(minute))
                page.take_turn(deadline)
                try:
                    if page.catch_up():
                        return page.add(record)
                finally:
                    page.end_turn()
                # removed since it was opened
                del self._pages[minute]
                page.close()
        finally:
            self._lock.release()

    def purge(self, at: float) -> None:
        """Drop the files whose tokens have all expired by ``at`` (Unix seconds). Raises OSError."""
        with self._lock:
            for minute in [m for m in self._pages if _over(m, at)]:
                self._pages.pop(minute).close()
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return  # no token yet
        for name in names:
            stem = name.removesuffix(_SUFFIX)
            if name.endswith(_SUFFIX) and stem.isdigit() and _over(int(stem), at):
                _remove(self._folder / name)

    def _open(self, minute: int) -> int:
        path = f"{self._folder}/{minute}{_SUFFIX}"
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            return os.open(path, flags, 0o600)
        except FileNotFoundError:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(path, flags, 0o600)


class _Page:
    """One minute's file, and what this process has read of it."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._seen = _Records()
        self._end = 0

    def take_turn(self, deadline: float) -> None:
        """Not a waiting lock: its holder may have been frozen, and a call must not wait for that."""
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise _too_slow() from None
                time.sleep(0.0005)
            else:
                return

    def end_turn(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def catch_up(self) -> bool:
        """Read what others have added. False when the file has been removed."""
        state = os.fstat(self._file)
        if state.st_nlink == 0:
            return False
        end = state.st_size - state.st_size % RECORD
        if end > self._end:
            found = os.pread(self._file, end - self._end, self._end)
            end = self._end + len(found) - len(found) % RECORD
            for at in range(0, end - self._end, RECORD):
                self._seen.add(found[at : at + RECORD])
        self._end = end
        return True

    def add(self, record: bytes) -> bool:
        if record in self._seen:
            return False
        if os.pwrite(self._file, record, self._end) != RECORD:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._end += RECORD
        self._seen.add(record)
        return True

    def close(self) -> None:
        os.close(self._file)


class _Records:
    """A set of records, in 256 rows of bytes. As objects they would be all that a process keeps for minutes among what
    each call makes and drops, and hold its memory in pieces."""

    def __init__(self) -> None:
        self._rows: list[bytearray] = [bytearray() for _ in range(256)]

    def __contains__(self, record: bytes) -> bool:
        row, at = self._rows[record[0]], -1
        while (at := row.find(record, at + 1)) > 0 and at % RECORD:
            pass  # across two others
        return at >= 0

    def add(self, record: bytes) -> None:
        self._rows[record[0]] += record


def _over(minute: int, at: float) -> bool:
    """The minute beyond expiry spares a file that is just being written."""
    return (minute + 2) * _MINUTE < at


def _remove(path: Path) -> None:
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # another worker was quicker
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        return  # in use: next time
    finally:
        os.close(file)


def _too_slow() -> OSError:
    return OSError(errno.EAGAIN, "another call holds the book of used tokens for too long")
