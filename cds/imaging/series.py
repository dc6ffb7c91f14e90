"""Which series of a study to analyse: every candidate judged, the best one chosen, the choice explained.

A refusal has its reason, an argument its weight. When nothing fits the answer is "indeterminate" with the reason of
the candidate that came nearest, never a volume that was not asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from cds.imaging.dicomweb import SeriesRow
from cds.imaging.fetch import Series
from cds.imaging.phase import NOT_SAID, Phase, Phases, said, seen, timed
from cds.imaging.reasons import Evidence, Note, Reason, Remark, Unusable, words
from cds.imaging.stacks import FEWEST, stacks
from cds.imaging.volume import Volume, build

_REPAIRS = frozenset({Note.TILT, Note.SPACING, Note.INTERPOLATED, Note.LOSSY, Note.RESCALE_ASSUMED})
_AIR_HU, _TISSUE_HU = -500, -100
# kernels by maker: a number that grows with sharpness, or names
_NUMBERED = re.compile(r"(FC|[A-Z]{1,2})(\d{1,2})[A-Z]*", re.IGNORECASE)
_SOFT_NAMES = ("STANDARD", "SOFT", "A", "B", "SB")
_SHARP_NAMES = ("LUNG", "BONE", "BONEPLUS", "EDGE", "D", "E", "L", "YA", "YB")
_SCOUT = re.compile(
    r"\b(?:scout|topogra\w*|localizer|surview|scanogra\w*|dos(?:e|is) (?:report|info\w*)|patient protocol|"
    r"smartprep|(?:pre ?)?monitoring|bolus ?track\w*|test ?bolus)\b",
    re.IGNORECASE,
)
_PLANE = re.compile(r"\b(?:cor|coronal|coronaal|sag|sagittal|sagittaal|mip|mpr|3d|vrt)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Wanted:
    """What an analysis needs; a model bundle says it."""

    phase: Phase | None = Phase.PORTAL
    """None: any."""
    thickest_mm: float = 5.0
    """Of a slice, and from one to the next."""
    shortest_mm: float = 80.0
    """Along the body."""
    writable: bool = False
    """A result is to be stored beside the images."""


@dataclass(frozen=True)
class Point:
    """One argument, for (above 0) or against, with what it rests on: the same in every language."""

    evidence: Evidence
    weight: float
    measure: str = ""


@dataclass(frozen=True)
class Verdict:
    """One volume of one series, or a series of which no volume could be made."""

    series_uid: str
    description: str
    points: tuple[Point, ...] = ()
    refused: Reason | None = None
    detail: str = ""
    remarks: tuple[Remark, ...] = ()
    scanner: str = ""
    """That made it; "" where the series does not say."""

    @property
    def score(self) -> float:
        return sum(point.weight for point in self.points)

    def explained(self, language: str) -> str:
        """One line for a reader."""
        if self.refused is not None:
            return f"{words(self.refused, language)} {self.detail}".strip()
        return "; ".join(
            f"{point.weight:+g} {words(point.evidence, language)}" + (f" ({point.measure})" if point.measure else "")
            for point in self.points
        )


@dataclass(frozen=True, eq=False)
class Choice:
    """The volume to analyse, or why there is none; and all that was looked at, the best first."""

    volume: Volume | None
    chosen: Verdict | None
    reason: Reason | None
    considered: tuple[Verdict, ...]


def choose(series: Iterable[Series | Verdict], wanted: Wanted) -> Choice:
    """``series`` is gone through once and only the best volume so far is kept, so they may be fetched as they come.

    A ``Verdict`` among them stands for a series that was refused before it could be read.
    """
    best: tuple[Verdict, Volume] | None = None
    considered: list[Verdict] = []
    for one in series:
        judged = [(one, None)] if isinstance(one, Verdict) else judge(one, wanted)
        for verdict, volume in judged:
            considered.append(verdict)
            if volume is not None and verdict.refused is None and (best is None or verdict.score > best[0].score):
                best = verdict, volume
    considered.sort(key=lambda verdict: (verdict.refused is not None, -verdict.score))
    if best is not None:
        return Choice(best[1], best[0], None, tuple(considered))
    # without points no volume was made; among the others the one that came nearest says what was lacking
    reason = considered[0].refused if considered else Reason.NO_CT
    return Choice(None, None, reason, tuple(considered))


def judge(series: Series, wanted: Wanted) -> list[tuple[Verdict, Volume | None]]:
    """Every volume in the series with its verdict."""
    found: list[tuple[Verdict, Volume | None]] = []
    for stack in stacks(series.slices):
        about = Verdict(series.uid, series.about.description)
        try:
            volume = build(stack)
        except Unusable as error:
            found.append((_with(about, refused=error.reason, detail=error.detail), None))
            continue
        points, refused, detail = _weigh(series, volume, wanted)
        computed = (Remark(Note.COMPUTED),) if _computed(volume) else ()
        remarks = tuple(dict.fromkeys((*series.remarks, *volume.remarks, *computed)))
        repairs = sum(remark.note in _REPAIRS for remark in remarks)
        if repairs:
            points.append(Point(Evidence.REPAIRED, -1.0 * repairs))
        made_by = series.about.scanner
        verdict = Verdict(series.uid, series.about.description, tuple(points), refused, detail, remarks, made_by)
        found.append((verdict, volume))
    return found


def _with(verdict: Verdict, *, refused: Reason, detail: str) -> Verdict:
    return Verdict(verdict.series_uid, verdict.description, (), refused, detail)


def _weigh(series: Series, volume: Volume, wanted: Wanted) -> tuple[list[Point], Reason | None, str]:
    """(points, reason to refuse, its measure)."""
    points: list[Point] = []
    if _computed(volume):
        points.append(Point(Evidence.COMPUTED, -1.0))
    elif {"ORIGINAL", "PRIMARY"} <= {part.upper() for part in volume.frames[0].image_type}:
        points.append(Point(Evidence.ORIGINAL, 1.0))
    thick = _thick(volume)
    points += [
        Point(Evidence.THIN, weight, f"{thick:.2f} mm")
        for most, weight in ((1.5, 2.0), (3.0, 1.5), (5.0, 0.5))
        if thick <= most + 0.01
    ][:1]
    points += _kernel(volume.frames[0].kernel)
    refused, detail = _shape(volume, wanted)
    phase_points, phase_refused = _phase(series, volume, wanted.phase)
    return points + phase_points, refused or phase_refused, detail


def _computed(volume: Volume) -> bool:
    """From other images (DICOM PS3.3 C.7.6.1.1.2, value 1), such as an axial reformat."""
    return any(part.upper() == "DERIVED" for frame in volume.frames for part in frame.image_type)


def _thick(volume: Volume) -> float:
    """mm of the body in one slice: slabs that overlap lie closer together than they are thick. Of what the slices say
    the median: one among many may say another's."""
    said = [frame.thickness for frame in volume.frames if frame.thickness is not None]
    return max(volume.spacing[0], float(np.median(said)) if said else 0.0)


