"""This scan against the patient's earlier ones: what grew, what is new, and which response category that would be.

The category uses the thresholds of RECIST 1.1 (Eisenhauer et al., Eur J Cancer 2009;45:228-247) on diameters that a
network measured. It is no RECIST assessment: nobody chose the targets, and other organs were not looked at. Therefore
it never says "complete response": a lesion not found again may have gone, or been missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from scipy.optimize import linear_sum_assignment

from cds.imaging.results.findings import Findings, Lesion

PROGRESSION_SHARE, PROGRESSION_MM = 0.20, 5.0
"""Of the smallest sum of diameters so far, and at least so much: both."""
RESPONSE_SHARE = 0.30
"""Less than the first sum."""
_SMALLEST_MM, _SLICES = 10.0, 2.0
"""A measurable lesion: 10 mm, and twice the distance of slices where these are further apart than 5 mm."""
_THICK_MM = 5.0
_MOST_TARGETS = 2
"""In one organ."""
_NEAR_MM = 25.0
"""Offset from the organ's centre within which two outlines may be one lesion: breathing and stretching move it."""


class Response(StrEnum):
    PROGRESSION = "progression"
    STABLE = "stable"
    RESPONSE = "partial-response"
    NOT_EVALUABLE = "not-evaluable"


class WhyNot(StrEnum):
    """Why there is no category."""

    OTHER_MODEL = "other-model"
    NO_TARGET = "no-measurable-lesion"
    NOT_FOUND = "lesion-not-found-again"
    CUT_OFF = "cut-off"


@dataclass(frozen=True)
class Change:
    """One lesion found in both scans."""

    number: int
    """In this scan."""
    before: int
    """In the last scan."""
    longest_mm: float
    """Now minus then."""
    volume_ml: float
    longest_share: float
    """Of then; 0.2 is 20 % more."""
    volume_share: float


@dataclass(frozen=True)
class Comparison:
    """AI-measured throughout."""

    since: str
    """Day of the last scan, of those that are whole where there is one, YYYYMMDD; "" if not said."""
    findings: Findings
    """Of this scan, with the tracking identifiers that its lesions had before."""
    changes: tuple[Change, ...]
    new: tuple[int, ...]
    """Numbers of lesions not seen before whose category is above the lowest."""
    gone: tuple[str, ...]
    """Tracking identifiers of the last scan's lesions that were not found again."""
    response: Response
    why_not: WhyNot | None = None
    sum_mm: float = 0.0
    """Of the targets' longest diameters, now."""
    first_mm: float = 0.0
    smallest_mm: float = 0.0
    """The smallest sum before this scan."""
    organ_ml: float | None = None
    """Change of the organ's volume since the last scan."""
    duct_mm: float | None = None


def compared(earlier: Sequence[Findings], now: Findings, lowest: str) -> Comparison | None:
    """``earlier``: oldest first; ``lowest``: the bundle's lowest category. None when there is nothing to compare with.

    Analyses of other images of the same study, and of other versions of the model, are no time points of this series,
    nor are scans that end inside the organ: of a lesion they show a part, and the organ's centre is not where it was.
    """
    past = [one for one in earlier if one.study_uid != now.study_uid]
    if not past:
        return None
    same = [one for one in past if (one.model, one.version, one.sha256) == (now.model, now.version, now.sha256)]
    last = past[-1]
    if not same or same[-1] is not last:
        return Comparison(last.scanned, now, (), (), (), Response.NOT_EVALUABLE, WhyNot.OTHER_MODEL)
    whole = [one for one in same if not one.cut_off]
    if now.cut_off or not whole:
        return Comparison(last.scanned, now, (), (), (), Response.NOT_EVALUABLE, WhyNot.CUT_OFF)
    last = whole[-1]
    pairs = _pairs(last.lesions, now.lesions)
    tracked = replace(now, lesions=tuple(_tracked(lesion, pairs.get(lesion.number)) for lesion in now.lesions))
    new = tuple(one.number for one in now.lesions if one.number not in pairs and one.category != lowest)
    matched = {before.number for before in pairs.values()}
    gone = tuple(one.tracking_uid for one in last.lesions if one.number not in matched and one.category != lowest)
    response, why_not, sums = _response([*whole, tracked], bool(new), lowest)
    return Comparison(
        since=last.scanned,
        findings=tracked,
        changes=tuple(_change(one, pairs[one.number]) for one in now.lesions if one.number in pairs),
        new=new,
        gone=gone,
        response=response,
        why_not=why_not,
        sum_mm=sums[-1] if sums else 0.0,
        first_mm=sums[0] if sums else 0.0,
        smallest_mm=min(sums[:-1]) if len(sums) > 1 else 0.0,
        organ_ml=_difference(now.organ_ml, last.organ_ml),
        duct_mm=_difference(now.duct_mm, last.duct_mm),
    )


