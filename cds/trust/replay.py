"""Each token is good for one call: its ``jti`` is written down, and refused when seen again.

There are two books, and a token has to be new to both. One is shared by the workers of this host (``cds.trust.book``);
the other is the ledger's, shared by all hosts. Where the ledger is a file, whoever shares it is on one host, and the
host's book, which lies beside that file, is the only one.

Workers notice an outage of the ledger one by one, so the host's book is kept at all times and not only during an
outage: no token gets through twice on one host, whatever each worker thinks of the ledger. On one machine both may lie
on the same disk, and a full disk would then refuse every call; while that book can't be written, the host keeps one in
its memory (``spare``), and heeds it until what is in there has expired. What remains open is a token used on one host
and, while the ledger is out, again on another, within the minutes until it expires.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from cds.clock import utc_now
from cds.errors import LedgerError
from cds.host_memory import make_ours
from cds.trust.book import Book

_log = logging.getLogger("cds.trust")
_PURGE_S = 60.0


class ReplayGuard:
    """``guard(issuer, jti, expires)`` is True the first time. Thread-safe, shared between processes by its books."""

    def __init__(
        self,
        store: Callable[[str, datetime], bool] | None,
        folder: Path,
        now: Callable[[], datetime] = utc_now,
        spare: Path | None = None,
    ) -> None:
        """``store(key, expires)`` inserts atomically: True if new, False if known, LedgerError if it can't tell;
        None: no other host takes this service's tokens. ``spare``: a folder of this host that can be written when
        ``folder`` can't; made when it is needed."""
        self._store = store
        self._folder = folder
        self._spare = spare
        self._now = now
        # by process id: a parent's locks and open files are not its child's
        self._books: dict[tuple[int, Path], Book] = {}
        self._purged = float("-inf")
        self._out = False
        self._unwritable = False

    def __call__(self, issuer: str, jti: str, expires: datetime) -> bool:
        """Raises LedgerError only if no book can be written; the call must then be refused."""
        digest = _digest(issuer, jti)
        self._purge()
        fault: OSError | None = None
        try:
            if not self._book(self._folder).add(digest, expires.timestamp()):
                return False
        except OSError as error:
            fault = error
        self._note_folder(fault)
        if self._spare is not None and (fault is not None or os.path.isdir(self._spare)):
            try:
                make_ours(self._spare)
                if not self._book(self._spare).add(digest, expires.timestamp()):
                    return False
                fault = None
            except OSError as error:
                _log.warning("used tokens can't be kept in memory: %s", error)
        if self._store is None:
            if fault is not None:
                raise LedgerError(f"{self._folder} can't be written, so no token can be accepted: {fault}") from fault
            return True
        try:
            new = self._store(digest.hex(), expires)
        except LedgerError as error:
            self._note_outage(error)
            if fault is not None:
                raise LedgerError(
                    f"the ledger is out and {self._folder} can't be written, so no token can be accepted: {fault}"
                ) from error
            return True
        self._note_outage(None)
        return new

    def _book(self, folder: Path) -> Book:
        key = os.getpid(), folder
        # setdefault is atomic, a lock taken here could be inherited locked by a forked child
        return self._books.get(key) or self._books.setdefault(key, Book(folder))

    def _note_folder(self, error: OSError | None) -> None:
        if error is not None and not self._unwritable:
            _log.warning("used tokens are kept elsewhere only: %s can't be written: %s", self._folder, error)
        self._unwritable = error is not None

    def _note_outage(self, error: LedgerError | None) -> None:
        """Said when it begins and when it ends, not at each call between."""
        if error is not None and not self._out:
            _log.warning("used tokens are kept on this host alone until the ledger is back: %s", error)
        if error is None and self._out:
            _log.warning("used tokens are kept in the ledger again")
        self._out = error is not None

    def _purge(self) -> None:
        """Drop what has expired, once a minute."""
        at = self._now().timestamp()
        if at - self._purged < _PURGE_S:
            return
        self._purged = at
        for folder in (self._folder, self._spare):
            if folder is None or not folder.is_dir():
                continue
            try:
                self._book(folder).purge(at)
                if folder == self._spare and not any(folder.iterdir()):
                    folder.rmdir()  # no longer needed
            except OSError as error:
                _log.warning("expired tokens can't be removed from %s: %s", folder, error)


def _digest(issuer: str, jti: str) -> bytes:
    """The length in front keeps ("a", "bc") and ("ab", "c") apart."""
    return hashlib.sha256(f"{len(issuer)}:{issuer}{jti}".encode("utf-8", "surrogatepass")).digest()
