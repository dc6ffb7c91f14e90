"""Each token is good for one call: its ``jti`` is written down, and refused when seen again.

The book is the ledger's, shared by all workers on all hosts. While the ledger is out, it is a folder shared by the
workers of this host, where creating a file that must not exist is the atomic step. Each is asked about the other's
time where it can be: after an outage the folder is still looked into, so no token gets through twice by way of the
ledger's return. What remains open is a token used just before an outage and again during it, within the minutes
until it expires.
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

    def __call__(self, issuer: str, jti: str, expires: datetime) -> bool:
        """Raises LedgerError only if neither book can be written; the call must then be refused."""
        key = _key(issuer, jti)
        self._purge()
        try:
            new = self._store(key, expires)
        except LedgerError as error:
            self._note_outage(error)
            return self._create(self._file(key, expires))
        self._note_outage(None)
        return new and not os.path.exists(self._file(key, expires))

    def _file(self, key: str, expires: datetime) -> Path:
        """One subfolder a minute of expiry: purging needs no look at single files. A token's expiry is signed."""
        return self._folder / str(int(expires.timestamp()) // _MINUTE) / key

    def _create(self, file: Path) -> bool:
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return False
        except OSError as error:
            raise LedgerError(
                f"the ledger is out and {self._folder} can't be written, so no token can be accepted: {error}"
            ) from error
        return True

    def _note_outage(self, error: LedgerError | None) -> None:
        """Said when it begins and when it ends, not at each call between."""
        if error is not None and not self._out:
            _log.warning("used tokens are kept in %s until the ledger is back: %s", self._folder, error)
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
            return  # no outage yet, or another worker was quicker
        except OSError as error:
            _log.warning("expired tokens can't be removed from %s: %s", self._folder, error)


def _remove(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink(missing_ok=True)
    folder.rmdir()


def _key(issuer: str, jti: str) -> str:
    """The length in front keeps ("a", "bc") and ("ab", "c") apart."""
    text = f"{len(issuer)}:{issuer}{jti}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
