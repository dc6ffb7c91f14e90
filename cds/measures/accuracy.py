"""How far predictions lie from what happened: Brier score at one horizon, and integrated over time.

Weighted for censoring as in Graf 1999 (Stat Med 18:2529); intervals from the spread of people's own contributions,
the weights taken as known.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import trapezoid

from cds.measures.censoring import Followed, at_horizon
from cds.measures.estimate import (
    VALIDATION,
    Estimate,
    Measured,
    Minimum,
    NotEstimable,
    plain_interval,
)
from cds.measures.scored import Scored


def brier(people: Scored, minimum: Minimum = VALIDATION) -> Measured:
    """Mean squared distance between predicted chance and outcome: 0 is perfect; who always says the share of events
    gets share x (1 - share)."""
    if lacking := minimum.lacking(people.n, people.events):
        return lacking
    errors, total = np.square(people.risk - people.event), float(people.weight.sum())
    value = float((people.weight * errors).sum()) / total
    error = math.sqrt(float(np.square(people.weight * (errors - value)).sum())) / total
    return _told(value, error, people)


def scaled_brier(people: Scored, minimum: Minimum = VALIDATION) -> Measured:
    """1 - Brier / Brier of always saying the share of events: 1 is perfect, 0 no better than that, below 0 worse."""
    if lacking := minimum.lacking(people.n, people.events):
        return lacking
    total = float(people.weight.sum())
    share = float((people.weight * people.event).sum()) / total
    reference = share * (1 - share)
    if reference == 0:
        return NotEstimable("everybody has the same outcome")
    errors, spread = np.square(people.risk - people.event), np.square(share - people.event)
    value = 1 - float((people.weight * errors).sum()) / (total * reference)
    # of a ratio of two means over the same people
    influence = people.weight * (errors - (1 - value) * spread) / (total * reference)
    error = math.sqrt(float(np.square(influence).sum()))
    return plain_interval(value, error, people.n, people.events)


def integrated_brier(
    risk: NDArray[np.float64], times: Any, people: Followed, minimum: Minimum = VALIDATION
) -> Measured:
    """Brier score averaged over ``times`` (months, rising; trapezoids). ``risk``: [people, times], the predicted chance
    of the event by each time."""
    grid = np.asarray(times, dtype=np.float64)
    if risk.shape != (len(people), len(grid)) or len(grid) < 2 or (np.diff(grid) <= 0).any():
        raise ValueError("risk must be [people, times], and the times must rise")
    if lacking := minimum.lacking(len(people), int(people.event.sum())):
        return lacking
    if people.months.max() < grid[-1]:
        return NotEstimable(f"nobody was followed for {grid[-1]:g} months")
    own = np.empty_like(risk)
    for column, months in enumerate(grid):
        scored = at_horizon(risk[:, column], people, float(months))
        own[:, column] = scored.weight * np.square(scored.risk - scored.event)
    each = trapezoid(own, grid, axis=1) / (grid[-1] - grid[0])
    value, error = float(each.mean()), float(each.std(ddof=1)) / math.sqrt(len(each))
    return _told(value, error, Scored(risk[:, -1], people.event, np.ones(len(people))))


def _told(value: float, error: float, people: Scored) -> Estimate:
    found = plain_interval(value, error, people.n, people.events)
    return Estimate(found.value, max(0.0, found.lower), found.upper, found.n, found.events)
