"""A patient's CT studies as the image archive has them: slices, outlines and the report that lies beside them.

Everything comes over DICOMweb, so any archive and any maker's SEG and SR will do. The last few studies are kept in
memory; whether something new lies beside one is asked each time.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cds.errors import SourceRefused
from cds.imaging.dicomweb import DicomWeb, SeriesRow
from cds.imaging.reasons import Unusable
from cds.pages.reports import Group, Report, read_report
from cds.record.moments import Moment

if TYPE_CHECKING:  # pictures need the extra for images
    from cds.imaging.slices import Outlines
    from cds.imaging.stacks import Slice

WINDOWS = ("soft", "narrow", "bone")
_MOST_KEPT = 6
_MOST_SHOWN = 4
_CROP_MARGIN_MM = 45.0


class Scanner(Protocol):
    """What makes scans in a demonstration."""

    def waits(self, patient: str) -> bool:
        """Is there a scan of the patient to be made?"""
        ...

    def send(self, patient: str) -> str:
        """Make it, and send it where scans go. The study's opaque id at the CDS service; empty if it told none.
        Raises SourceError."""
        ...


@dataclass(frozen=True)
class Study:
    """As the record knows it."""

    uid: str
    modality: str
    text: str
    when: Moment | None
    language: str = "en"
    """Of the text."""


@dataclass(frozen=True, eq=False)
class Scan:
    """As the archive has it."""

    study: Study
    slices: tuple[Slice, ...]
    outlines: Outlines
    report: Report | None

    @property
    def count(self) -> int:
        return len(self.slices)

    @property
    def keys(self) -> tuple[tuple[int, Group], ...]:
        """(slice, finding) where each finding of the report is largest; findings that are nowhere are left out."""
        found = []
        for group in self.report.findings if self.report is not None else ():
            assert group.segment is not None
            areas = [self.outlines.area(one.frame.sop_uid, group.segment) for one in self.slices]
            if max(areas, default=0):
                found.append((areas.index(max(areas)), group))
        return tuple(found)

    @property
    def key(self) -> int:
        """The slice to open with: the first finding's, else where most is outlined, else the middle one."""
        if keys := self.keys:
            return keys[0][0]
        areas = [
            sum(self.outlines.area(s.frame.sop_uid, o.number) for o in self.outlines.segments) for s in self.slices
        ]
        return areas.index(max(areas)) if max(areas, default=0) else self.count // 2

    @property
    def step_mm(self) -> float:
        if self.count < 2:
            return 1.0
        ends = [one.frame.position[2] for one in (self.slices[0], self.slices[-1])]
        return max(0.1, abs(ends[1] - ends[0]) / (self.count - 1))

    def beside(self, other: Scan, index: int) -> int:
        """The slice of this scan as far from its key slice as ``index`` is from the other's."""
        return self.within(self.key + round((index - other.key) * other.step_mm / self.step_mm))

    def within(self, index: int) -> int:
        return min(max(index, 0), self.count - 1)


class ScanRoom:
    """Safe for threads."""

    def __init__(self, web: DicomWeb) -> None:
        self._web = web
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, ...], Scan] = OrderedDict()

    def scans(self, studies: Sequence[Study]) -> tuple[Scan, ...]:
        """Those of the newest CT studies that the archive has, in the order given. Raises SourceError."""
        found = [self._scan(study) for study in studies[:_MOST_SHOWN] if "CT" in study.modality]
        return tuple(scan for scan in found if scan is not None)

    def _scan(self, study: Study) -> Scan | None:
        try:
            rows = self._web.series(study.uid)
            images = max((r for r in rows if r.modality == "CT"), key=lambda r: r.instances or 0, default=None)
            if images is None:
                return None
            # a newer result of the same kind has a series of its own
            key = (study.uid, *sorted(f"{r.uid}/{r.instances}" for r in rows))
            with self._lock:
                kept = self._kept.get(key)
            return kept or self._keep(key, self._fetched(study, images, rows))
        except Unusable as error:
            raise SourceRefused(str(error).rstrip(".")) from error

    def _keep(self, key: tuple[str, ...], scan: Scan) -> Scan:
        with self._lock:
            self._kept[key] = scan
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return scan

    def _fetched(self, study: Study, images: SeriesRow, rows: Sequence[SeriesRow]) -> Scan:
        from cds.imaging.slices import Outlines, outlines, read_slices

        drawn = Outlines()
        if (raw := self._newest(study.uid, rows, "SEG")) is not None:
            drawn = outlines(raw)
        report = self._newest(study.uid, rows, "SR")
        slices = read_slices(self._web, study.uid, drawn.series_uid or images.uid)
        return Scan(study, slices, drawn, read_report(report) if report is not None else None)

    def _newest(self, study_uid: str, rows: Sequence[SeriesRow], modality: str) -> bytes | None:
        """The last instance of that kind; None where there is none."""
        found = [row for row in rows if row.modality == modality]
        if not found:
            return None
        with self._web.series_parts(study_uid, found[-1].uid, self._web.connection.deadline()) as parts:
            return list(parts)[-1]


@dataclass(frozen=True)
class View:
    """What of a scan is looked at, as the page's address says it."""

    slice: int | None = None
    """From 0; None: the key slice."""
    window: str = "soft"
    outlined: bool = True
    near: bool = False
    """Only the neighbourhood of what is outlined."""

    def query(self, **changes: object) -> dict[str, object]:
        """The address's parameters, with some changed."""
        now: dict[str, object] = {"window": self.window, "outlined": int(self.outlined), "near": int(self.near)}
        if self.slice is not None:
            now["slice"] = self.slice
        return now | {name: int(v) if isinstance(v, bool) else v for name, v in changes.items()}


def png(scan: Scan, view: View, side: int) -> bytes:
    """One slice of the scan, as ``view`` asks. A key slice where no slice is named."""
    from cds.imaging.slices import WINDOWS as LEVELS
    from cds.imaging.slices import around, picture

    one = scan.slices[scan.within(view.slice if view.slice is not None else scan.key)]
    uid = one.frame.sop_uid
    crop = None
    if view.near:
        masks = [[scan.outlines.of(s.frame.sop_uid, finding=f) for s in scan.slices] for f in (True, False)]
        drawn = [[m for m in some if m is not None] for some in masks]
        crop = around(drawn[0] or drawn[1], one.frame, _CROP_MARGIN_MM)
    return picture(
        one,
        LEVELS.get(view.window, LEVELS["soft"]),
        finding=scan.outlines.of(uid, finding=True) if view.outlined else None,
        organ=scan.outlines.of(uid, finding=False) if view.outlined else None,
        crop=crop,
        side=side,
    )
