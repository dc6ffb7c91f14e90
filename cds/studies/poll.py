"""Asking for news where nobody tells: archives over QIDO-RS, EHRs over FHIR search.

A poll sees the same studies again and again; only a new one, or one that has more images than last time, is news.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from cds.errors import CdsError, NotTaken
from cds.fhir import resources as fhir
from cds.fhir.client import FhirClient
from cds.fhir.queries import Query
from cds.imaging.dicomweb import DicomWeb
from cds.imaging.reasons import Unusable
from cds.record.moments import day_at
from cds.settings import Settings
from cds.studies import archives
from cds.studies.about import About, from_resource, from_row
from cds.studies.ehr import target_of
from cds.studies.images import counted
from cds.studies.intake import Intake
from cds.trust.allowlist import AllowList
from cds.trust.smart import Backend, certificates

_log = logging.getLogger("cds.studies")
_FHIR_DEADLINE_S = 60.0
_LOOK_DEADLINE_S = 10.0
"""For an EHR that waits for an answer itself."""


class Poller:
    """One in each worker; asking twice is asking once."""

    def __init__(self, settings: Settings, intake: Intake, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._intake = intake
        self._now = now
        self._zone = ZoneInfo(settings.timezone)
        self._back = timedelta(days=settings.imaging.poll_days)
        self._fhir = FhirClient(settings.fhir, settings.ca_file, certificates(settings))
        self._backends = {name: Backend(settings, name, now) for name in settings.clients}
        self._allowed = {name: AllowList(client.fhir_servers) for name, client in settings.clients.items()}
        self._known: dict[tuple[str, str], int | None] = {}
        """(client, study UID) -> images when last seen."""
        self._stopping = threading.Event()
        self._looking = threading.Lock()

    @property
    def wanted(self) -> bool:
        """Some archive or EHR is to be asked."""
        sources = (client.studies.poll for client in self._settings.clients.values())
        return any(one.poll for one in self._settings.pacs.values()) or any(sources)

    def run(self) -> None:
        while not self._stopping.is_set():
            self.once()
            self._stopping.wait(self._settings.imaging.poll_s)

    def stop(self) -> None:
        self._stopping.set()

    def look(self, client: str) -> tuple[str, ...] | None:
        """Ask this client's EHR now, because it said that there is news without saying which: the opaque ids of the
        studies that were news; None where no address of it is set. Raises SourceError or LedgerError, and NotTaken
        when a look is under way or work must wait: the EHR then says it again."""
        if self._settings.clients[client].studies.fhir_base is None:
            return None
        # the one under way may have asked before this news was there; waiting for it would hold a thread
        if not self._looking.acquire(blocking=False):
            raise NotTaken("the EHR is being asked for its studies; send the notification again later")
        try:
            news, waits = self._asked(client, _LOOK_DEADLINE_S)
        finally:
            self._looking.release()
        if waits:
            raise NotTaken("too much imaging work waits; send the notification again later")
        return news

    def once(self) -> int:
        """How many studies were news. A source that fails keeps nobody from the others."""
        news = 0
        for name, pacs in self._settings.pacs.items():
            if pacs.poll:
                news += self._guarded(name, self._archive)
        for name, client in self._settings.clients.items():
            if client.studies.poll:
                news += self._guarded(name, self._ehr)
        return news

    def _guarded(self, name: str, ask: Callable[[str], int]) -> int:
        try:
            return ask(name)
        except Unusable as error:
            _log.warning("poll.failed source=%s reason=%s", name, error.reason.value)
        except CdsError as error:
            _log.warning("poll.failed source=%s code=%s error=%s", name, error.code, error)
        return 0

    def _archive(self, name: str) -> int:
        client = archives.client_of(self._settings, name)
        if client is None:
            _log.error("poll.failed source=%s reason=several-clients", name)
            return 0
        # a day of the hospital: archives write study dates by its clock
        since = day_at(self._now(), self._zone) - self._back
        web = archives.opened(self._settings, name)
        try:
            rows = web.studies(StudyDate=f"{since:%Y%m%d}-", includefield="StudyDescription")
            return len(self._news(client, map(from_row, rows), name, web)[0])
        finally:
            web.close()

    def _ehr(self, name: str) -> int:
        return len(self._asked(name, _FHIR_DEADLINE_S)[0])

    def _asked(self, name: str, within_s: float) -> tuple[tuple[str, ...], bool]:
        """As ``_news``."""
        source, allowed = self._settings.clients[name].studies, self._allowed[name]
        assert source.fhir_base is not None
        # an instant, with its offset: a bare day would be one of the EHR's clock, whichever that is
        since = (self._now() - self._back).astimezone(UTC)
        query = Query("imaging", "ImagingStudy", f"ImagingStudy?_lastUpdated=ge{since:%Y-%m-%dT%H:%M:%SZ}&_count=200")
        target = target_of(self._backends[name], source.fhir_base, allowed)
        [found] = self._fhir.fetch((query,), "", target, time.monotonic() + within_s)
        studies = (r for page in found.pages for r in page.resources if isinstance(r, fhir.ImagingStudy))
        news = self._news(name, (about for s in studies if (about := from_resource(s)) is not None))
        if found.fault is not None:
            self._backends[name].forget()
            raise found.fault
        return news

    def _news(
        self, client: str, studies: Iterable[About], pacs: str | None = None, web: DicomWeb | None = None
    ) -> tuple[tuple[str, ...], bool]:
        """(opaque ids of those that were news, the queue was full). Raises LedgerError. What could not be asked for
        is news again at the next poll. ``pacs``, ``web``: the archive that told of them."""
        news: list[str] = []
        for about in studies:
            key = (client, about.uid)
            if key in self._known and self._known[key] == about.images:
                continue
            asked = self._intake.ask(about, client, "poll", pacs=pacs, count=partial(_images, web, about.uid))
            if asked.waits:
                return tuple(news), True
            self._known[key] = about.images
            if any(new for _, new in asked.jobs):
                news.append(asked.study)
        return tuple(news), False


def _images(web: DicomWeb | None, study_uid: str) -> int | None:
    """None where there is no archive to ask, or it does not say."""
    try:
        return counted(web, study_uid).images if web is not None else None
    except Unusable as error:
        _log.warning("poll.uncounted reason=%s", error.reason.value)
        return None
