"""Which series of a study to analyse: every candidate judged, the best one chosen, the choice explained.

A refusal has its reason, an argument its weight. When nothing fits the answer is "indeterminate" with the reason of
the candidate that came nearest, never a volume that was not asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cds.imaging.dicomweb import SeriesRow
from cds.imaging.fetch import Series
from cds.imaging.frames import projected
from cds.imaging.phase import NOT_SAID, Phase, Phases, made_by, said, seen, timed
from cds.imaging.reasons import Evidence, Note, Reason, Remark, Unusable, words
from cds.imaging.region import shows_abdomen
from cds.imaging.stacks import FEWEST, Stack, another_pass, stacks
from cds.imaging.volume import Volume, build

_REPAIRS = frozenset({Note.TILT, Note.SPACING, Note.INTERPOLATED, Note.LOSSY, Note.RESCALE_ASSUMED})
_UNSEEN = frozenset({Reason.AMBIGUOUS, Reason.GAP, Reason.MISSING_SLICES})
"""Slices are there, and what they show together is not known."""
_SLAB = 1.5
"""Thickness by the step between slices, from which on they overlap by far."""
_SLAB_MM = 4.0
"""Thickness from which on slices that do may be slabs of a projection."""
_AIR_HU, _TISSUE_HU = -500, -100
# kernels by maker: a number that grows with sharpness, or names. Of Siemens' B30 and B40 are for body tissue, from B50
# on they are sharper, as for the thorax (SOMATOM Sensation, operating instructions); Br40 is today's standard, each
# step 4 % sharper, and an l means the lung (diagnosticradphys.com/physicspulse/ct/siemens-reconstruction-kernels)
_SHARP_FROM = 54
_NUMBERED = re.compile(r"(FC|[A-Z]{1,2})(\d{1,2})[A-Z]*", re.IGNORECASE)
_SOFT_NAMES = ("STANDARD", "SOFT", "A", "B", "SB")
_SHARP_NAMES = ("LUNG", "BONE", "BONEPLUS", "EDGE", "D", "E", "L", "YA", "YB")
_SCOUT = re.compile(
    r"\b(?:scout|topogra\w*|localizer|surview|scanogra\w*|dos(?:e|is) (?:report|info\w*)|patient protocol)\b",
    re.IGNORECASE,
)
# also names the scan that such images started: SmartPrep portal
_TIMES_CONTRAST = re.compile(r"\b(?:smartprep|(?:pre ?)?monitoring|bolus ?track\w*|test ?bolus)\b", re.IGNORECASE)
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


@dataclass(frozen=True, eq=False)
class _Witness:
    """What one source says of the contrast phase."""

    evidence: Evidence
    weight: float
    phases: Phases
    measure: str = ""


@dataclass(frozen=True, eq=False)
class _Pass:
    """A stack of the series with the volume it makes, or why it makes none, and what tells its contrast phase."""

    stack: Stack
    made: Volume | Unusable
    heard: tuple[_Witness, ...] = ()

    def may_show(self, phase: Phase) -> bool:
        """Also where it can't be looked at: a pass that lost too many slices."""
        if isinstance(self.made, Unusable):
            return self.made.reason in _UNSEEN
        return all(phase in witness.phases for witness in self.heard)


def judge(series: Series, wanted: Wanted) -> list[tuple[Verdict, Volume | None]]:
    """Every volume in the series with its verdict."""
    found: list[tuple[Verdict, Volume | None]] = []
    passes = [_pass(series, stack, wanted.phase) for stack in stacks(series.slices)]
    for one in passes:
        about = Verdict(series.uid, series.about.description, scanner=series.about.scanner)
        volume = one.made
        if isinstance(volume, Unusable):
            found.append((replace(about, refused=volume.reason, detail=volume.detail, scanner=""), None))
            continue
        points, refused, detail = _weigh(volume, wanted, series.about.description)
        points += _region(series)
        phase_points, phase_refused = _phase(one, wanted.phase, _rivalled(one, passes, wanted.phase))
        points += phase_points
        computed = (Remark(Note.COMPUTED),) if _computed(volume) else ()
        remarks = tuple(dict.fromkeys((*series.remarks, *volume.remarks, *computed)))
        repairs = sum(remark.note in _REPAIRS for remark in remarks)
        if repairs:
            points.append(Point(Evidence.REPAIRED, -1.0 * repairs))
        refused = refused or phase_refused
        verdict = replace(about, points=tuple(points), refused=refused, detail=detail, remarks=remarks)
        found.append((verdict, volume))
    return found


