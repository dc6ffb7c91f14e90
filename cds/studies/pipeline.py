"""One study job from beginning to end: ask the archive, fetch, choose, analyse, write back, store.

What the images don't allow is a result, ``indeterminate`` with its reason. What may go better later (an archive that
is away, a full disk) is tried again; what stays so ends the job as dead, with the reason, and its card says that
nothing was assessed. Nothing is written before the last step but results that carry names derived from the images, so
an attempt that dies leaves nothing that the next one would double.
"""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from cds import tracing
from cds.errors import ModelError, OutOfMemory, SelfTestFailed, SettingsError, SourceError
from cds.imaging.dicomweb import DicomWeb
from cds.imaging.pacs import Transient
from cds.imaging.phase import Phase
from cds.imaging.reasons import IDENTITY, Unusable
from cds.imaging.reasons import Reason as ImageReason
from cds.imaging.series import Choice, Wanted
from cds.imaging.study import choose_volume
from cds.imaging.volume import Volume
from cds.inference.model import Model
from cds.inference.registry import Registry
from cds.inference.volumes.analyse import Assessed, Indeterminate
from cds.inference.volumes.bundle import Bundle
from cds.jobs.job import Job, Outcome, Stop, Unfinished
from cds.jobs.queue import Jobs
from cds.jobs.worker import Progress
from cds.ledger import Ledger
from cds.policy.book import PolicyBook
from cds.settings import Settings
from cds.studies import archives, outcome
from cds.studies.again import AWAY, OF_THE_STUDY, before, more, withheld
from cds.studies.analysed import Analysed, Writer
from cds.studies.devices import Devices
from cds.studies.ehr import Ehrs
from cds.studies.findings import author_of, measure, told
from cds.studies.images import Counted, counted, counted_again
from cds.studies.plan import allowed, bundle_of

_log = logging.getLogger("cds.studies")

# parts of the bar; analysis is most of the work
_FETCH, _ANALYSE, _WRITE, _STORE = 0.05, 0.45, 0.92, 0.98

_MAY_PASS = AWAY | {ImageReason.TRUNCATED, ImageReason.INCOMPLETE, ImageReason.NOT_FOUND}
_LONGEST_AFTER_S = 3600.0
"""An archive that asks for more time (Retry-After) is asked again after so long."""
_REASONS: dict[type[ModelError], str] = {SelfTestFailed: "self-test-failed", OutOfMemory: "out-of-memory"}
_AT_FAULT = frozenset({ImageReason.PACS_NOT_LISTED, ImageReason.PACS_REDIRECTED})
"""Somebody must mend the settings first."""


