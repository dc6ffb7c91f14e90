"""What is known of a patient's scans, for a call: one question to the queue's table, and never a wait for a volume."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, TypeVar

from cds.errors import LedgerError
from cds.fhir import resources as fhir
from cds.inference.model import Model
from cds.inference.volumes.bundle import Bundle
from cds.inference.volumes.reading import NOTHING_THERE, StudyReading
from cds.jobs.job import CANCELLED, DEAD, QUEUED, RUNNING, Job
from cds.jobs.queue import Jobs
from cds.ledger import Ledger
from cds.settings import ImagingSettings
from cds.studies.about import About, from_resource, newest_first, uid_of, withdrawn
from cds.studies.again import kept, lost, of_subject, uncompared
from cds.studies.plan import ASSESSED, KIND, bundle_of, fits, job_key, scan_day, study_id
from cds.studies.reasons import at_stage, words

T = TypeVar("T")

_log = logging.getLogger("cds.studies")
_PAUSE_S = 5.0
"""A queue that did not answer is not asked again for so long: a card does not wait for it twice."""


@dataclass(frozen=True)
class Seen:
    readings: Mapping[str, StudyReading] = field(default_factory=dict)
    """By model."""
    unread: tuple[tuple[str, About], ...] = ()
    """(model, study): eligible, recent, and nobody has asked yet."""
    subject: str = ""
    """Keyed hash of the patient."""
    strays: tuple[str, ...] = ()
    """Opaque ids of the patient's studies whose work is not known as this patient's: somebody had asked who did not
    know whose they are, or they were another patient's then."""
    withdrawn: tuple[str, ...] = ()
    """Opaque ids of studies whose work is known as this patient's, and which the EHR has withdrawn."""


