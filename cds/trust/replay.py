"""Each token is good for one call: its ``jti`` is written down, and refused when seen again.

There are two books, and a token has to be new to both. One is a folder shared by the workers of this host, where
creating a file that must not exist is the atomic step; the other is the ledger's, shared by all hosts. Workers notice
an outage of the ledger one by one, so the folder is kept at all times and not only during an outage: no token gets
through twice on one host, whatever each worker thinks of the ledger. What remains open is a token used on one host
and, while the ledger is out, again on another, within the minutes until it expires.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from cds.errors import LedgerError

_log = logging.getLogger("cds.trust")
_MINUTE = 60
_PURGE_S = 60.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ReplayGuard:
    """``guard(issuer, jti, expires)`` is True the first time. Thread-safe, shared between processes by its books."""

    def __init__(
        self, store: Callable[[str, datetime], bool], folder: Path, now: Callable[[], datetime] = _utc_now
    ) -> None:
        """``store(key, expires)`` inserts atomically: True if new, False if known, LedgerError if it can't tell."""
        self._store = store
        self._folder = folder
        self._now = now
        self._lock = threading.Lock()
        self._purged = float("-inf")
        self._out = False
        self._unwritable = False

    def __call__(self, issuer: str, jti: str, expires: datetime) -> bool:
        """Raises LedgerError only if neither book can be written; the call must then be refused."""
        key = _key(issuer, jti)
        self._purge()
        fault: OSError | None = None
        try:
            if not _create(self._file(key, expires)):
                return False
        except OSError as error:
            fault = error
        self._note_folder(fault)
        try:
            new = self._store(key, expires)
        except LedgerError as error:
            self._note_outage(error)
            if fault is not None:
                raise LedgerError(
                    f"the ledger is out and {self._folder} can't be written, so no token can be accepted: {fault}"
                ) from error
            return True
        self._note_outage(None)
        return new

    def _file(self, key: str, expires: datetime) -> Path:
        """One subfolder a minute of expiry: purging needs no look at single files. A token's expiry is signed."""
        return self._folder / str(int(expires.timestamp()) // _MINUTE) / key

    def _note_folder(self, error: OSError | None) -> None:
        if error is not None and not self._unwritable:
            _log.warning("used tokens are kept in the ledger only: %s can't be written: %s", self._folder, error)
        self._unwritable = error is not None

    def _note_outage(self, error: LedgerError | None) -> None:
        """Said when it begins and when it ends, not at each call between."""
        if error is not None and not self._out:
            _log.warning("used tokens are kept in %s alone until the ledger is back: %s", self._folder, error)
        if error is None and self._out:
            _log.warning("used tokens are kept in the ledger again")
        self._out = error is not None

    def _purge(self) -> None:
        """Drop what has expired, once a minute. The minute beyond expiry spares a file that is just being made."""
        at = self._now().timestamp()
        with self._lock:
            if at - self._purged < _PURGE_S:
                return
            self._purged = at
        try:
            for minute in self._folder.iterdir():
                if minute.name.isdigit() and (int(minute.name) + 2) * _MINUTE < at:
                    _remove(minute)
        except FileNotFoundError:
            return  # no call yet, or another worker was quicker
        except OSError as error:
            _log.warning("expired tokens can't be removed from %s: %s", self._folder, error)


def _create(file: Path) -> bool:
    """Whether it is new. Raises OSError when that can't be found out."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    try:
        try:
            os.close(os.open(file, flags, 0o600))
        except FileNotFoundError:  # the first of its minute
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(file, flags, 0o600))
    except FileExistsError:
        return False
    return True


def _remove(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink(missing_ok=True)
    folder.rmdir()


def _key(issuer: str, jti: str) -> str:
    """The length in front keeps ("a", "bc") and ("ab", "c") apart."""
    text = f"{len(issuer)}:{issuer}{jti}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
