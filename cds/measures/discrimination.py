"""Does a higher prediction mean a higher chance? The area under the ROC curve at one horizon.

DeLong's variance (DeLong 1988, Biometrics 44:837), from midranks (Sun 2014, IEEE Signal Process Lett 21:1389) and with
weights. With the weights of ``censoring`` it is the cumulative/dynamic AUC at that horizon (Uno 2007, J Am Stat Assoc
102:527); the weights are then taken as known.
"""

from __future__ import annotations

import math

import numpy as np

from cds.measures.estimate import COVERAGE, VALIDATION, Array, Estimate, Measured, Minimum, logit_interval
from cds.measures.scored import Scored


def auc(people: Scored, minimum: Minimum = VALIDATION) -> Measured:
    """Chance that somebody with the event has the higher prediction than somebody without; ties count half."""
    people = people.known
    if lacking := Minimum(events=max(1, minimum.events), others=max(1, minimum.others)).lacking(
        people.n, people.events
    ):
        return lacking
    above, below = placements(people)
    cases, others = people.weight[people.event], people.weight[~people.event]
    value = float(np.average(above, weights=cases))
    error = math.sqrt(_variance(above, cases, value) + _variance(below, others, value))
    if error == 0 or not 0 < value < 1:
        return _at_the_edge(value, min(len(cases), len(others)), people)
    return logit_interval(value, error, people.n, people.events)


def expected_auc(people: Scored) -> float:
    """The AUC there would be if everybody's chance were right: each counts as one with the event by it, and as one
    without by the rest."""
    case, other = people.weight * people.risk, people.weight * (1 - people.risk)
    return float(np.average(_share_below(people.risk, people.risk, other), weights=case))


def placements(people: Scored) -> tuple[Array, Array]:
    """For each with the event, the share of those without whose prediction is lower; for each without, the share of
    those with whose prediction is higher. Ties count half."""
    cases, others = people.risk[people.event], people.risk[~people.event]
    case_weights, other_weights = people.weight[people.event], people.weight[~people.event]
    return _share_below(cases, others, other_weights), 1 - _share_below(others, cases, case_weights)


def _share_below(points: Array, among: Array, weights: Array) -> Array:
    order = np.argsort(among, kind="stable")
    ordered = among[order]
    running = np.concatenate([[0.0], np.cumsum(weights[order])])
    lower = running[np.searchsorted(ordered, points, side="left")]
    upper = running[np.searchsorted(ordered, points, side="right")]
    found: Array = (lower + upper) / (2 * running[-1])
    return found


def _variance(placed: Array, weights: Array, value: float) -> float:
    """Of the weighted mean; for equal weights S/m with DeLong's divisor m - 1."""
    m = len(placed)
    if m < 2:
        return 0.0
    spread = float(np.square(weights * (placed - value)).sum()) / float(weights.sum()) ** 2
    return spread * m / (m - 1)


def _at_the_edge(value: float, pairs: int, people: Scored) -> Estimate:
    """Perfect separation has no variance, and yet is not certain: at worst the chance that so many independent pairs
    all agree, from the exact binomial interval."""
    slack = (1 - COVERAGE) / 2
    room = 1 - slack ** (1 / pairs)
    lower, upper = (value - room, 1.0) if value >= 0.5 else (0.0, value + room)
    return Estimate(value, max(0.0, lower), min(1.0, upper), people.n, people.events)