class Lookup:
    def __init__(
        self, imaging: ImagingSettings, environment: str, ledger: Ledger, jobs: Jobs, now: Callable[[], datetime]
    ) -> None:
        self._imaging = imaging
        self._environment = environment
        self._ledger = ledger
        self._jobs = jobs
        self._now = now
        self._not_before = 0.0

    def see(
        self, client: str, patient_id: str, age: int | None, resources: Iterable[Any], models: Sequence[Model]
    ) -> Seen:
        """Never raises: a queue that is away is a reading ``not-assessed``."""
        # a study of somebody else, or of nobody, is none of this patient's
        own = [r for r in resources if isinstance(r, fhir.ImagingStudy) and fhir.subject_of(r) == patient_id]
        studies = newest_first(s for r in own if (s := from_resource(r, age)) is not None)
        ids = {study.uid: study_id(self._ledger, client, study.uid) for study in studies}
        try:
            subject = self._ledger.patient_key(client, patient_id)
            taken_back = {uid for r in own if withdrawn(r) and (uid := uid_of(r)) is not None} - ids.keys()
            gone = {study_id(self._ledger, client, uid) for uid in taken_back}
            jobs = self._asked(subject, [*ids.values(), *gone])
        except LedgerError as error:
            _log.error("studies.lookup error=%s", error)
            away = "queue-unreachable"
            return Seen(
                {
                    m.manifest.id: StudyReading(m.manifest.id, "not-assessed", reason=away, says=words(away))
                    for m in models
                }
            )
        readings: dict[str, StudyReading] = {}
        unread: list[tuple[str, About]] = []
        for model in models:
            of_model = [job for job in jobs if job.payload.get("model") == model.manifest.id]
            own = [job for job in of_model if job.item not in gone]
            newest = next((s for s in studies if not fits(_bundle(model), s)), None)
            keys = {job.key for job in own if not lost(job, self._now())}
            missing = newest is not None and job_key(ids[newest.uid], model) not in keys
            recent = newest is not None and self._recent(newest)
            if newest is not None and missing and recent:
                unread.append((model.manifest.id, newest))
            reading = self._reading(model.manifest.id, own, newest, ids[newest.uid] if newest else "", recent, subject)
            lost_to = [job for job in of_model if job.item in gone and job.subject in (subject, None)]
            readings[model.manifest.id] = self._without(reading, lost_to)
        # of those that are not this patient's the EHR's own resource, which is on the chart, says that they are
        named = [job for job in jobs if job.item is not None and job.item not in gone]
        strays = dict.fromkeys(str(job.item) for job in named if job.subject != subject)
        left = dict.fromkeys(str(job.item) for job in jobs if job.item in gone and job.subject == subject)
        return Seen(readings, tuple(unread), subject, tuple(strays), tuple(left))

    def depth(self) -> dict[str, int]:
        """Study jobs by state. Raises LedgerError."""
        return self._patiently(lambda: self._jobs.depth(KIND))

    def _asked(self, subject: str, items: list[str]) -> list[Job]:
        return self._patiently(lambda: self._jobs.concerning(KIND, subject=subject, items=items))

    def _patiently(self, question: Callable[[], T]) -> T:
        if time.monotonic() < self._not_before:
            raise LedgerError("the job queue's database did not answer a moment ago")
        try:
            return question()
        except LedgerError:
            self._not_before = time.monotonic() + _PAUSE_S
            raise

    def _recent(self, study: About) -> bool:
        return study.day is not None and self._age(study.day) <= self._imaging.lookback_days

    def _age(self, day: date) -> int:
        return (self._now().date() - day).days

    def _shown(self, job: Job) -> bool:
        """A reading that may stand on a card here. One by a network that was not for clinical use may not, though the
        same network has since been approved."""
        result = kept(job)
        return result is not None and (self._environment == "demo" or not result.get("demonstration", True))

    def _reading(
        self, model: str, jobs: Sequence[Job], newest: About | None, newest_id: str, recent: bool, subject: str
    ) -> StudyReading:
        read = max((job for job in jobs if self._shown(job)), key=_order, default=None)
        front = max(jobs, key=_order, default=None)
        scan, item = (scan_day(front), front.item or "") if front is not None else (None, "")
        if newest is not None and (front is None or (newest.day or date.min) > (scan or date.min)):
            scan, item = newest.day, newest_id
        state, reason, says = self._state([job for job in jobs if job.item == item], newest is not None, recent)
        if read is not None and (result := kept(read)) is not None:
            day = scan_day(read)
            age = self._age(day) if day is not None else None
            same = read.item == item
            # an earlier reading of the job, which has been asked for once more
            newer = not same or result is not read.result
            stale = newer or age is None or age > self._imaging.fresh_days
            return StudyReading(
                model,
                "stale" if stale else "fresh",
                scan=day,
                age_days=age,
                newer=(state if state == "running" else reason) if newer else "",
                newer_scan=scan if newer else None,
                same_scan=newer and same,
                says=says if newer else {},
                prediction_id=str(result["prediction"]),
                version=str(result["version"]),
                result=of_subject(result, subject),
                study=read.item or "",
            )
        waiting = next((job for job in jobs if job.item == item and job.state in (QUEUED, RUNNING)), None)
        return StudyReading(
            model,
            "running" if state == "running" else "not-assessed",
            scan=scan,
            age_days=self._age(scan) if scan is not None else None,
            since=waiting.asked_at if waiting is not None else None,
            reason="" if state == "running" else reason,
            says=says,
            study=item,
        )

    def _without(self, reading: StudyReading, taken_back: Sequence[Job]) -> StudyReading:
        """Where work on studies that the EHR has withdrawn is all there is, that is said: a card may have told of
        it."""
        if reading.read and reading.result.get("comparison") is not None:
            days = [scan_day(job) for job in taken_back if kept(job) is not None]
            if any(day is None or reading.scan is None or day < reading.scan for day in days):
                return replace(reading, result=uncompared(reading.result))
        front = max(taken_back, key=_order, default=None)
        if front is None or reading.reason not in NOTHING_THERE:
            return reading
        day = scan_day(front)
        age = self._age(day) if day is not None else None
        if age is not None and age > self._imaging.lookback_days:
            return reading
        why, item = "study-withdrawn", front.item or ""
        return StudyReading(
            reading.model, "not-assessed", scan=day, age_days=age, reason=why, says=words(why), study=item
        )

    def _state(self, jobs: Sequence[Job], exists: bool, recent: bool) -> tuple[str, str, Mapping[str, str]]:
        """(state, reason, its words) of one study by its jobs, the newest first."""
        if waits := [job for job in jobs if job.state in (QUEUED, RUNNING)]:
            # what keeps it waiting, if anything does
            return "running", "", words(waits[0].reason) if waits[0].reason else {}
        for job in jobs:
            if job.state in (DEAD, CANCELLED):
                return "not-assessed", job.reason, words(job.reason)
            if job.result is not None and job.result.get("outcome") != ASSESSED:
                reason = at_stage(str(job.result.get("reason")), str(job.result.get("stage")))
                return "not-assessed", reason, words(reason)
        if jobs:
            return "not-assessed", "not-for-clinical-use", words("not-for-clinical-use")
        reason = "no-study" if not exists else "unread" if recent else "study-too-old"
        return "not-assessed", reason, words(reason)


def _unknown(model: str) -> StudyReading:
    reason = "queue-unreachable"
    return StudyReading(model, "not-assessed", reason=reason, says=words(reason))


def _bundle(model: Model) -> Bundle:
    bundle = bundle_of(model)
    assert bundle is not None
    return bundle


def _order(job: Job) -> tuple[date, int]:
    return scan_day(job) or date.min, job.id
