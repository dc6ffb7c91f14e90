"""Links new rows to the audit's chain, in the background of the service: one process of a machine at a time."""

from __future__ import annotations

import fcntl
import logging
import math
import os
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from cds.errors import CdsError, SettingsError
from cds.ledger.book import Book
from cds.ledger.chain import Chain
from cds.ledger_key import materials
from cds.settings import Settings
from cds.trust.smart.secrets import derived

_log = logging.getLogger("cds.audit")
PURPOSE = "audit chain"
_MARGIN = timedelta(hours=1)
"""Before the last round's begin, from which a round looks: rows carry the time of what they tell, and come later."""
_THOROUGH_EVERY_S = 3600.0
"""Between two looks without a bound, and one after each round that failed: rows that waited on a spool."""
_SHARE = 0.1
"""Of the time that a round goes on, about this is work: calls of this process share its interpreter."""
_LONGEST_REST_S = 5.0
"""After rows that took long because another had the ledger."""


def chain_keys(material: bytes) -> tuple[bytes, ...]:
    """``material``: the ledger's key file. The chain's own keys, one for each of its segments."""
    return tuple(derived(one, PURPOSE) for one in materials(material))


def chain_of(book: Book, material: bytes) -> Chain:
    """The chain, to be checked. Where the environment handed several keys over with a line end after the last, that was
    part of what an earlier version derived the last one's from."""
    also = {at: derived(one + b"\n", PURPOSE) for at, one in enumerate(materials(material)) if at}
    return Chain(book, *chain_keys(material), also=also)


def require_own_key(url: str, material: bytes, *, for_persons: bool = True) -> bool:
    """Under any other key nobody of the ledger is found, and what is linked breaks its chain. False: nothing is linked
    yet, so there is nothing to tell by. ``for_persons``: rows are looked for by whose they are, the oldest as well.
    Raises SettingsError, LedgerError."""
    with Book(url) as book:
        chain = chain_of(book, material)
        ours = chain.ours()
        begun = not for_persons or chain.begun_by_us()
    if ours is False:
        raise SettingsError(
            "the ledger key is not this ledger's: the newest link of its audit was made with another key (or changed "
            "since), and under another key nobody is found. Put the key that the service runs with into CDS_LEDGER_KEY "
            "or ledger_key_file; `cds audit verify` with that key says whether a link was changed"
        )
    if begun is False:
        raise SettingsError(
            "the ledger key is not this ledger's alone: its audit was begun with another key (or its first link was "
            "changed since), and nobody is found in rows of that time. A key is replaced by `cds ledger rekey` only; "
            "did this one gain or lose a line end? Put the one before back into CDS_LEDGER_KEY or ledger_key_file and "
            "start the service; rows of the time between are then found under this one only. `cds audit verify` names "
            "the links of another key"
        )
    return ours is not None


def require_no_other_key(url: str, material: bytes) -> bool:
    """As ``require_own_key``, and of every link: a key that was in use for a while between leaves rows that no other
    finds. Takes one HMAC a link. Raises SettingsError, LedgerError."""
    linked = require_own_key(url, material)
    with Book(url) as book:
        others = chain_of(book, material).others()
    if others is not None:
        raise SettingsError(
            f"{others.count} link(s) of the ledger's audit, of {others.first:%Y-%m-%d %H:%M} to "
            f"{others.last:%Y-%m-%d %H:%M} UTC, were made with another key than this one (or changed since), and "
            "nobody is found under this one in rows that were kept under that: `cds audit verify` names them"
        )
    return linked


class Sealer:
    """A thread of one process; start it after the fork."""

    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        self._keys = chain_keys(settings.load_ledger_key())
        self._stopping = threading.Event()
        self._book: Book | None = None
        """Kept from round to round: another one would compile each of its questions anew."""
        self._sealed: datetime | None = None
        """When this process's last round began that came to its end."""
        self._thorough_at = -math.inf
        """By the clock that nobody sets, of the last look without a bound that came to its end."""

    def start(self) -> None:
        if self._settings.audit.seal_s:
            threading.Thread(target=self._run, name="audit-seal", daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()

    @property
    def all_due(self) -> bool:
        """Whether the next round is to look without a bound."""
        return time.monotonic() - self._thorough_at >= _THOROUGH_EVERY_S

    def _run(self) -> None:
        while not self._stopping.wait(self._settings.audit.seal_s):
            try:
                self.once(thorough=self.all_due)
            except CdsError as error:
                self._thorough_at = -math.inf
                _log.warning("audit.unsealed error=%s", error)
            except OSError as error:
                self._thorough_at = -math.inf
                _log.error("audit.unsealed error=%s", os.strerror(error.errno or 0))

    def once(self, *, thorough: bool = False) -> int | None:
        """How many links were made; None: another process is at it."""
        path = self._settings.data_dir / "audit.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path) as mine:
            if not mine:
                return None
            self._book = self._book or Book(self._settings.ledger_url)
            chain = Chain(self._book, *self._keys)
            now = self._now()
            since = self._sealed - _MARGIN if self._sealed else None
            made = chain.seal(now, thorough=thorough, since=since, rest=self._rest)
            self._sealed = now
            if thorough:
                self._thorough_at = time.monotonic()
            if made:
                # in the log it is out of the database's reach: verify takes it
                _log.info("audit.sealed links=%s head=%s", made, chain.head().told)
            return made

    def _rest(self, took_s: float) -> None:
        self._stopping.wait(min(took_s * (1 / _SHARE - 1), _LONGEST_REST_S))


class _locked:
    """True in the ``with`` for one process at a time; the lock dies with its holder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> bool:
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def __exit__(self, *_: object) -> None:
        os.close(self._file)
