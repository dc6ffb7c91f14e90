"""A token is good for one call, whichever worker gets it.

The ledger's table is the shared memory. While the ledger is down, files created exclusively in a folder all workers of
this machine share take its place: a database fault must not open the door to replays, nor close it to calls.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from cds.errors import LedgerError


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ReplayGuard:
    def __init__(
        self,
        store: Callable[[str, datetime], bool],
        folder: Path,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        """``store(key, expires)`` is True when the key is new, and raises LedgerError when it can't tell."""
        self._store = store
        self._folder = folder
        self._now = now
        self._purge_due = 0.0

    def __call__(self, issuer: str, jti: str, expires: datetime) -> bool:
        """True if this token has not been used before."""
        key = hashlib.sha256(f"{issuer}\n{jti}".encode()).hexdigest()
        try:
            new = self._store(key, expires)
        except LedgerError:
            return self._by_file(key, expires)
        # used while the ledger was down?
        return new and not (self._folder / key).exists()

    def _by_file(self, key: str, expires: datetime) -> bool:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._purge()
        path = self._folder / key
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return False
        os.close(descriptor)
        stamp = expires.timestamp()
        os.utime(path, (stamp, stamp))  # a file's time is its token's end
        return True

    def _purge(self) -> None:
        now = self._now().timestamp()
        if now < self._purge_due:
            return
        self._purge_due = now + 60
        for entry in os.scandir(self._folder):
            with contextlib.suppress(FileNotFoundError):  # another worker was quicker
                if entry.stat().st_mtime < now:
                    os.unlink(entry.path)
