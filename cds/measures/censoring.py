"""Follow-up that ends before the horizon: Kaplan-Meier, and the weights by which those seen stand for those lost.

Inverse probability of censoring weighting (Robins 1993; Graf 1999, Stat Med 18:2529). It assumes that who is lost is
like who stays. Times are months from the prediction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cds.measures.estimate import Array, Estimate, Flags, NotEnough, Z, as_floats
from cds.measures.scored import Scored


@dataclass(frozen=True)
class Followed:
    """People, how long each was seen, and whether the event ended it."""

    months: Array
    event: Flags

    def __len__(self) -> int:
        return len(self.months)

    def where(self, chosen: Flags | NDArray[np.intp]) -> Followed:
        return Followed(self.months[chosen], self.event[chosen])


def followed(months: Any, event: Any) -> Followed:
    """Raises ValueError when the lengths differ or a time is negative or not finite."""
    found, ended = as_floats(months), np.asarray(event).astype(bool)
    if len(found) != len(ended) or (found < 0).any():
        raise ValueError("months and event must have one value a person, and no time may be negative")
    return Followed(found, ended)


@dataclass(frozen=True)
class Steps:
    """A survival function: 1 before the first of ``at``, then ``value``."""

    at: Array
    value: Array
    variance: Array
    """Greenwood's sum at each step: of the logarithm of the value."""

    def __call__(self, months: Any) -> Array:
        """The value at each time."""
        return self._look(months, "right")

    def before(self, months: Any) -> Array:
        """The value just before each time."""
        return self._look(months, "left")

    def error(self, months: float) -> float:
        """Greenwood's standard error of the value at that time."""
        value, passed = float(self(months)), int(np.searchsorted(self.at, months, side="right"))
        return value * math.sqrt(self.variance[passed - 1]) if passed and value > 0 else 0.0

    def _look(self, months: Any, side: Any) -> Array:
        padded = np.concatenate([[1.0], self.value])
        found: Array = padded[np.searchsorted(self.at, np.asarray(months, dtype=np.float64), side=side)]
        return found


def kaplan_meier(people: Followed) -> Steps:
    """The share free of the event (Kaplan 1958)."""
    return _product_limit(people.months, people.event, people.months)


def censored_share(people: Followed) -> Steps:
    """The share still under observation. At a tie the event comes first, so it is at risk of being lost no more."""
    lost = ~people.event
    times = np.unique(people.months[lost])
    # at a time when some have the event and some are lost, those with the event have left the risk set
    at_risk = np.array(len(people) - np.searchsorted(np.sort(people.months), times, side="left"), dtype=np.float64)
    events = np.sort(people.months[people.event])
    at_risk -= np.searchsorted(events, times, side="right") - np.searchsorted(events, times, side="left")
    return _steps(times, _counts(people.months[lost], times), at_risk)


def _product_limit(months: Array, event: Flags, all_months: Array) -> Steps:
    times = np.unique(months[event])
    at_risk = np.array(len(all_months) - np.searchsorted(np.sort(all_months), times, side="left"), dtype=np.float64)
    return _steps(times, _counts(months[event], times), at_risk)


def _counts(months: Array, times: Array) -> Array:
    ordered = np.sort(months)
    found: Array = (np.searchsorted(ordered, times, "right") - np.searchsorted(ordered, times, "left")).astype(float)
    return found


def _steps(times: Array, ended: Array, at_risk: Array) -> Steps:
    stay = 1 - ended / at_risk
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(ended / (at_risk * (at_risk - ended)))
    return Steps(times, as_floats(np.cumprod(stay)), greenwood)


def free_of_event(people: Followed, months: float, need: int = 10) -> Estimate | NotEnough:
    """Share free of the event at ``months``, with the log-log interval. Told only while ``need`` people or more are
    still under observation: the tail of a Kaplan-Meier curve is a handful of people."""
    seen = int((people.months >= months).sum())
    events = int((people.event & (people.months <= months)).sum())
    if seen < need:
        return NotEnough(f"people under observation at {months:g} months", seen, need)
    curve = kaplan_meier(people)
    value, step = float(curve(months)), int(np.searchsorted(curve.at, months, side="right")) - 1
    if step < 0 or value >= 1:  # no event yet: the rule of three's exact form
        return Estimate(1.0, float(0.025 ** (1 / seen)), 1.0, len(people), events)
    spread = Z * math.sqrt(curve.variance[step]) / math.log(value)
    lower, upper = sorted((value ** math.exp(spread), value ** math.exp(-spread)))
    return Estimate(value, lower, upper, len(people), events)


def at_horizon(risk: Any, people: Followed, months: float) -> Scored:
    """Who had the event by ``months`` and who did not, each weighted for those lost before."""
    risks, known = as_floats(risk), people.event & (people.months <= months)
    free = ~known & (people.months >= months)
    staying = censored_share(people)
    weight = np.zeros(len(people))
    weight[known] = 1 / staying.before(people.months[known])
    if free.any():  # somebody lost exactly at the horizon was seen up to it
        weight[free] = 1 / float(staying.before(months))
    return Scored(risks, known, weight)
