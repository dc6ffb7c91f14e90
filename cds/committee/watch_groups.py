"""Is a model as right for some as for others? Gaps between each group and everybody else, held to the charter's limits.

Many groups are looked at, each in several ways, so one of them is off by chance more often than one in twenty times.
The verdict asks for an interval as much wider as there are tests (Bonferroni); the interval told is the usual one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.special import ndtri

from cds.committee.charter import Charter
from cds.committee.cohort import UNKNOWN, Target
from cds.committee.findings import Finding, off_one, rising
from cds.measures import fairness
from cds.measures.estimate import COVERAGE, Estimate, Flags, Measured, NotEnough, NotEstimable, Z
from cds.measures.fairness import GroupGap
from cds.measures.proportions import wilson_counts
from cds.measures.scored import Scored

_JUDGED = ("sensitivity", "ppv", "auc")
_AT_THRESHOLD = ("sensitivity", "ppv", "alert-rate")


def gaps_of(
    model: str, people: Scored, groups: Mapping[str, Mapping[str, Flags]], target: Target, charter: Charter
) -> list[Finding]:
    threshold = target.threshold if target.threshold is not None else math.inf
    found: list[tuple[str, GroupGap]] = []
    unknown: list[Finding] = []
    rounded: set[str] = set()
    for name, parts in groups.items():
        known = np.ones(len(people.risk), dtype=bool)
        nobodys: tuple[GroupGap, ...] = ()
        if UNKNOWN in parts:
            known = ~parts[UNKNOWN]
            unknown.append(_not_known(name, people, parts[UNKNOWN], charter))
            nobodys = fairness.gaps(
                people, {UNKNOWN: parts[UNKNOWN]}, threshold, cell=charter.minimum.cell, chance=target.chance
            )
        told_apart = {g: flags[known] for g, flags in parts.items() if g != UNKNOWN and not flags[known].all()}
        some = people.where(known)
        gaps = fairness.gaps(some, told_apart, threshold, cell=charter.minimum.cell, chance=target.chance)
        mine = [(f"{name}: {gap.group}", gap) for gap in _hidden(gaps, nobodys, charter.minimum.cell)]
        rounded |= {about for about, _ in mine if nobodys}
        found += mine
    told = [
        (about, measure, result, gap.explained.get(measure))
        for about, gap in found
        for measure, result in gap.gaps.items()
        if target.threshold is not None or measure not in _AT_THRESHOLD
    ]
    tests = sum(isinstance(result, Estimate) and measure != "alert-rate" for _, measure, result, _ in told)
    judged = [_judged(model, *one, tests, charter) for one in told]
    return [*(_rounded(one, charter.minimum.cell) if one.about in rounded else one for one in judged), *unknown]


def _hidden(gaps: Sequence[GroupGap], unknown: Sequence[GroupGap], cell: int) -> list[GroupGap]:
    """Where a group lacks people for a measure, how many it has is told only if no group's such number is below the
    smallest cell, nor that of those of unknown group: else it is the whole less the others."""
    few = {m for g in gaps for m, found in g.gaps.items() if isinstance(found, NotEnough) and 0 < found.have < cell}
    for one in unknown:
        few |= {m for m, found in one.measures.items() if isinstance(found, NotEnough) and 0 < found.have < cell}
        few |= one.measures.keys() if one.n is None else set()
    return [
        replace(gap, gaps={m: _without_count(found) if m in few else found for m, found in gap.gaps.items()})
        for gap in gaps
    ]


def _without_count(found: Measured) -> Measured:
    return NotEstimable(f"{found.need} {found.what} needed") if isinstance(found, NotEnough) else found


def _rounded(found: Finding, cell: int) -> Finding:
    """Counted to the nearest of the smallest cell: the whole less these would be those of unknown group."""
    if not isinstance(found.result, Estimate):
        return found
    n, events = (round(count / cell) * cell for count in (found.result.n, found.result.events))
    return replace(found, result=replace(found.result, n=n, events=events), detail={**found.detail, "rounded": cell})


def _not_known(name: str, people: Scored, flags: Flags, charter: Charter) -> Finding:
    """How many are in no group because nobody knows which is theirs; no limit holds for it, and no number below the
    smallest cell is told."""
    count, of, need = people.where(flags).n, people.n, charter.minimum.share
    result: Measured
    if of < need:
        result = NotEnough("people", of, need)
    elif 0 < count < charter.minimum.cell or 0 < of - count < charter.minimum.cell:
        result = NotEstimable(f"fewer than {charter.minimum.cell} people")
    else:
        result = wilson_counts(count, of)
    return Finding("group_unknown", name, result)


def _judged(
    model: str, about: str, measure: str, result: Measured, explained: float | None, tests: int, charter: Charter
) -> Finding:
    name, limits = f"gap_{measure}", charter.limits_of(model, "gap")
    # ranking differs between groups whose risks are spread differently: without chances nobody can say how much
    unexplained = measure == "auc" and explained is None
    if not isinstance(result, Estimate) or unexplained or measure not in (*_JUDGED, "observed-expected"):
        return Finding(name, about, result)
    if measure == "observed-expected":
        held = off_one(name, about, _wider_ratio(result, tests), charter.limits_of(model, "ratio"))
    else:
        # lower is worse: judged by how far it lies below the others
        held = rising(name, about, _below(_wider(result, tests), explained or 0.0), limits)
    told = {"tests": tests} | ({"explained": explained} if explained is not None else {})
    return Finding(name, about, result, held.level, held.limit, told)


def _below(gap: Estimate, explained: float) -> Estimate:
    """``explained``: the gap there would be if everybody's chance were right."""
    return Estimate(explained - gap.value, explained - gap.upper, explained - gap.lower, gap.n, gap.events)


def _factor(tests: int) -> float:
    """By how much wider than usual an interval is of which, of so many, one may be beyond by chance as often as one
    alone. One side each: of two groups, one is below by as much as the other is above."""
    return max(1.0, -float(ndtri((1 - COVERAGE) / max(1, tests))) / Z)


def _wider(found: Estimate, tests: int) -> Estimate:
    factor = _factor(tests)
    lower, upper = (found.value + factor * (x - found.value) for x in (found.lower, found.upper))
    return Estimate(found.value, lower, upper, found.n, found.events)


def _wider_ratio(found: Estimate, tests: int) -> Estimate:
    factor = _factor(tests)
    lower, upper = (found.value * (x / found.value) ** factor for x in (found.lower, found.upper))
    return Estimate(found.value, lower, upper, found.n, found.events)