def _shape(volume: Volume, wanted: Wanted) -> tuple[Reason | None, str]:
    # a segmentation is of many single frames or of one multi-frame image (highdicom, Segmentation)
    images = len({frame.sop_uid for frame in volume.frames})
    if wanted.writable and images > 1 and any(frame.multiframe for frame in volume.frames):
        return Reason.SEVERAL_MULTIFRAMES, f"({images})"
    if _thick(volume) > wanted.thickest_mm + 0.01:
        return Reason.TOO_THICK, f"({_thick(volume):.1f} mm)"
    if volume.coverage_mm < wanted.shortest_mm:
        return Reason.TOO_SHORT, f"({volume.coverage_mm:.0f} mm)"
    sample = volume.hu[:: max(1, len(volume.hu) // 20), ::8, ::8]
    low, high = np.percentile(sample, [1, 95])
    if low > _AIR_HU or high < _TISSUE_HU:
        return Reason.HOUNSFIELD, f"({low:.0f} to {high:.0f} HU)"
    return None, ""


def _phase(series: Series, volume: Volume, wanted: Phase | None) -> tuple[list[Point], Reason | None]:
    if wanted is None:
        return [], None
    named = said((series.about.description, series.about.protocol))
    times, delay = timed(series.about.bolus_start, (frame.time or frame.made for frame in volume.frames))
    shown, share = seen(volume)
    witnesses: list[tuple[Evidence, float, Phases, str]] = [
        (Evidence.DESCRIPTION, 3.0, named, ", ".join(sorted(named))),
        (Evidence.TIMING, 3.0, times, "" if delay is None else f"{delay:.0f} s"),
        (Evidence.CONTENT, 2.0, shown, "" if share is None else f"{share:.0%} > 80 HU"),
    ]
    heard = [witness for witness in witnesses if witness[2] != NOT_SAID]
    points = [
        Point(evidence, weight if wanted in phases else -weight, measure) for evidence, weight, phases, measure in heard
    ]
    left = frozenset(Phase)
    for _evidence, _weight, phases, _measure in heard:
        left &= phases
    if left == {wanted}:
        return points, None
    if wanted in left:
        return points, Reason.PHASE_UNKNOWN
    if any(wanted in phases for _evidence, _weight, phases, _measure in heard):
        return points, Reason.PHASE_CONFLICT
    return points, Reason.WRONG_PHASE


def _kernel(kernel: str) -> list[Point]:
    name = kernel.upper().strip()
    numbered = _NUMBERED.fullmatch(name)
    if numbered:
        number = int(numbered[2])
        soft, sharp = (number < 20, number >= 30) if numbered[1] == "FC" else (20 <= number < 50, number >= 60)
    else:
        soft, sharp = name in _SOFT_NAMES, name in _SHARP_NAMES
    if soft:
        return [Point(Evidence.SOFT_KERNEL, 1.0, kernel)]
    return [Point(Evidence.SHARP_KERNEL, -2.0, kernel)] if sharp else []


def worth_fetching(rows: Sequence[SeriesRow], wanted: Wanted) -> tuple[list[SeriesRow], list[Verdict]]:
    """(series to fetch, the likeliest first; those that need not be fetched, with their reason).

    By what the PACS says of them. A description orders and never excludes, except scouts and dose reports.
    """
    fetch: list[SeriesRow] = []
    refused: list[Verdict] = []
    for row in rows:
        reason = None
        if row.modality != "CT":
            reason = Reason.SOP_CLASS
        elif _SCOUT.search(row.description.replace("_", " ")):
            reason = Reason.LOCALIZER
        if reason is None:
            fetch.append(row)
        else:
            refused.append(Verdict(row.uid, row.description, refused=reason))

    def likely(row: SeriesRow) -> tuple[bool, bool, bool, int]:
        phases = said((row.description,))
        few = row.instances is not None and row.instances < FEWEST  # may be one enhanced instance
        other = bool(phases) and wanted.phase is not None and wanted.phase not in phases
        unnamed = not phases and wanted.phase is not None
        return other, bool(_PLANE.search(row.description.replace("_", " "))) or few, unnamed, -(row.instances or 0)

    return sorted(fetch, key=likely), refused
