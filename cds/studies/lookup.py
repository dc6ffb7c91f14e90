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
from cds.jobs.job import CANCELLED, DEAD, DONE, QUEUED, RUNNING, Job
from cds.jobs.queue import Jobs
from cds.ledger import Ledger
from cds.record.moments import Moment, parse
from cds.settings import ImagingSettings
from cds.studies.about import (
    About,
    credible,
    from_resource,
    happened,
    one_each,
    order,
    surely_before,
    uid_of,
    withdrawn,
)
from cds.studies.again import kept, lost, of_subject, only_unwritten, uncompared, withdrawn_unread, withheld
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
    """(model, study): eligible, recent, and nobody has asked yet; or read when nothing of it could be written."""
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
        charted = [r for r in resources if isinstance(r, fhir.ImagingStudy) and fhir.subject_of(r) == patient_id]
        told = (s for r in charted if (s := from_resource(r, age)) is not None)
        studies = one_each(credible(s, self._today()) for s in told)
        ids = {study.uid: study_id(self._ledger, client, study.uid) for study in studies}
        try:
            subject = self._ledger.patient_key(client, patient_id)
            taken_back = {uid for r in charted if withdrawn(r) and (uid := uid_of(r)) is not None} - ids.keys()
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
            # what ended since the study was withdrawn, of one that stands again, was never asked for
            own = [job for job in of_model if job.item not in gone and not withdrawn_unread(job)]
            fit = [s for s in studies if not fits(_bundle(model), s)]
            keys = {job.key for job in own if not lost(job, self._now())}
            unasked = {ids[s.uid]: s for s in fit if job_key(ids[s.uid], model) not in keys}
            sight = _Sight(own, {ids[s.uid]: s.when for s in studies}, unasked, self._today())
            reading = self._reading(model.manifest.id, sight, subject)
            read = self._read(sight)
            since = sight.when(read) if read is not None else fit[0].when if fit else None
            wanted = (s for s in unasked.values() if self._recent(s) and not surely_before(s.when, since))
            unread += [(model.manifest.id, study) for study in wanted]
            # read by hand before the policy had enabled what now speaks here: to be written as well
            unwritten = {job.key for job in own if job.state == DONE and withheld(job.result)}
            unread += [(model.manifest.id, s) for s in fit if job_key(ids[s.uid], model) in unwritten]
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
        return study.day is not None and not self._too_old(study)

    def _too_old(self, study: About) -> bool:
        """To be read unasked."""
        return study.day is not None and self._age(study.day) > self._imaging.lookback_days

    def _today(self) -> date:
        return self._now().date()

    def _age(self, day: date) -> int:
        return max(0, (self._today() - day).days)

    def _shown(self, job: Job) -> bool:
        """A reading that may stand on a card here. One by a network that was not for clinical use may not, though the
        same network has since been approved."""
        result = kept(job)
        return result is not None and (self._environment == "demo" or not result.get("demonstration", True))

    def _read(self, sight: _Sight) -> Job | None:
        """The work whose reading stands: that on the newest scan of those that were read."""
        return max((job for job in sight.jobs if self._shown(job)), key=sight.order, default=None)

    def _reading(self, model: str, sight: _Sight, subject: str) -> StudyReading:
        read = self._read(sight)
        if read is not None and (result := kept(read)) is not None:
            return self._stands(model, sight, read, result, subject)
        item, when = self._foremost(sight)
        scan, jobs = _day(when), sight.of(item)
        state, reason, says = self._state(jobs, sight.unasked.get(item))
        waiting = next((job for job in jobs if job.state in (QUEUED, RUNNING)), None)
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

    def _stands(self, model: str, sight: _Sight, read: Job, result: Mapping[str, Any], subject: str) -> StudyReading:
        """A reading, and what became of the scan that may be newer, or of more images of this one."""
        day = _day(sight.when(read))
        age = self._age(day) if day is not None else None
        rival = self._rival(sight, read)
        item, when = rival if rival is not None else (read.item or "", sight.when(read))
        state, reason, says = self._state(sight.of(item), sight.unasked.get(item))
        # an earlier reading of the job, which has been asked for once more: of more images, or only to be written
        newer = rival is not None or not (result is read.result or only_unwritten(read))
        stale = newer or age is None or age > self._imaging.fresh_days
        return StudyReading(
            model,
            "stale" if stale else "fresh",
            scan=day,
            age_days=age,
            newer=(state if state == "running" else reason) if newer else "",
            newer_scan=_day(when) if newer else None,
            same_scan=newer and rival is None,
            says=says if newer else {},
            prediction_id=str(result["prediction"]),
            version=str(result["version"]),
            result=of_subject(result, subject),
            study=read.item or "",
        )

    def _rival(self, sight: _Sight, read: Job) -> tuple[str, Moment | None] | None:
        """The newest other scan that may have been made after the one that was read."""
        since = sight.when(read)
        others = {job.item: sight.when(job) for job in sight.jobs if job.item}
        # beside a reading without a date no old scan is the newest
        unasked = {i: study for i, study in sight.unasked.items() if since is not None or not self._too_old(study)}
        others |= {item: study.when for item, study in unasked.items()}
        others.pop(read.item or "", None)
        found = [
            (item, when)
            for item, when in others.items()
            # one that was read, too, counts where it is of the very day and nobody knows which came last
            if not surely_before(when, since) and (_day(when) == _day(since) or not self._any_shown(sight.of(item)))
        ]
        return max(found, key=lambda pair: order(pair[1]), default=None)

    def _any_shown(self, jobs: Iterable[Job]) -> bool:
        return any(self._shown(job) for job in jobs)

    def _foremost(self, sight: _Sight) -> tuple[str, Moment | None]:
        """The scan of which to speak where none was read: the newest, but for one too old to be read unasked, before
        which come one without a date and any that somebody asked for."""
        last = max(sight.jobs, key=sight.order, default=None)
        found = [(last.item or "", sight.when(last))] if last is not None else []
        unasked = sorted(
            sight.unasked.items(), key=lambda pair: (self._recent(pair[1]), pair[1].day is None), reverse=True
        )
        found += [(item, study.when) for item, study in unasked[:1] if last is None or not self._too_old(study)]
        return max(found, key=lambda pair: order(pair[1]), default=("", None))

    def _without(self, reading: StudyReading, taken_back: Sequence[Job]) -> StudyReading:
        """Where work on studies that the EHR has withdrawn is all there is, that is said: a card may have told of
        it."""
        if reading.read and reading.result.get("comparison") is not None:
            days = [_stored_day(job, self._today()) for job in taken_back if kept(job) is not None]
            if any(day is None or reading.scan is None or day < reading.scan for day in days):
                return replace(reading, result=uncompared(reading.result))
        front = max(taken_back, key=lambda job: job.id, default=None)
        if front is None or reading.reason not in NOTHING_THERE:
            return reading
        day = _stored_day(front, self._today())
        age = self._age(day) if day is not None else None
        if age is not None and age > self._imaging.lookback_days:
            return reading
        why, item = "study-withdrawn", front.item or ""
        return StudyReading(
            reading.model, "not-assessed", scan=day, age_days=age, reason=why, says=words(why), study=item
        )

    def _state(self, jobs: Sequence[Job], unasked: About | None) -> tuple[str, str, Mapping[str, str]]:
        """(state, reason, its words) of one study by its jobs, the newest first; ``unasked``: as the chart has it."""
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
            reason = "study-read-too" if self._any_shown(jobs) else "not-for-clinical-use"
        elif unasked is None:
            reason = "no-study"
        elif unasked.day is None:
            reason = "study-undated"
        else:
            reason = "unread" if self._recent(unasked) else "study-too-old"
        return "not-assessed", reason, words(reason)


