"""The patient's CT scans in the report: pictures from the hospital's own image archives, the earlier scan beside.

Which studies are the patient's is what the record says, read with the reader's token; where they are is asked of the
archives that serve this client. A study whose archive names another day of birth than the record is not shown. Pixels
stay in memory (``ScanRoom``) and leave as PNG without name, number or text.
"""

from __future__ import annotations

import importlib.util
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import quote
from zoneinfo import ZoneInfo

from cds.cards.phrasebook import Phrasebook
from cds.engine import Engine
from cds.errors import ForeignServer, SettingsError, SourceError
from cds.imaging.dicomweb import DicomWeb, StudyRow
from cds.imaging.reasons import Unusable
from cds.pages.report.charted import Gap, charted
from cds.pages.report.studied import Studied, studied
from cds.pages.scans import Scan, ScanRoom, Study, View, png
from cds.record.moments import Moment
from cds.studies import archives
from cds.studies.reasons import words as reason_words
from cds.trust.smart import ReportSession

__all__ = ["WINDOWS", "Imaging", "Placed", "Scanned", "View"]

WINDOWS = ("soft", "narrow", "bone")
_KEPT_S = 60.0
"""For so long the list of studies of one report is not asked for again: a page has a picture a slice."""
_MOST_KEPT = 64


@dataclass(frozen=True)
class Placed:
    """A CT study and the archive that holds it."""

    studied: Studied
    archive: str
    viewer: str | None
    """Address of the study in the site's own viewer; None where none is set."""


@dataclass(frozen=True)
class Scanned:
    """What the imaging part of a page shows. ``now`` is None where there is no picture; ``gaps`` then say why."""

    studies: tuple[Studied, ...]
    """Every imaging study of the record, the newest first."""
    placed: tuple[Placed, ...]
    """The CT studies among them that an archive holds, in that order."""
    at: int
    """Which of ``placed`` is looked at."""
    now: Scan | None
    before: Scan | None
    """The scan before that."""
    gaps: tuple[Gap, ...]
    archives: bool
    """Any image archive serves this client."""


@dataclass(frozen=True)
class _Listed:
    studies: tuple[Studied, ...]
    placed: tuple[Placed, ...]
    gaps: tuple[Gap, ...]


