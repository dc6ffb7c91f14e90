"""What ``cds worker`` runs: a thread a slot that claims study jobs, and one that asks archives and EHRs for news."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from types import FrameType
from weakref import WeakSet

from cds.cards.phrasebook import Catalogues
from cds.inference.registry import Registry
from cds.jobs import Jobs, Worker
from cds.ledger import Ledger
from cds.policy.book import PolicyBook
from cds.settings import Settings
from cds.studies.devices import Devices
from cds.studies.pipeline import Pipeline
from cds.studies.plan import KIND
from cds.studies.poll import Poller
from cds.studies.writers import writers

_log = logging.getLogger("cds.studies")

HUNG = 75
"""Exit status of a worker that ended itself because an analysis stood still (EX_TEMPFAIL of sysexits.h): whatever
started it should start it again."""


class Crew:
    """One worker process."""

    def __init__(
        self,
        settings: Settings,
        models: Registry,
        catalogues: Catalogues,
        policies: PolicyBook,
        ledger: Ledger,
        poller: Poller,
        now: Callable[[], datetime],
        slots: int | None = None,
    ) -> None:
        """``slots``: studies in hand at a time; default: one a device, and one more to fetch while it computes."""
        self._settings = settings
        devices = Devices(settings)
        self.slots = slots or len(devices.names) + (1 if devices.names[0].startswith("gpu") else 0)
        self._poller = poller
        self._workers: WeakSet[Worker] = WeakSet()
        self._lock = threading.Lock()
        self._ending = False
        # its own connections: one is held by each thread at a time, and one by its heartbeat
        self._jobs = Jobs(settings.ledger_url, lease=timedelta(seconds=settings.imaging.lease_s))
        written = writers(settings, catalogues)
        self._pipeline = Pipeline(settings, models, policies, now, ledger, self._jobs, written, devices)

    def worker(self) -> Worker:
        """While the process ends it is one that claims nothing."""
        made = Worker(self._jobs, {KIND: self._pipeline}, silent_s=self._settings.imaging.silent_s, hung=self._end)
        with self._lock:
            self._workers.add(made)
            if self._ending:
                made.stop()
        return made

    def _end(self, hung: Worker) -> None:
        """The process at once, for a thread within a library or a driver can't be ended, and its device is free only
        when it is gone. What other threads have in hand goes back first, untried, if they reach a step in time."""
        with self._lock:
            self._ending = True
            others = [worker for worker in self._workers if worker is not hung]
        for worker in others:
            worker.stop()
        end = time.monotonic() + self._settings.imaging.lease_s
        while any(worker.busy for worker in others) and time.monotonic() < end:
            time.sleep(0.1)
        _log.error("worker.ended status=%s", HUNG)
        logging.shutdown()
        os._exit(HUNG)

    def until_done(self) -> int:
        """Do what is due, then return; how many jobs were taken. Raises LedgerError."""
        taken, worker = 0, self.worker()
        self._stop_on_signal(worker.stop)
        while worker.once():
            taken += 1
        return taken

    def run(self) -> None:
        """Until SIGTERM or SIGINT. The job in hand then goes back, untried, at its next step."""
        polling = threading.Thread(target=self._poller.run, name="poll", daemon=True)
        if self._poller.wanted:
            polling.start()
        try:
            if self._settings.imaging.broker_url is not None:
                from cds.jobs import celery  # an extra

                celery.serve(self._settings.imaging.broker_url.get_secret_value(), self._jobs, self.worker, self.slots)
            else:
                self._by_themselves()
        finally:
            self._poller.stop()
            self._jobs.close()

    def _by_themselves(self) -> None:
        workers = [self.worker() for _ in range(self.slots)]
        threads = [threading.Thread(target=w.run, name=f"worker-{n}") for n, w in enumerate(workers)]

        def stop() -> None:
            for worker in workers:
                worker.stop()

        self._stop_on_signal(stop)
        _log.info("worker.ready slots=%s", self.slots)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    @staticmethod
    def _stop_on_signal(stop: Callable[[], None]) -> None:
        def handle(_signal: int, _frame: FrameType | None) -> None:
            stop()

        signal.signal(signal.SIGTERM, handle)
        signal.signal(signal.SIGINT, handle)
