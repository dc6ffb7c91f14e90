"""What a threshold means at work: whom it flags, how many of them rightly, whom it misses, and whether it pays.

Net benefit is that of decision curves (Vickers 2006, Med Decis Making 26:565): at threshold t, one missed event weighs
as much as (1 - t) / t needless work-ups.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cds.measures.estimate import (
    SHARE,
    VALIDATION,
    Array,
    Estimate,
    Flags,
    Measured,
    Minimum,
    NotEnough,
    plain_interval,
)
from cds.measures.proportions import wilson
from cds.measures.scored import Scored


@dataclass(frozen=True)
class AtThreshold:
    threshold: float
    flagged: Measured
    """Share of all."""
    ppv: Measured
    """Share of the flagged who have the event."""
    npv: Measured
    """Share of those not flagged who don't."""
    sensitivity: Measured
    """Share of those with the event who are flagged."""
    specificity: Measured
    evaluate: Measured
    """Number needed to evaluate: how many are flagged for one who has the event."""
    benefit: Measured | None
    """Net true positives per person; None where the threshold is not a chance."""
    over_all: Measured | None
    """Net benefit over flagging everybody."""
    missed: int
    """Events among those not flagged, as counted."""


def at_threshold(
    people: Scored, threshold: float, share: Minimum = SHARE, minimum: Minimum = VALIDATION, *, benefits: bool = True
) -> AtThreshold:
    """Flagged: predicted at or above ``threshold``. ``benefits``: it is a chance, so net benefit has a meaning."""
    people = people.known
    flag = people.risk >= threshold
    return AtThreshold(
        threshold,
        _share(flag, people.weight, share),
        ppv := _share(people.event[flag], people.weight[flag], share),
        _share(~people.event[~flag], people.weight[~flag], share),
        _share(flag[people.event], people.weight[people.event], share),
        _share(~flag[~people.event], people.weight[~people.event], share),
        needed_to_evaluate(ppv),
        net_benefit(people, threshold, minimum) if benefits else None,
        _benefit(people, threshold, minimum, over_all=True) if benefits else None,
        int((people.event & ~flag).sum()),
    )


def needed_to_evaluate(ppv: Measured) -> Measured:
    """1 / PPV. Its upper limit is infinite where the PPV's lower one is 0."""
    if not isinstance(ppv, Estimate):
        return ppv
    value, lower, upper = (1 / x if x > 0 else math.inf for x in (ppv.value, ppv.upper, ppv.lower))
    return Estimate(value, lower, upper, ppv.n, ppv.events)


def net_benefit(people: Scored, threshold: float, minimum: Minimum = VALIDATION) -> Measured:
    """True positives per person, less false positives at the threshold's odds. ``threshold``: a chance, 0 to 1."""
    return _benefit(people, threshold, minimum, over_all=False)


def _benefit(people: Scored, threshold: float, minimum: Minimum, *, over_all: bool) -> Measured:
    if not 0 < threshold < 1:
        raise ValueError("net benefit needs a threshold that is a chance, between 0 and 1")
    if lacking := minimum.lacking(people.n, people.events):
        return lacking
    worth = np.where(people.event, 1.0, -threshold / (1 - threshold))
    flag = people.risk >= threshold
    each = people.weight * worth * (flag.astype(float) - 1.0 if over_all else flag)
    # the weights' mean is 1 by their making, and dividing by it keeps sums of rounded weights honest
    total = float(people.weight.sum())
    value = float(each.sum()) / total
    error = math.sqrt(float(np.square(each - people.weight * value).sum())) / total
    return plain_interval(value, error, people.n, people.events)


def _share(event: Flags, weight: Array, minimum: Minimum) -> Measured:
    n = int((weight > 0).sum())
    if n < max(1, minimum.people):
        return NotEnough("people", n, max(1, minimum.people))
    return wilson(event, weight)
