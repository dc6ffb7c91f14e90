"""What the committee's newest verdicts say, for Prometheus: aggregates by model and hospital, of nobody alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from prometheus_client.core import GaugeMetricFamily

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

    def families(self, ask: bool = True) -> list[GaugeMetricFamily]:
        """``ask``: whether the ledger answers. Where it does not, or somebody else is asking, what was known last."""
        # nobody stands behind one that waits for the database: each holds a thread, which calls need
        if ask and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._lock.release()
        return _told(self._found)

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


def _told(found: Sequence[tuple[Verdict, bool]]) -> list[GaugeMetricFamily]:
    by = ["model", "site"]
    level = GaugeMetricFamily("cds_committee_verdict", "Newest verdict: 0 green, 1 watch, 2 act, 3 stopped.", labels=by)
    at = GaugeMetricFamily("cds_committee_evaluated_seconds", "When it was reached, Unix time.", labels=by)
    about = [*by, "measure", "about"]
    measure = "cds_committee_measure"
    value = GaugeMetricFamily(measure, "A measure's estimate; those with enough data.", labels=about)
    low = GaugeMetricFamily(f"{measure}_lower", "Lower end of its 95 % interval.", labels=about)
    high = GaugeMetricFamily(f"{measure}_upper", "Upper end of its 95 % interval.", labels=about)
    for verdict, held in found:
        of = [verdict.model, verdict.site]
        level.add_metric(of, 3 if held else min(LEVELS.index(verdict.level), 2))
        at.add_metric(of, verdict.at.timestamp())
        for f in verdict.findings:
            if "value" not in f:
                continue
            names = [*of, f["measure"], f["about"]]
            value.add_metric(names, f["value"])
            if f["measure"] != "drift":
                low.add_metric(names, f["lower"])
                if f["upper"] is not None:
                    high.add_metric(names, f["upper"])
    return [level, at, value, low, high]
