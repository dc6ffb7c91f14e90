"""Is a model as right for some as for others? Gaps between each group and everybody else, held to the charter's limits.

Many groups are looked at, each in several ways, so one of them is off by chance more often than one in twenty times.
The verdict asks for an interval as much wider as there are tests (Bonferroni); the interval told is the usual one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from scipy.special import ndtri

from cds.committee.charter import Charter
from cds.committee.cohort import Target
from cds.committee.findings import Finding, off_one, rising
from cds.measures import fairness
from cds.measures.estimate import COVERAGE, Estimate, Flags, Measured, Z
from cds.measures.fairness import GroupGap
from cds.measures.scored import Scored

_JUDGED = ("sensitivity", "ppv", "auc")
_AT_THRESHOLD = ("sensitivity", "ppv", "alert-rate")


def gaps_of(
    model: str, people: Scored, groups: Mapping[str, Mapping[str, Flags]], target: Target, charter: Charter
) -> list[Finding]:
    threshold = target.threshold if target.threshold is not None else math.inf
    found: list[tuple[str, GroupGap]] = []
    for name, parts in groups.items():
        for gap in fairness.gaps(people, parts, threshold, cell=charter.minimum.cell, chance=target.chance):
            found.append((f"{name}: {gap.group}", gap))
    told = [
        (about, measure, result, gap.explained.get(measure))
        for about, gap in found
        for measure, result in gap.gaps.items()
        if target.threshold is not None or measure not in _AT_THRESHOLD
    ]
    tests = sum(isinstance(result, Estimate) and measure != "alert-rate" for _, measure, result, _ in told)
    return [_judged(model, *one, tests, charter) for one in told]


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