def _pass(series: Series, stack: Stack, phase: Phase | None) -> _Pass:
    try:
        volume = build(stack)
    except Unusable as error:
        return _Pass(stack, error)
    return _Pass(stack, volume, _heard(series, volume, phase) if phase is not None else ())


def _rivalled(one: _Pass, passes: Sequence[_Pass], phase: Phase | None) -> bool:
    """Whether another pass of the series may show the phase as well: the description is of both."""
    return phase is not None and any(
        other is not one and other.may_show(phase) and another_pass(one.stack, other.stack) for other in passes
    )


def _weigh(volume: Volume, wanted: Wanted, description: str) -> tuple[list[Point], Reason | None, str]:
    """(points, reason to refuse, its measure), but for the phase."""
    points: list[Point] = []
    if _computed(volume):
        points.append(Point(Evidence.COMPUTED, -1.0))
    elif {"ORIGINAL", "PRIMARY"} <= {part.upper() for part in volume.frames[0].image_type}:
        points.append(Point(Evidence.ORIGINAL, 1.0))
    thick = _thick(volume)
    points += [
        Point(Evidence.THIN, weight, f"{thick:.2f} mm")
        # less apart than kernels are: thin slices of a lung kernel are the noisier images
        for most, weight in ((1.5, 1.0), (3.0, 0.75), (5.0, 0.25))
        if thick <= most + 0.01
    ][:1]
    points += _kernel(volume.frames[0].kernel)
    return points, *_shape(volume, wanted, description)


def _region(series: Series) -> list[Point]:
    about = series.about
    abdomen = shows_abdomen(about.description, about.body_part)
    if abdomen is None:
        return []
    # without the words themselves: what a header says is shown to nobody
    return [Point(Evidence.ABDOMEN, 1.0) if abdomen else Point(Evidence.ELSEWHERE, -1.0)]


def _computed(volume: Volume) -> bool:
    """From other images (DICOM PS3.3 C.7.6.1.1.2, value 1), such as an axial reformat."""
    return any(part.upper() == "DERIVED" for frame in volume.frames for part in frame.image_type)


def _thick(volume: Volume) -> float:
    """mm of the body in one slice: slabs that overlap lie closer together than they are thick. Of what the slices say
    the median: one among many may say another's."""
    said = [frame.thickness for frame in volume.frames if frame.thickness is not None]
    return max(volume.spacing[0], float(np.median(said)) if said else 0.0)


def _slabs(volume: Volume) -> bool:
    """Whether the slices are thick and overlap by far, as slabs of a projection do. Those that one is made from overlap
    as well, and are thin: 1.5 mm every 1.0 mm, 3.0 every 2.0."""
    return _thick(volume) >= max(_SLAB_MM, _SLAB * volume.spacing[0])


def _shape(volume: Volume, wanted: Wanted, description: str) -> tuple[Reason | None, str]:
    if _slabs(volume) and projected(description):
        return Reason.PROJECTION, f"({_thick(volume):.1f} mm, {volume.spacing[0]:.1f} mm apart)"
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


