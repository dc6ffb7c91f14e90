"""Does "3 in 100" happen to 3 in 100? Calibration at one horizon, from weak to flexible.

Observed over expected (Debray 2017, BMJ 356:i6460), intercept and slope (Cox 1958), a flexible curve and its mean
distance from the diagonal (integrated calibration index; Austin 2019, Stat Med 38:4051). The index is never negative,
so a perfect model has one above 0, too: what it would be is told beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from cds.measures import splines
from cds.measures.estimate import (
    CURVE,
    VALIDATION,
    Array,
    Estimate,
    Measured,
    Minimum,
    NotEstimable,
    Refusal,
    Z,
    log_interval,
    plain_interval,
)
from cds.measures.logistic import Fit, logistic
from cds.measures.proportions import wilson
from cds.measures.scored import Scored

_LEAST = 1e-6
"""A predicted 0 or 1 has no logit: it is taken for one in a million."""
_REPEATS = 200
_ALIKE = NotEstimable("all predictions are equal")
_SEPARATED = NotEstimable("the predictions separate those with the event from the others, or nearly so")


def observed_expected(people: Scored, minimum: Minimum = VALIDATION) -> Measured:
    """Events that happened over events that were predicted: above 1, risk is underestimated."""
    if lacking := minimum.lacking(people.n, people.events):
        return lacking
    total = float(people.weight.sum())
    observed, expected = float((people.weight * people.event).sum()), float((people.weight * people.risk).sum())
    if expected <= 0 or observed <= 0:
        return NotEstimable("no event happened or none was predicted")
    share = observed / total
    deviation = people.weight * (people.event - share)
    error = math.sqrt(float(np.square(deviation).sum())) / total / share
    return log_interval(observed / expected, error, people.n, people.events)


def intercept(people: Scored, minimum: Minimum = VALIDATION) -> Measured:
    """Calibration in the large on the logit scale: 0 is right, above 0 risk is underestimated."""
    if lacking := minimum.lacking(people.n, people.events):
        return lacking
    fit = logistic(np.ones((len(people.risk), 1)), people.event.astype(float), people.weight, _logits(people.risk))
    return _SEPARATED if fit is None else _coefficient(fit, 0, people)


def slope(people: Scored, minimum: Minimum = VALIDATION) -> Measured:
    """1 is right; below 1 high predictions are too high and low ones too low, as of an overfitted model."""
    if lacking := minimum.lacking(people.n, people.events):
        return lacking
    logits = _logits(people.risk)
    if np.ptp(logits) < 1e-9:
        return _ALIKE
    design = np.column_stack([np.ones(len(logits)), logits])
    fit = logistic(design, people.event.astype(float), people.weight)
    return _SEPARATED if fit is None else _coefficient(fit, 1, people)


@dataclass(frozen=True)
class Group:
    """People of about the same prediction: what was predicted for them on average, and what happened."""

    predicted: float
    observed: Estimate


@dataclass(frozen=True)
class CalibrationCurve:
    predicted: Array
    observed: Array
    lower: Array
    upper: Array
    """Pointwise 95 % band."""
    groups: tuple[Group, ...]
    index: Estimate
    """Mean distance between predicted and observed."""
    index_if_perfect: float
    """The index that 19 of 20 perfectly calibrated models would stay below, of these predictions."""


def curve(people: Scored, minimum: Minimum = CURVE, seed: int = 0) -> CalibrationCurve | Refusal:
    """A logistic natural spline on the logit of the prediction, between the 1st and the 99th hundredth."""
    people = people.known
    if lacking := minimum.lacking(people.n, people.events):
        return lacking
    x = _logits(people.risk)
    if np.ptp(x) < 1e-9:
        return _ALIKE
    knots = splines.knots_of(x)
    design = splines.design(x, knots)
    fit = logistic(design, people.event.astype(float), people.weight)
    if fit is None:
        return _SEPARATED
    low, high = np.quantile(x, (0.01, 0.99))
    grid = np.linspace(low, high, 60)
    at = splines.design(grid, knots)
    line = at @ fit.coefficients
    error = np.sqrt(np.einsum("ij,jk,ik->i", at, fit.covariance, at))
    index = _index(design, fit, people)
    return CalibrationCurve(
        expit(grid),
        expit(line),
        expit(line - Z * error),
        expit(line + Z * error),
        groups(people),
        *_doubt(index, design, people, seed),
    )


def groups(people: Scored, most: int = 10) -> tuple[Group, ...]:
    """Tenths of the predictions, fewer where a tenth would have under 20 people; shares by Wilson's interval."""
    people = people.known
    count = max(1, min(most, people.n // 20))
    edges = np.unique(np.quantile(people.risk, np.linspace(0, 1, count + 1)[1:-1]))
    place = np.searchsorted(edges, people.risk, side="right")
    found = []
    for group in np.unique(place):
        members = people.where(place == group)
        observed = wilson(members.event, members.weight)
        found.append(Group(float(np.average(members.risk, weights=members.weight)), observed))
    return tuple(found)


def _index(design: Array, fit: Fit, people: Scored) -> float:
    distance = np.abs(expit(design @ fit.coefficients) - people.risk)
    return float(np.average(distance, weights=people.weight))


def _doubt(index: float, design: Array, people: Scored, seed: int) -> tuple[Estimate, float]:
    """The index's interval, by drawing people again; and its size were the model right, by drawing outcomes from it."""
    random = np.random.default_rng(seed)
    n, again, perfect = len(people.risk), list[float](), list[float]()
    for _ in range(_REPEATS):
        drawn = np.bincount(random.integers(0, n, n), minlength=n).astype(float)
        fit = logistic(design, people.event.astype(float), people.weight * drawn)
        if fit is not None:
            resampled = Scored(people.risk, people.event, people.weight * drawn)
            again.append(_index(design, fit, resampled))
        fit = logistic(design, (random.random(n) < people.risk).astype(float), people.weight)  # nosec B311
        if fit is not None:
            perfect.append(_index(design, fit, people))
    lower, upper = np.quantile(again, (0.025, 0.975)) if again else (index, index)
    estimate = Estimate(index, min(float(lower), index), max(float(upper), index), people.n, people.events)
    return estimate, float(np.quantile(perfect, 0.95)) if perfect else math.nan


def _coefficient(fit: Fit, column: int, people: Scored) -> Estimate:
    return plain_interval(float(fit.coefficients[column]), float(fit.errors[column]), people.n, people.events)


def _logits(risk: Array) -> Array:
    if (risk < 0).any() or (risk > 1).any():
        raise ValueError("calibration is of chances between 0 and 1")
    found: Array = logit(np.clip(risk, _LEAST, 1 - _LEAST))
    return found