class Pipeline:
    """The handler of study jobs; one for all threads of a worker."""

    def __init__(
        self,
        settings: Settings,
        models: Registry,
        policies: PolicyBook,
        now: Callable[[], datetime],
        ledger: Ledger,
        jobs: Jobs,
        writers: Sequence[Writer] = (),
        devices: Devices | None = None,
    ) -> None:
        self._settings = settings
        self._models = models
        self._policies = policies
        self._now = now
        self._ledger = ledger
        self._jobs = jobs
        self._writers = tuple(writers)
        self._devices = devices or Devices(settings)
        self._ehrs = Ehrs(settings)

    def __call__(self, job: Job, progress: Progress) -> Outcome:
        """Raises Unfinished with a reason code, and lets Stop through."""
        timings = _Timings()
        try:
            model, bundle = self._model(job)
            with self._archive(job, progress) as web:
                images = counted(web, str(job.payload["study"])).images
                try:
                    return self._done(job, model, bundle, web, images, progress, timings)
                except Unusable as error:
                    here = web.received > 0 or error.reason in OF_THE_STUDY
                    raise self._unfinished(error, away=error.reason in AWAY and not here) from error
        except (Stop, Unfinished):
            raise
        except Unusable as error:
            raise self._unfinished(error, away=error.reason in AWAY) from error
        except SettingsError as error:
            raise Unfinished("settings", again=True, said=str(error)) from error
        except MemoryError as error:
            raise Unfinished("out-of-memory", again=True) from error
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise Unfinished("disk-full" if full else "io-error", again=True) from error
        finally:
            _log.info("study.times job=%s %s", job.id, timings)

    def _done(
        self,
        job: Job,
        model: Model,
        bundle: Bundle,
        web: DicomWeb,
        images: int | None,
        progress: Progress,
        timings: _Timings,
    ) -> Outcome:
        """``images``: what the archive has of the study as the work begins."""
        manifest, study_uid = model.manifest, str(job.payload["study"])
        job = self._of_somebody(job)
        choice: Choice | None = None
        said: dict[str, Any] = {}
        found: Assessed | Indeterminate | outcome.Reason
        if (last := before(job)) is not None and not more(last, images) and not withheld(last):
            return _stands(job, last, counted_again(web, study_uid, images))
        with timings.of("fetch"):
            choice, refused = self._chosen(job, bundle, web, progress)
        if refused is not None or choice is None or choice.volume is None:
            reason = refused or (choice.reason if choice is not None else None) or ImageReason.NO_CT
            found = outcome.Reason(reason.value, "choice")
        else:
            found, said["provider"] = self._analysed(job, model, choice.volume, progress, timings)
        writing = partial(progress, "write", _WRITE)
        writing()
        # images that came in since were not looked at; the study was not complete when the work began
        if images is not None and (counted(web, study_uid).images or images) > images:
            raise Unfinished("images-arriving", again=True)
        if choice is not None and choice.volume is not None and isinstance(found, Assessed):
            at = self._ended_at(job, images)
            said["analysed"] = at.isoformat()
            with timings.of("write"):
                said |= self._put(job, model, bundle, choice, found, web, at, writing)
        writing()
        # what later news of the study is compared with; results stored just now count, images come in since don't
        said |= {"images": counted_again(web, study_uid, images).whole, "looked_at": images}
        progress("store", _STORE)
        result = outcome.result_of(manifest, choice, found, job, demonstration=not manifest.clinical_use, **said)
        policy = self._policies.current(str(job.payload.get("client", ""))).version
        return Outcome(result, outcome.rows(job, manifest, result, self._now(), policy, timings.ms))

    def _unfinished(self, error: Unusable, *, away: bool) -> Unfinished:
        """``away``: no fault of this study, whose attempt does not count."""
        after_s = error.after_s if isinstance(error, Transient) else 0.0
        return Unfinished(
            error.reason.value,
            again=error.reason in _MAY_PASS,
            # the detail names no patient; it is an archive's status or a count
            said=str(error),
            patience=timedelta(hours=self._settings.imaging.away_h) if away else timedelta(),
            after=timedelta(seconds=min(after_s, _LONGEST_AFTER_S)),
        )

    def _model(self, job: Job) -> tuple[Model, Bundle]:
        """The model the job was made for, the very version. Raises Unfinished."""
        model = self._models.models.get(str(job.payload["model"]))
        bundle = bundle_of(model) if model is not None and not model.refused else None
        if model is None or bundle is None:
            raise Unfinished("model-missing", again=True)
        if (model.manifest.version, bundle.fingerprint) != (job.payload["version"], job.payload["sha256"]):
            # the new version has jobs of its own
            raise Unfinished("model-replaced", again=False)
        by_hand, client = job.payload.get("why") == "hand", str(job.payload.get("client", ""))
        if reason := allowed(model, self._policies.current(client), self._settings.environment, by_hand=by_hand):
            raise Unfinished(reason, again=False)
        return model, bundle

    @contextmanager
    def _archive(self, job: Job, progress: Progress) -> Iterator[DicomWeb]:
        """The first of the archives that has the study. One that is away hides none of the others. Raises Unusable."""
        progress("ask", 0.0)
        names = [name for name in job.payload["pacs"] if name in self._settings.pacs]
        if not names:
            raise Unfinished("no-archive", again=True)
        away: Unusable | None = None
        for last, name in ((name == names[-1], name) for name in names):
            web = archives.opened(self._settings, name)
            try:
                try:
                    has = (last and away is None) or bool(web.studies(StudyInstanceUID=str(job.payload["study"])))
                except Unusable as error:
                    if error.reason not in AWAY:
                        raise
                    has, away = False, away or error
                if has:
                    yield web
                    return
            finally:
                web.close()
        if away is not None:
            raise away

    def _chosen(
        self, job: Job, bundle: Bundle, web: DicomWeb, progress: Progress
    ) -> tuple[Choice | None, ImageReason | None]:
        """(choice, reason of a study that can't be used as a whole)."""

        share = _FETCH

        def step(done: int, of: int) -> None:
            nonlocal share
            share = _FETCH + (_ANALYSE - _FETCH) * done / max(1, of)
            progress("fetch", share)

        progress("fetch", _FETCH)
        try:
            found = choose_volume(
                web,
                str(job.payload["study"]),
                _wanted(bundle, self._settings),
                threads=self._settings.imaging.threads,
                progress=step,
                alive=lambda: progress("fetch", share),
                last=job.attempts >= job.most_attempts,
            )
        except Unusable as error:
            if error.reason in _MAY_PASS | _AT_FAULT:
                raise
            return None, error.reason
        return found, None

    def _analysed(
        self, job: Job, model: Model, volume: Volume, progress: Progress, timings: _Timings
    ) -> tuple[Assessed | Indeterminate | outcome.Reason, str]:
        with self._devices.take(lambda: progress("wait", _ANALYSE)) as slot, timings.of("analyse"):
            progress("analyse", _ANALYSE)
            try:
                analysis = self._devices.analysis(model, slot)
                found = analysis(
                    volume.hu,
                    volume.spacing,
                    lambda stage, share: progress(stage, _ANALYSE + (_WRITE - _ANALYSE) * share),
                )
            except ModelError as error:
                _log.error("model.failed job=%s model=%s error=%s", job.id, model.manifest.id, error)
                if isinstance(error, OutOfMemory):
                    self._devices.clear(slot)
                # on another machine, or after a repair, it may do what it should
                raise Unfinished(_REASONS.get(type(error), "model-failed"), again=True) from error
        if isinstance(found, Assessed) and _rests_on_filled(found, volume):
            return outcome.Reason(ImageReason.MISSING_SLICES.value, "choice"), analysis.provider
        return found, analysis.provider

    def _of_somebody(self, job: Job) -> Job:
        """With the patient whose earlier scans this one is compared with: an archive's news comes without, and a study
        may have been moved since. The EHR knows; one that has it for several patients has nobody's read, nor one that
        has withdrawn it, which is nobody's then. Raises Unusable."""
        client = str(job.payload["client"])
        if job.item is None:
            return job
        try:
            patient = self._ehrs.owner(client, str(job.payload["study"]))
        except (Unusable, SourceError, SettingsError) as error:
            reason = error.reason if isinstance(error, Unusable) else None
            if reason is ImageReason.WITHDRAWN and job.subject is not None:
                self._jobs.leave([job.item], job.subject)
            if reason is ImageReason.WITHDRAWN or reason in IDENTITY:
                raise
            _log.warning("study.nobodys job=%s error=%s", job.id, error)
            return job
        if patient is None:
            return job
        subject = self._ledger.patient_key(client, patient)
        if subject == job.subject:
            return job
        self._jobs.belong([job.item], subject)
        return replace(job, subject=subject)

    def _still_theirs(self, job: Job, subject: str | None) -> bool:
        """The EHR has not taken an earlier scan back, or given it to somebody else, as far as it can be asked."""
        try:
            return self._of_somebody(job).subject == subject
        except Unusable as error:
            _log.warning("study.not_theirs job=%s reason=%s", job.id, error.reason.value)
            return False

    def _ended_at(self, job: Job, images: int | None) -> datetime:
        """When the analysis ended. An attempt to write again what the same images gave says the same time."""
        noted = job.payload.get("analysed") or {}
        if noted and noted["images"] == images:
            return datetime.fromisoformat(noted["at"])
        at = self._now()
        if self._writers and not self._jobs.note(job, analysed={"at": at.isoformat(), "images": images}):
            raise Stop("lease-lost")
        return at

    def _put(
        self,
        job: Job,
        model: Model,
        bundle: Bundle,
        choice: Choice,
        found: Assessed,
        web: DicomWeb,
        at: datetime,
        alive: Callable[[], None],
    ) -> dict[str, Any]:
        """Findings in units, and what the writers stored of them. A writer that can't, after the last attempt, does
        not cost the result: its reason is kept."""
        alive()
        assert choice.volume is not None and choice.chosen is not None
        author, client = author_of(model.manifest, bundle), str(job.payload["client"])
        volume, series = choice.volume, choice.chosen.series_uid

        def theirs(earlier: Job) -> bool:
            alive()
            return self._still_theirs(earlier, job.subject)

        findings, comparison = measure(job, author, bundle, found, volume, series, self._jobs, theirs)
        # what a person may have read by hand is put where others look only if it would have been read unasked
        held = allowed(model, self._policies.current(client), self._settings.environment, by_hand=False)
        unwritten = {writer.name: {"reason": held} for writer in self._writers if held}
        done: dict[str, Any] = {"findings": findings.stored(), "written": unwritten}
        if comparison is not None:
            done["comparison"] = told(comparison) | {"of": job.subject}
        for writer in () if held else self._writers:
            alive()
            given = Analysed(
                job=job,
                study_uid=str(job.payload["study"]),
                client=client,
                model=model,
                bundle=bundle,
                author=author,
                volume=volume,
                found=found,
                findings=findings,
                comparison=comparison,
                web=web,
                patient_key=lambda patient: self._ledger.patient_key(client, patient),
                at=at,
                written=done["written"],
                alive=alive,
            )
            done["written"][writer.name] = self._written(writer, given)
        return done

    @staticmethod
    def _written(writer: Writer, analysed: Analysed) -> dict[str, Any]:
        job = analysed.job
        try:
            return dict(writer.write(analysed))
        except Unusable as error:
            if error.reason is not ImageReason.NOT_CLINICAL and job.attempts < job.most_attempts:
                raise Unfinished(f"write-{error.reason.value}", again=True) from error
            _log.error("study.unwritten job=%s writer=%s reason=%s", job.id, writer.name, error.reason.value)
            return {"reason": error.reason.value}


