"""What the committee's newest verdicts say, for Prometheus: aggregates by model and hospital, of nobody alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Gauge

from cds.errors import LedgerError
from cds.ledger.book import Book
from cds.ledger.standings import EVERYWHERE, every, stops
from cds.ledger.verdicts import Verdict, newest

LEVELS = ("green", "watch", "act", "stopped")
_EVERY_S = 60.0
_PATIENCE_S = 1.0
"""For each of two questions: Prometheus waits for the whole answer, and what does not come in its time counts as no
service at all."""


class Verdicts:
    """Read at most once a minute. Safe for threads."""

    def __init__(self, ledger_url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url, self._clock = ledger_url, clock
        self._lock = threading.Lock()
        self._due = float("-inf")
        self._found: tuple[tuple[Verdict, bool], ...] = ()

    def register(self, registry: CollectorRegistry, ask: bool = True) -> None:
        """``ask``: whether the ledger answers. Where it does not, or somebody else is asking, what was known last."""
        # nobody stands behind one that waits for the database: each holds a thread, which calls need
        if ask and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._lock.release()
        _tell(registry, self._found)

    def _look(self) -> None:
        if self._clock() < self._due:
            return
        try:
            with Book(self._url, _PATIENCE_S) as book:
                held = stops(book.read(every))
                self._found = tuple(
                    (v, (v.model, v.site) in held or (v.model, EVERYWHERE) in held) for v in book.read(newest)
                )
        except LedgerError:
            pass
        self._due = self._clock() + _EVERY_S


def _tell(registry: CollectorRegistry, found: Sequence[tuple[Verdict, bool]]) -> None:
    by = ["model", "site"]
    level = Gauge("cds_committee_verdict", "Newest verdict: 0 green, 1 watch, 2 act, 3 stopped.", by, registry=registry)
    at = Gauge("cds_committee_evaluated_seconds", "When it was reached, Unix time.", by, registry=registry)
    about = [*by, "measure", "about"]
    value = Gauge("cds_committee_measure", "A measure's estimate; those with enough data.", about, registry=registry)
    low = Gauge("cds_committee_measure_lower", "Lower end of its 95 % interval.", about, registry=registry)
    high = Gauge("cds_committee_measure_upper", "Upper end of its 95 % interval.", about, registry=registry)
    for verdict, held in found:
        level.labels(verdict.model, verdict.site).set(3 if held else min(LEVELS.index(verdict.level), 2))
        at.labels(verdict.model, verdict.site).set(verdict.at.timestamp())
        for f in verdict.findings:
            if "value" not in f:
                continue
            names = (verdict.model, verdict.site, f["measure"], f["about"])
            value.labels(*names).set(f["value"])
            if f["measure"] != "drift":
                low.labels(*names).set(f["lower"])
                if f["upper"] is not None:
                    high.labels(*names).set(f["upper"])
