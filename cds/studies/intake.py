"""The news of a study becomes jobs: planned, deduplicated, after a quiet period, and not without limit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cds.inference.model import Model
from cds.inference.registry import Registry
from cds.jobs.job import DONE, QUEUED, Job
from cds.jobs.queue import Jobs
from cds.ledger import Ledger
from cds.policy.book import PolicyBook
from cds.settings import Settings
from cds.studies import archives
from cds.studies.about import About, credible
from cds.studies.again import Count, grown, lost, repeat, unread, withheld
from cds.studies.plan import FROM_PEOPLE, KIND, PRIORITY, Planned, Why, allowed, job_key, plan, study_id, volume_models

_log = logging.getLogger("cds.studies")
_AT_ONCE = frozenset({"hand"})
_ASKS_AGAIN = frozenset({"notification", "poll"})
"""News that more images may have come; a call only wants to know soon."""
_MOST_FAILED = 10
"""So many times the queue's limit may wait in all, with jobs that failed and are tried again later."""


@dataclass(frozen=True)
class Asked:
    """What became of the news of one study."""

    study: str
    """Its opaque id."""
    jobs: tuple[tuple[Job, bool], ...] = ()
    """(job, is it new)"""
    declined: tuple[tuple[str, str], ...] = ()
    """(model, why not): ``other-region`` and its like, or ``queue-full``: to be asked again later."""
    held: tuple[tuple[str, str], ...] = ()
    """(model, why) of those asked for by hand whose results are only for whoever asked."""

    @property
    def waits(self) -> bool:
        """The queue was full; nothing is lost, whoever brought the news must bring it again."""
        return any(reason == "queue-full" for _, reason in self.declined)


def queue_full(jobs: Jobs, limit: int) -> bool:
    """Only people's requests are taken. Jobs that failed wait for their archive, and news of another is not refused for
    them; but not without end. Raises LedgerError."""
    waiting = jobs.depth(KIND)[QUEUED]
    return waiting >= limit and (waiting >= _MOST_FAILED * limit or jobs.untried(KIND) >= limit)


class Intake:
    def __init__(
        self,
        settings: Settings,
        models: Registry,
        policies: PolicyBook,
        ledger: Ledger,
        jobs: Jobs,
        now: Callable[[], datetime],
        tell: Callable[[Job], None] | None = None,
    ) -> None:
        """``tell``: hands a new job's id to a broker."""
        self._settings = settings
        self._models = models
        self._policies = policies
        self._ledger = ledger
        self._jobs = jobs
        self._now = now
        self._tell = tell

    @property
    def readers(self) -> list[str]:
        """Ids of the models that read volumes, by name."""
        return sorted(volume_models(self._models))

    def ask(
        self,
        about: About,
        client: str,
        why: Why,
        *,
        only: Iterable[str] | None = None,
        pacs: str | None = None,
        count: Count = lambda: None,
    ) -> Asked:
        """Have a study read by the models it is for. Raises LedgerError. Asking twice is asking once, unless images
        have come since it was read (``cds.studies.again``).

        ``only``: ids of the models to consider. ``pacs``: the archive that has it; None: any that serves the client.
        ``count``: asked before a reading is repeated; where it can't tell, the worker looks before it reads.
        """
        about = credible(about, self._now().date())
        study = study_id(self._ledger, client, about.uid)
        homes = [pacs] if pacs is not None else archives.serving(self._settings, client)
        policy, wanted = self._policies.current(client), None if only is None else set(only)
        planned = plan(self._models, policy, self._settings.environment, about, by_hand=why == "hand")
        planned = [p for p in planned if wanted is None or p.manifest.id in wanted]
        if not homes:
            return Asked(study, declined=tuple((p.manifest.id, p.declined or "no-archive") for p in planned))
        full = PRIORITY[why] < FROM_PEOPLE and queue_full(self._jobs, self._settings.imaging.queue_limit)
        subject = self._ledger.patient_key(client, about.patient) if about.patient else None
        jobs: list[tuple[Job, bool]] = []
        declined: list[tuple[str, str]] = []
        for one in planned:
            if one.declined or full:
                declined.append((one.manifest.id, one.declined or "queue-full"))
            else:
                jobs.append(self._enqueue(one, about, study, client, homes, why, subject, count))
        if full and any(not p.declined for p in planned):
            _log.warning("studies.queue_full why=%s limit=%s", why, self._settings.imaging.queue_limit)
        run = [p.model for p in planned if not (p.declined or full)]
        held = ((m.manifest.id, self._held(m, client)) for m in run)
        return Asked(study, tuple(jobs), tuple(declined), tuple((model, why) for model, why in held if why))

    def _held(self, model: Model, client: str) -> str:
        """Why what it finds is only for whoever asked by hand; "" where it is for all."""
        return allowed(model, self._policies.current(client), self._settings.environment, by_hand=False)

    def _enqueue(
        self,
        one: Planned,
        about: About,
        study: str,
        client: str,
        homes: list[str],
        why: Why,
        subject: str | None,
        count: Count,
    ) -> tuple[Job, bool]:
        manifest, bundle = one.manifest, one.manifest.runtime.volume
        assert bundle is not None
        after = timedelta() if why in _AT_ONCE else timedelta(seconds=self._settings.imaging.quiet_period_s)
        job, new = self._jobs.enqueue(
            KIND,
            job_key(study, one.model),
            {
                "study": about.uid,
                "client": client,
                "pacs": homes,
                "model": manifest.id,
                "version": manifest.version,
                "sha256": bundle.fingerprint,
                "scan": about.day.isoformat() if about.day is not None else None,
                "why": why,
            },
            priority=PRIORITY[why],
            after=after,
            most_attempts=self._settings.imaging.most_attempts,
            subject=subject,
            item=study,
            later=why in _ASKS_AGAIN,
        )
        by_hand = why in _AT_ONCE
        if by_hand and self._jobs.sooner(job.id):
            _log.info("studies.sooner job=%s", job.id)
            job = self._jobs.get(job.id) or job
        now = self._now()
        opened = job.state == DONE and withheld(job.result) and not self._held(one.model, client)
        grew = why in _ASKS_AGAIN and grown(job, about.images, now, count)
        if lost(job, now) or opened or (by_hand and unread(job)) or grew:
            new = repeat(self._jobs, job, after=after, priority=PRIORITY[why], told=about.images)
            job = self._jobs.get(job.id) or job
        if new:
            _log.info("studies.queued job=%s model=%s why=%s", job.id, manifest.id, why)
            if self._tell is not None and (not after or by_hand):
                self._tell(job)
        return job, new