@dataclass(frozen=True)
class _Sight:
    """What one model has to do with a patient's scans."""

    jobs: Sequence[Job]
    """The newest first."""
    made: Mapping[str, Moment | None]
    """Opaque id of a study on the chart -> when it was made."""
    unasked: Mapping[str, About]
    """Opaque id -> one that the model could read and that nobody asked for."""
    today: date

    def when(self, job: Job) -> Moment | None:
        """As the chart has it, which may know the time; else as it was when the work was asked for."""
        day = _stored_day(job, self.today)
        return self.made.get(job.item or "") or (parse(day.isoformat()) if day is not None else None)

    def order(self, job: Job) -> tuple[float, int]:
        return order(self.when(job)), job.id

    def of(self, item: str) -> list[Job]:
        return [job for job in self.jobs if job.item == item]


def _unknown(model: str) -> StudyReading:
    reason = "queue-unreachable"
    return StudyReading(model, "not-assessed", reason=reason, says=words(reason))


def _bundle(model: Model) -> Bundle:
    bundle = bundle_of(model)
    assert bundle is not None
    return bundle


def _stored_day(job: Job, today: date) -> date | None:
    day = scan_day(job)
    return day if happened(day, today) else None


def _day(when: Moment | None) -> date | None:
    """The day as it was written: where the scan was made, UTC's may be another one."""
    return None if when is None else date.fromisoformat(when.text)