class Imaging:
    """One for the process, made with the report's blueprint. Safe for threads."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine, self._clock = engine, clock
        self._lock = threading.Lock()
        self._webs: dict[str, DicomWeb] = {}
        self._rooms: dict[str, ScanRoom] = {}
        self._lists: OrderedDict[tuple[str, str], tuple[float, _Listed]] = OrderedDict()

    def of(self, session: ReportSession, words: Phrasebook, at: int = 0) -> Scanned:
        """``at``: which scan is looked at, 0 the newest. Never raises for a source: a fault is a gap."""
        listed = self._listed(session, words)
        placed = listed.placed
        at = min(max(at, 0), max(len(placed) - 1, 0))
        faults: list[Gap] = []
        shown: list[Scan | None] = []
        for one in placed[at : at + 2]:
            scan, fault = self._scan(one, words)
            shown.append(scan)
            if fault is not None:
                faults.append(fault)
        now, before = (*shown, None, None)[:2]
        served = bool(archives.serving(self._engine.settings, session.client))
        return Scanned(listed.studies, placed, at, now, before, (*listed.gaps, *faults), served)

    def picture(self, session: ReportSession, words: Phrasebook, at: int, view: View, side: int = 560) -> bytes | None:
        """PNG of a slice of ``placed[at]``; None where there is no such scan or it can't be shown."""
        placed = self._listed(session, words).placed
        if not 0 <= at < len(placed):
            return None
        scan, _fault = self._scan(placed[at], words)
        if scan is None:
            return None
        side = min(max(side, 64), 1120)
        return png(scan, replace(view, slice=scan.within(view.slice)) if view.slice is not None else view, side)

    def _listed(self, session: ReportSession, words: Phrasebook) -> _Listed:
        key, now = (session.rid, words.language), self._clock()
        with self._lock:
            held = self._lists.get(key)
        if held is not None and now - held[0] < _KEPT_S:
            return held[1]
        found = self._list(session, words)
        with self._lock:
            self._lists[key] = (now, found)
            self._lists.move_to_end(key)
            while len(self._lists) > _MOST_KEPT:
                self._lists.popitem(last=False)
        return found

    def _list(self, session: ReportSession, words: Phrasebook) -> _Listed:
        try:
            chart = charted(self._engine, session, words, ())
        except (SourceError, ForeignServer) as error:
            why = words(f"report.fault.{error.code}")
            return _Listed((), (), (Gap("record", words("report.source_gap.all", why=why), error.code),))
        zone = ZoneInfo(self._engine.settings.timezone)
        studies = studied(chart.evidence.resources, session.patient_id, zone, words, self._engine.settings.language)
        names = archives.serving(self._engine.settings, session.client)
        scans = [s for s in studies if s.uid and "CT" in s.modality.split("/")]
        if names and scans and importlib.util.find_spec("highdicom") is None:
            return _Listed(studies, (), (*chart.gaps, Gap("imaging", words("report.imaging.extra"), None)))
        faults: dict[str, Gap] = {}
        placed = [self._place(one, names, chart.record.birth, words, faults) for one in scans]
        return _Listed(studies, tuple(p for p in placed if p is not None), (*chart.gaps, *faults.values()))

    def _place(
        self, one: Studied, names: list[str], born: Moment | None, words: Phrasebook, faults: dict[str, Gap]
    ) -> Placed | None:
        for name in names:
            if name in faults:
                continue  # asked once a page: an archive that hangs is not waited for again
            try:
                rows = [r for r in self._web(name).studies(StudyInstanceUID=one.uid) if r.uid == one.uid]
            except (Unusable, SettingsError) as error:
                faults[name] = _away(name, error, words)
                continue
            if not rows:
                continue
            if _another(rows[0], born):
                faults[one.source] = Gap(name, words("report.imaging.another", day=words.day(one.when)), None)
                return None
            return Placed(one, name, self._viewer(one.uid))
        return None

    def _scan(self, one: Placed, words: Phrasebook) -> tuple[Scan | None, Gap | None]:
        study = Study(one.studied.uid, one.studied.modality, one.studied.title, one.studied.when, one.studied.language)
        try:
            scans = self._room(one.archive).scans([study])
        except (SourceError, SettingsError, Unusable) as error:
            return None, _away(one.archive, error, words)
        if not scans:
            day = words.day(one.studied.when)
            return None, Gap(one.archive, words("report.imaging.unshown", day=day), None)
        return scans[0], None

    def _viewer(self, uid: str) -> str | None:
        template = self._engine.settings.imaging.viewer
        return template.replace("{study}", quote(uid, safe="")) if template is not None else None

    def _web(self, name: str) -> DicomWeb:
        """Raises SettingsError and Unusable for an archive whose settings can't be used."""
        with self._lock:
            if name not in self._webs:
                self._webs[name] = archives.opened(self._engine.settings, name)
                self._rooms[name] = ScanRoom(self._webs[name])
            return self._webs[name]

    def _room(self, name: str) -> ScanRoom:
        self._web(name)
        return self._rooms[name]


def _another(row: StudyRow, born: Moment | None) -> bool:
    """The archive's patient was born on another day. What either side does not say is no contradiction."""
    if born is None or len(born.text) < 10 or len(row.born) != 8:
        return False
    return row.born != born.text[:10].replace("-", "")


def _away(name: str, error: SourceError | SettingsError | Unusable, words: Phrasebook) -> Gap:
    if isinstance(error, Unusable):
        said = reason_words(error.reason.value)
        return Gap(name, words("report.imaging.away", name=name, why=said.get(words.language, said["en"])), error.code)
    why = words(f"report.fault.{error.code}")
    return Gap(name, words("report.imaging.away", name=name, why=why), error.code)
