"""Which models the committee withholds, as every call asks: from memory, looked up anew every few seconds.

A stop takes effect in every process within ``committee.poll_s``. When the ledger is away the last answer holds, and it
is kept in a file, so that a process started meanwhile knows of it, too.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path

from cds.errors import LedgerError
from cds.ledger.standings import EVERYWHERE, Standing, stops
from cds.record.moments import day_at

_log = logging.getLogger("cds.committee")


@dataclass(frozen=True)
class Withheld:
    """What a call has to know of a stop."""

    since: str
    """Day, as 2026-11-23."""
    cause: str
    """``manual``, ``emergency``, ``input-failure`` or ``floor``."""


NOTHING: Mapping[str, Withheld] = {}


class Standings:
    """Safe for threads and across forks."""

    def __init__(
        self,
        read: Callable[[], tuple[Standing, ...]],
        memory: Path,
        poll_s: float,
        clock: Callable[[], float] = time.monotonic,
        zone: tzinfo = UTC,
    ) -> None:
        """Reads nothing yet. ``memory``: the file that outlives the process."""
        self._read = read
        self._memory = memory
        self._poll_s = poll_s
        self._clock = clock
        self._zone = zone
        self._lock = threading.Lock()
        self._pid = -1
        self._due = 0.0
        self._by_site: dict[str, dict[str, Withheld]] = {}

    def withheld(self, client: str) -> Mapping[str, Withheld]:
        """By model: what may not speak to this client's clinicians. Never raises."""
        if self._clock() >= self._due or self._pid != os.getpid():
            self._look()
        if not self._by_site:
            return NOTHING
        return {**self._by_site.get(EVERYWHERE, {}), **self._by_site.get(client, {})}

    def _look(self) -> None:
        first = self._pid != os.getpid()
        # one looks, the others go on with what is known; at the very start all wait, since nothing is known
        if not self._lock.acquire(blocking=first):
            return
        try:
            if self._clock() < self._due and self._pid == os.getpid():
                return
            if first and not self._by_site:
                self._by_site = self._remembered()
            try:
                found = _by_site(self._read(), self._zone)
            except LedgerError as error:
                _log.warning("standings.unread kept=%s error=%s", sum(map(len, self._by_site.values())), error)
            else:
                if found != self._by_site:
                    for site, models in found.items():
                        _log.warning("standings.withheld site=%s models=%s", site, ",".join(sorted(models)))
                    self._by_site = found
                    self._remember()
            self._pid, self._due = os.getpid(), self._clock() + self._poll_s
        finally:
            self._lock.release()

    def _remembered(self) -> dict[str, dict[str, Withheld]]:
        try:
            kept = json.loads(self._memory.read_text(encoding="utf-8"))
            return {site: {m: Withheld(**w) for m, w in models.items()} for site, models in kept.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            _log.error("standings.memory error=%s", type(error).__name__)
            return {}

    def _remember(self) -> None:
        kept = {site: {m: w.__dict__ for m, w in models.items()} for site, models in self._by_site.items()}
        new = self._memory.with_name(f"{self._memory.name}.{os.getpid()}")
        try:
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(json.dumps(kept), encoding="utf-8")
            new.replace(self._memory)
        except OSError as error:
            _log.error("standings.memory error=%s", type(error).__name__)


def _by_site(decisions: tuple[Standing, ...], zone: tzinfo) -> dict[str, dict[str, Withheld]]:
    found: dict[str, dict[str, Withheld]] = {}
    for (model, site), stop in stops(decisions).items():
        given = stop.standing
        found.setdefault(site, {})[model] = Withheld(day_at(given.at, zone).isoformat(), given.cause)
    return found
