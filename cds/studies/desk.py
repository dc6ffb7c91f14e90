"""The studies as the call path sees them: what is known now, and what is asked for after the answer has gone out."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from contextvars import copy_context
from functools import partial
from typing import Any

from cds.errors import LedgerError
from cds.inference.model import Model
from cds.inference.prediction import Assessment, Failed, NotAssessed, Prediction
from cds.inference.volumes.reading import StudyReading
from cds.jobs.queue import Jobs
from cds.studies.about import About
from cds.studies.intake import Intake
from cds.studies.lookup import Lookup, Seen
from cds.studies.plan import Why
from cds.studies.reasons import words

_log = logging.getLogger("cds.studies")
_MOST_WAITING = 500
_WHY: dict[str, Why] = {"encounter-start": "encounter-start", "appointment-book": "appointment-book"}

Request = Callable[[], None]


class Desk:
    """Safe for threads and across forks."""

    def __init__(self, lookup: Lookup, intake: Intake, jobs: Jobs) -> None:
        self._lookup = lookup
        self.intake = intake
        self.jobs = jobs
        self._pid = -1
        self._lock = threading.Lock()
        self._waiting: queue.Queue[Request] = queue.Queue(_MOST_WAITING)
        self.dropped = 0
        """Requests of calls that came faster than the queue's database took them. A later call asks again."""

    def see(
        self, client: str, patient_id: str, age: int | None, resources: Iterable[Any], models: Sequence[Model]
    ) -> Seen:
        return self._lookup.see(client, patient_id, age, resources, models) if models else Seen()

    def ask_later(self, seen: Seen, client: str, hook: str) -> None:
        """Have unread studies analysed, those that came without their patient, or as another's, known as this one's,
        and those that the EHR has withdrawn as nobody's; returns at once and never raises."""
        if seen.strays:
            self._later(hook, partial(self.jobs.belong, seen.strays, seen.subject))
        if seen.withdrawn:
            self._later(hook, partial(self.jobs.leave, seen.withdrawn, seen.subject))
        by_study: dict[str, tuple[About, list[str]]] = {}
        for model, about in seen.unread:
            by_study.setdefault(about.uid, (about, []))[1].append(model)
        for about, models in by_study.values():
            self.later(about, client, _WHY.get(hook, "call"), tuple(models))

    def later(self, about: About, client: str, why: Why, models: tuple[str, ...] = ()) -> bool:
        """False: too much is waiting, and this was dropped."""
        return self._later(why, partial(self.intake.ask, about, client, why, only=models or None))

    def _later(self, why: str, work: Callable[[], object]) -> bool:
        self._start()
        try:
            # in the context of the call that asks, which its lines of the log then name
            self._waiting.put_nowait(partial(copy_context().run, _done, why, work))
        except queue.Full:
            self.dropped += 1
            _log.error("studies.dropped why=%s", why)
            return False
        return True

    def _start(self) -> None:
        """A thread of this process: one made before a fork does not run in the child."""
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid != os.getpid():
                self._waiting = queue.Queue(_MOST_WAITING)
                threading.Thread(target=self._work, args=(self._waiting,), name="studies", daemon=True).start()
                self._pid = os.getpid()

    def _work(self, waiting: queue.Queue[Request]) -> None:
        while True:
            waiting.get()()
            waiting.task_done()

    def depth(self) -> dict[str, int] | None:
        """Jobs by state; None when the queue does not answer, or did not a moment ago."""
        try:
            return self._lookup.depth()
        except LedgerError:
            return None

    def settle(self) -> None:
        """Wait until what was asked for is asked; for tests and an orderly end."""
        self._waiting.join()


def _done(why: str, work: Callable[[], object]) -> None:
    """Whatever one request brings, the thread outlives."""
    try:
        work()
    except LedgerError as error:
        _log.error("studies.unasked why=%s error=%s", why, error)
    except Exception as error:
        _log.error("studies.unasked why=%s error=%s", why, type(error).__name__)


def assessment(model: Model, reading: StudyReading) -> Assessment:
    """A stored reading as what any model says; what is not read is an abstention with its reason, never a low value."""
    manifest = model.manifest
    if model.refused:
        return Failed(manifest, model.refused)
    if reading.read:
        # what is on the card is what was read then, by the version that read it
        if reading.version != manifest.version:
            manifest = manifest.model_copy(update={"version": reading.version})
        outputs = {name: float(value) for name, value in reading.result.get("outputs", {}).items()}
        return Prediction(manifest, outputs, (), stored=True, id=reading.prediction_id)
    return NotAssessed(manifest, "study-running" if reading.state == "running" else reading.reason, reading.says, ())


def unloaded(model: Model) -> StudyReading:
    """Of a network whose folder could not be loaded."""
    reason = "model-failed"
    return StudyReading(model.manifest.id, "not-assessed", reason=reason, says=words(reason))
