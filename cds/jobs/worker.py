"""A worker: claims one job at a time, keeps its lease alive while the work runs, and ends it once.

The heartbeat is a thread of its own, so that work which computes for a minute without a word keeps its job; a worker
that is killed stops beating, and a rival takes the job over when the lease runs out. Work that says nothing for too
long hangs: it can't be ended from without, so its job is given away and whoever runs the worker ends the process.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from cds import tracing
from cds.errors import LedgerError
from cds.jobs.job import Job, Outcome, Stop, Unfinished
from cds.jobs.queue import Jobs

_log = logging.getLogger("cds.jobs")

NO_PROGRESS = "no-progress"
"""Reason of a job whose work stood still."""

Handler = Callable[[Job, "Progress"], Mapping[str, Any] | Outcome]
"""Does the work and returns its result. Raises Unfinished, or lets Stop through."""


class Progress:
    """How far the work is. Calling it is also where the work learns that it must stop."""

    def __init__(self) -> None:
        self.stage, self.fraction = "", 0.0
        self._stop: str | None = None
        self._heard = time.monotonic()

    def __call__(self, stage: str, fraction: float) -> None:
        """``fraction`` of the whole job, 0 to 1. Raises Stop."""
        self.stage, self.fraction = stage, min(1.0, max(0.0, fraction))
        self._heard = time.monotonic()
        if self._stop is not None:
            raise Stop(self._stop)

    @property
    def silent_s(self) -> float:
        """Since the work said anything."""
        return time.monotonic() - self._heard

    def stop(self, why: str) -> None:
        self._stop = self._stop or why


class Worker:
    def __init__(
        self,
        jobs: Jobs,
        handlers: Mapping[str, Handler],
        poll_s: float = 1.0,
        *,
        silent_s: float = math.inf,
        hung: Callable[[Worker], None] | None = None,
    ) -> None:
        """``silent_s``: work that says nothing for longer hangs. Its job has been given away when ``hung`` is called,
        from another thread, to end the process."""
        self._silent_s = silent_s
        self._hung = hung
        self._jobs = jobs
        self._handlers = handlers
        self._poll_s = poll_s
        self._stopping = threading.Event()
        self._current: Progress | None = None
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"

    @property
    def busy(self) -> bool:
        return self._current is not None

    def run(self) -> None:
        """Until ``stop``. A database that is away is tried again; nothing is lost meanwhile."""
        while not self._stopping.is_set():
            try:
                worked = self.once()
            except LedgerError as error:
                _log.error("jobs.database error=%s", error)
                worked = False
            if not worked:
                self._stopping.wait(self._poll_s)

    def stop(self) -> None:
        """From a signal handler or another thread: the job in hand goes back at its next step, untried."""
        self._stopping.set()
        if self._current is not None:
            self._current.stop("shutting-down")

    def once(self) -> bool:
        """Claim and do one job. False: nothing was due, or it was stopped. Raises LedgerError."""
        if self._stopping.is_set():
            return False
        job = self._jobs.claim(self.owner, tuple(self._handlers))
        if job is None:
            return False
        _log.info("job.started job=%s kind=%s attempt=%s", job.id, job.kind, job.attempts)
        progress, done = Progress(), threading.Event()
        self._current = progress
        if self._stopping.is_set():
            progress.stop("shutting-down")
        beat = threading.Thread(target=self._beat, args=(job, progress, done), name="job-heartbeat", daemon=True)
        beat.start()
        try:
            with tracing.span("job", job=job.id, kind=job.kind, attempt=job.attempts) as span:
                self._do(job, progress, span)
        finally:
            self._current = None
            done.set()
            beat.join()
        return True

    def _do(self, job: Job, progress: Progress, span: tracing.Nothing) -> None:
        try:
            result = self._handlers[job.kind](job, progress)
        except Stop as stopped:
            self._stopped(job, stopped.why)
        except Unfinished as error:
            state = self._jobs.fail(job, error.reason, again=error.again, patience=error.patience, after=error.after)
            span.end(fault=error.reason)
            _log.warning("job.failed job=%s reason=%s now=%s error=%s", job.id, error.reason, state, error)
        except LedgerError:
            raise
        except Exception as error:  # a fault of the work must neither stop the worker nor be lost
            # the message may quote what a study says of a patient: the type is enough to find the fault
            state = self._jobs.fail(job, "internal-error", again=True)
            span.end(fault=type(error).__name__)
            _log.error("job.failed job=%s error=%s now=%s", job.id, type(error).__name__, state)
        else:
            with tracing.span("store"):
                if isinstance(result, Outcome):
                    ended = self._jobs.finish(job, result.result, also=result.also)
                else:
                    ended = self._jobs.finish(job, result)
            _log.info("job.%s job=%s kind=%s", "done" if ended else "lost", job.id, job.kind)

    def _stopped(self, job: Job, why: str) -> None:
        if why == "cancelled":
            self._jobs.cancelled(job)
        elif why == "shutting-down":
            self._jobs.release(job)
        _log.info("job.stopped job=%s why=%s", job.id, why)

    def _beat(self, job: Job, progress: Progress, done: threading.Event) -> None:
        lost = False
        while not done.wait(self._jobs.lease.total_seconds() / 3):
            if progress.silent_s > self._silent_s:
                self._hangs(job, progress)
                return
            if lost:
                continue
            try:
                found = self._jobs.renew(job, progress.stage, progress.fraction)
            except LedgerError as error:
                # the lease may still hold when the database is back; if not, finishing is refused
                _log.warning("job.heartbeat job=%s error=%s", job.id, error)
                continue
            if found == "lost":
                progress.stop("lease-lost")
                lost = True  # watched on: work that hangs holds its device, whoever has the job
            if found == "cancelled":
                progress.stop("cancelled")

    def _hangs(self, job: Job, progress: Progress) -> None:
        try:
            state = self._jobs.fail(job, NO_PROGRESS, again=True)
        except LedgerError as error:
            # nobody renews the lease any more, so a rival has the job when it runs out
            state = type(error).__name__
        silence = f"stage={progress.stage} silent_s={progress.silent_s:.0f}"
        _log.error("job.hangs job=%s attempt=%s %s now=%s", job.id, job.attempts, silence, state)
        if self._hung is not None:
            self._hung(self)