def _heard(series: Series, volume: Volume, wanted: Phase) -> tuple[_Witness, ...]:
    named = said((series.about.description, series.about.protocol))
    start = series.about.bolus_start
    times, delay = timed(start, (frame.time for frame in volume.frames))
    if delay is None:
        times, delay = made_by(start, (frame.made for frame in volume.frames))
        if wanted in times:
            # could have begun by then, and so could an earlier phase whose images were made late
            times = NOT_SAID
    shown, share = seen(volume)
    witnesses = (
        _Witness(Evidence.DESCRIPTION, 3.0, named, ", ".join(sorted(named))),
        _Witness(Evidence.TIMING, 3.0, times, "" if delay is None else f"{delay:.0f} s"),
        _Witness(Evidence.CONTENT, 2.0, shown, "" if share is None else f"{share:.0%} > 80 HU"),
    )
    return tuple(witness for witness in witnesses if witness.phases != NOT_SAID)


def _phase(one: _Pass, wanted: Phase | None, rivalled: bool) -> tuple[list[Point], Reason | None]:
    """``rivalled``: the series has another pass that may show it, so what it is called is no proof of this one."""
    if wanted is None:
        return [], None
    points = [
        Point(witness.evidence, witness.weight if wanted in witness.phases else -witness.weight, witness.measure)
        for witness in one.heard
    ]
    left = _left(one.heard)
    proven = _left([w for w in one.heard if w.evidence is not Evidence.DESCRIPTION]) if rivalled else left
    if left == {wanted}:
        return points, None if proven == {wanted} else Reason.PHASE_UNKNOWN
    if wanted in left:
        return points, Reason.PHASE_UNKNOWN
    if any(wanted in witness.phases for witness in one.heard):
        return points, Reason.PHASE_CONFLICT
    return points, Reason.WRONG_PHASE


def _left(heard: Iterable[_Witness]) -> Phases:
    left = frozenset(Phase)
    for witness in heard:
        left &= witness.phases
    return left


def _kernel(kernel: str) -> list[Point]:
    name = kernel.upper().strip()
    numbered = _NUMBERED.fullmatch(name)
    if numbered:
        family, number = numbered[1], int(numbered[2])
        if family == "FC":
            soft, sharp = number < 20, number >= 30
        else:
            sharp = number >= _SHARP_FROM or family == "BL"
            soft = 20 <= number < 50 and not sharp
    else:
        soft, sharp = name in _SOFT_NAMES, name in _SHARP_NAMES
    if soft:
        return [Point(Evidence.SOFT_KERNEL, 1.0, kernel)]
    return [Point(Evidence.SHARP_KERNEL, -2.0, kernel)] if sharp else []


def worth_fetching(rows: Sequence[SeriesRow], wanted: Wanted) -> tuple[list[SeriesRow], list[Verdict]]:
    """(series to fetch, the likeliest first; those that need not be fetched, with their reason).

    By what the PACS says of them. A description orders and never excludes, except scouts and dose reports, and images
    that time the contrast where there are too few for a scan.
    """
    least = wanted.shortest_mm / wanted.thickest_mm
    fetch: list[SeriesRow] = []
    refused: list[Verdict] = []
    for row in rows:
        reason = None
        name = row.description.replace("_", " ")
        if row.modality != "CT":
            reason = Reason.SOP_CLASS
        elif _SCOUT.search(name) or (
            # one may be an enhanced instance of many frames
            _TIMES_CONTRAST.search(name) and row.instances is not None and 1 < row.instances < least
        ):
            reason = Reason.LOCALIZER
        if reason is None:
            fetch.append(row)
        else:
            refused.append(Verdict(row.uid, row.description, refused=reason))

    def likely(row: SeriesRow) -> tuple[bool, bool, bool, bool, int]:
        phases = said((row.description,))
        few = row.instances is not None and row.instances < FEWEST  # may be one enhanced instance
        other = bool(phases) and wanted.phase is not None and wanted.phase not in phases
        unnamed = not phases and wanted.phase is not None
        elsewhere = shows_abdomen(row.description, row.body_part) is False
        plane = bool(_PLANE.search(row.description.replace("_", " ")))
        return other, plane or few, elsewhere, unnamed, -(row.instances or 0)

    return sorted(fetch, key=likely), refused