class _Timings:
    def __init__(self) -> None:
        self.ms: dict[str, float] = {}

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            with tracing.span(stage):
                yield
        finally:
            self.ms[stage] = (time.perf_counter() - start) * 1000

    def __str__(self) -> str:
        return " ".join(f"{stage}_ms={ms:.0f}" for stage, ms in self.ms.items())


def _stands(job: Job, last: Mapping[str, Any], now: Counted) -> Outcome:
    """What came in were no images: the reading that was to be repeated is the result again, and no new prediction."""
    _log.info("study.stands job=%s", job.id)
    result = {**last, "images": now.whole}
    return Outcome(result, lambda _: None)


def _wanted(bundle: Bundle, settings: Settings) -> Wanted:
    """The first phase it was made for; a bundle that names none takes any."""
    phase = Phase(bundle.phase[0]) if bundle.phase else None
    return Wanted(phase=phase, shortest_mm=bundle.studies.shortest_mm, writable=settings.imaging.write_pacs)


def _rests_on_filled(found: Assessed, volume: Volume) -> bool:
    """Slices that were made from their neighbours lie where the last stage looked."""
    step = volume.spacing[0]
    first = round(found.origin_mm[0] / step)
    last = round((found.origin_mm[0] + found.grid.shape[0] * found.grid.spacing[0]) / step) - 1
    return volume.filled_between(first, last)