def _pairs(before: Sequence[Lesion], now: Sequence[Lesion]) -> dict[int, Lesion]:
    """Number in this scan -> lesion of the last one: the assignment that moves lesions least within the organ."""
    if not before or not now:
        return {}
    then, here = (np.array([one.offset for one in lesions]) for lesions in (before, now))
    apart = np.linalg.norm(here[:, None] - then[None], axis=2)
    # a large lesion's centre moves when it grows to one side
    reach = np.array([[_NEAR_MM + max(a.longest_mm, b.longest_mm) / 2 for b in before] for a in now])
    rows, columns = linear_sum_assignment(np.where(apart <= reach, apart, 1e6))
    return {
        now[row].number: before[column]
        for row, column in zip(rows, columns, strict=True)
        if apart[row, column] <= reach[row, column]
    }


def _tracked(lesion: Lesion, before: Lesion | None) -> Lesion:
    if before is None:
        return lesion
    return replace(lesion, tracking_uid=before.tracking_uid, tracking_id=before.tracking_id)


def _change(now: Lesion, before: Lesion) -> Change:
    longer, larger = now.longest_mm - before.longest_mm, now.volume_ml - before.volume_ml
    return Change(
        now.number, before.number, longer, larger, longer / before.longest_mm, larger / max(before.volume_ml, 1e-9)
    )


def _response(points: Sequence[Findings], new: bool, lowest: str) -> tuple[Response, WhyNot | None, list[float]]:
    """The category, why there is none, and the targets' sums of all time points."""
    targets = _targets(points[0], lowest)
    if not targets:
        return Response.NOT_EVALUABLE, WhyNot.NO_TARGET, []
    sums: list[float] = []
    for point in points:
        found = {one.tracking_uid: one.longest_mm for one in point.lesions}
        if any(uid not in found for uid in targets):
            if point is points[-1]:
                # a new lesion is progression whatever became of the others
                if new:
                    return Response.PROGRESSION, None, []
                return Response.NOT_EVALUABLE, WhyNot.NOT_FOUND, []
            continue
        sums.append(sum(found[uid] for uid in targets))
    if new:
        return Response.PROGRESSION, None, sums
    now, first, smallest = sums[-1], sums[0], min(sums[:-1])
    grown = now - smallest
    if grown >= PROGRESSION_SHARE * smallest - 1e-9 and grown >= PROGRESSION_MM - 1e-9:
        return Response.PROGRESSION, None, sums
    if first - now >= RESPONSE_SHARE * first - 1e-9:
        return Response.RESPONSE, None, sums
    return Response.STABLE, None, sums


def _targets(first: Findings, lowest: str) -> list[str]:
    """Tracking identifiers of the largest measurable lesions of the first scan."""
    smallest = max(_SMALLEST_MM, _SLICES * first.slice_mm if first.slice_mm > _THICK_MM else 0.0)
    fit = [one for one in first.lesions if one.longest_mm >= smallest and one.category != lowest]
    fit.sort(key=lambda one: -one.longest_mm)
    return [one.tracking_uid for one in fit[:_MOST_TARGETS]]


def _difference(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else now - before
