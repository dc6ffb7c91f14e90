"""Shares and their differences, with intervals that hold for few people and for shares near 0 and 1."""

from __future__ import annotations

import math

import numpy as np

from cds.measures.estimate import Array, Estimate, Flags, Z, effective


def wilson_counts(count: float, n: float, *, people: int | None = None, events: int | None = None) -> Estimate:
    """Wilson's score interval (Wilson 1927). ``n`` may be an effective number; raises ValueError when it is not
    above 0."""
    if n <= 0:
        raise ValueError("a share of nobody")
    share, square = count / n, Z * Z
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = Z / (1 + square / n) * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    lower = 0.0 if count <= 0 else max(0.0, centre - half)
    upper = 1.0 if count >= n else min(1.0, centre + half)
    return Estimate(
        share, lower, upper, round(n) if people is None else people, round(count) if events is None else events
    )


def wilson(event: Flags, weight: Array) -> Estimate:
    """The weighted share, its interval by the effective number of people. Raises ValueError for nobody."""
    known = weight > 0
    if not known.any():
        raise ValueError("a share of nobody")
    share, n = float(np.average(event[known], weights=weight[known])), effective(weight[known])
    return wilson_counts(share * n, n, people=int(known.sum()), events=int((event & known).sum()))


def difference(one: Estimate, other: Estimate) -> Estimate:
    """``one`` - ``other`` of two groups that share nobody, from their own intervals (Newcombe 1998, Stat Med 17:873,
    method 10; Zou 2008, Stat Med 27:1693 for estimates that are no shares)."""
    value = one.value - other.value
    lower = value - math.hypot(one.value - one.lower, other.upper - other.value)
    upper = value + math.hypot(one.upper - one.value, other.value - other.lower)
    return Estimate(value, lower, upper, one.n + other.n, one.events + other.events)


def ratio(one: Estimate, other: Estimate) -> Estimate | None:
    """``one`` / ``other``, as ``difference`` on the logarithms; None where either may be 0."""
    if min(one.lower, other.lower) <= 0:
        return None
    logs = [Estimate(math.log(e.value), math.log(e.lower), math.log(e.upper), e.n, e.events) for e in (one, other)]
    found = difference(*logs)
    return Estimate(math.exp(found.value), math.exp(found.lower), math.exp(found.upper), found.n, found.events)
