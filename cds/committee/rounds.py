"""What the committee's machinery does by itself in ``cds worker``: ask for outcomes, evaluate, stop.

Each round is a job of the queue with the number of its interval as key, so of many workers one does it, and a killed
worker's round is taken over.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from cds.committee.charter_file import charter_path, read_charter
from cds.committee.sweep import askable, find_in_ehr
from cds.errors import CdsError, LedgerError
from cds.inference.registry import Registry
from cds.jobs import Job, Jobs, Worker
from cds.jobs.worker import Progress
from cds.ledger import Ledger
from cds.ledger.book import Book
from cds.policy.book import PolicyBook
from cds.services.declaration import installed_packages
from cds.settings import Settings

_log = logging.getLogger("cds.committee")
EVALUATE, OUTCOMES = "committee-evaluate", "committee-outcomes"
_LOOK_S = 30.0


class Rounds:
    """One in each worker process, in a thread of its own."""

    def __init__(
        self,
        settings: Settings,
        models: Registry,
        policies: PolicyBook,
        ledger: Ledger,
        jobs: Jobs,
        now: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._models = models
        self._policies = policies
        self._ledger = ledger
        self._jobs = jobs
        zone = ZoneInfo(settings.timezone)
        self._now: Callable[[], datetime] = lambda: now().astimezone(zone)
        self._stopping = threading.Event()
        self._worker = Worker(jobs, {EVALUATE: self._evaluate, OUTCOMES: self._outcomes})

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.once()
            except CdsError as error:
                _log.error("committee.round error=%s", error)
            self._stopping.wait(_LOOK_S)

    def stop(self) -> None:
        self._stopping.set()
        self._worker.stop()

    def once(self) -> int:
        """Do what is due now; how many rounds that was. Raises LedgerError."""
        for kind, hours in self._wanted().items():
            slot = int(self._now().timestamp() // (hours * 3600))
            self._jobs.enqueue(kind, f"{kind}:{hours:g}h:{slot}", {}, most_attempts=3)
        done = 0
        while not self._stopping.is_set() and self._worker.once():
            done += 1
        return done

    def _wanted(self) -> dict[str, float]:
        found: dict[str, float] = {}
        committee = self._settings.committee
        if committee.outcomes_h and askable(self._settings):
            found[OUTCOMES] = committee.outcomes_h
        if committee.every_h:
            found[EVALUATE] = committee.every_h
        return found

    def _charter(self) -> Any:
        path = charter_path(self._settings.committee.charter_file, installed_packages())
        return read_charter(path, self._models)

    def _evaluate(self, job: Job, progress: Progress) -> Mapping[str, Any]:
        from cds.committee.evaluate import Evaluator, keep_charter  # brings SciPy

        charter, text = self._charter()
        found: dict[str, int] = {}
        with Book(self._settings.ledger_url) as book:
            keep_charter(book, charter, text, self._now())
            evaluator = Evaluator(book, self._models, self._policies.current, charter, self._now())
            for evaluation in evaluator.all():
                progress("evaluate", 0.5)
                found[evaluation.verdict.level] = found.get(evaluation.verdict.level, 0) + 1
        _log.info("committee.round kind=evaluate %s", " ".join(f"{k}={n}" for k, n in sorted(found.items())) or "none")
        return found

    def _outcomes(self, job: Job, progress: Progress) -> Mapping[str, Any]:
        charter, _ = self._charter()
        found: dict[str, Any] = {}
        with Book(self._settings.ledger_url) as book:
            for name in askable(self._settings):
                progress("outcomes", 0.5)
                try:
                    sweep, new = find_in_ehr(
                        name,
                        settings=self._settings,
                        charter=charter,
                        vocabulary=self._models.vocabulary,
                        ledger=self._ledger,
                        book=book,
                        now=self._now(),
                    )
                    found[name] = {"new": new, "faults": len(sweep.faults)}
                except LedgerError:
                    raise
                except CdsError as error:  # one EHR's fault keeps nobody from the others
                    found[name] = {"error": error.code}
                    _log.warning("outcomes.failed client=%s error=%s", name, error)
        return found
