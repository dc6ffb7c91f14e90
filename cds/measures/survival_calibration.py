"""Predicted against observed survival at 6, 12 and 24 months.

Observed is Kaplan-Meier. Slope and curve need an outcome a person, which censoring takes from some: they get jackknife
pseudo-values of the chance of the event (Andersen 2010, Stat Methods Med Res 19:71; Royston 2014, Stata J 14:738).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cds.measures import splines
from cds.measures.censoring import Followed, free_of_event, kaplan_meier
from cds.measures.estimate import (
    CURVE,
    VALIDATION,
    Array,
    Estimate,
    Measured,
    Minimum,
    NotEnough,
    NotEstimable,
    Z,
    as_floats,
    log_interval,
    plain_interval,
)

MILESTONES = (6.0, 12.0, 24.0)
"""Months."""
_LEAST = 1e-6
_STEPS, _CLOSE = 100, 1e-10


@dataclass(frozen=True)
class Milestone:
    """At one time: what was predicted on average, what happened, and how they compare."""

    months: float
    predicted: float
    """Mean predicted share alive."""
    observed: Measured
    """Kaplan-Meier share alive."""
    ratio: Measured
    """Observed over expected deaths by then."""
    slope: Measured
    groups: tuple[tuple[float, Estimate], ...]
    """(mean predicted, observed) share alive, by groups of about equal prediction; only those with enough people."""
    index: Measured
    """Mean distance of predicted from observed chance, by a smooth curve: the integrated calibration index."""


def milestone(
    alive: Any,
    people: Followed,
    months: float,
    minimum: Minimum = VALIDATION,
    flexible: Minimum = CURVE,
    groups: int = 5,
) -> Milestone:
    """``alive``: each one's predicted chance to live ``months`` or longer."""
    predicted = as_floats(alive)
    if (predicted < 0).any() or (predicted > 1).any() or len(predicted) != len(people):
        raise ValueError("a chance to live is between 0 and 1, one a person")
    events = int((people.event & (people.months <= months)).sum())
    lacking = minimum.lacking(len(people), events)
    observed = free_of_event(people, months)
    usable = isinstance(observed, Estimate)
    refusal = lacking or (None if usable else observed)
    mean = float(predicted.mean()) if len(predicted) else math.nan
    if refusal is not None or not isinstance(observed, Estimate):
        why = refusal or NotEnough("people", len(people), minimum.people)
        return Milestone(months, mean, observed, why, why, (), why)
    pseudo = pseudo_values(people, months)
    return Milestone(
        months,
        mean,
        observed,
        _ratio(observed, mean),
        _slope(1 - predicted, pseudo, events),
        _groups(predicted, people, months, groups),
        flexible.lacking(len(people), events) or _index(1 - predicted, pseudo, events),
    )


def _ratio(observed: Estimate, mean: float) -> Measured:
    dead = 1 - observed.value
    if dead <= 0 or mean >= 1:
        return NotEstimable("nobody died, or no death was predicted")
    # half the width of Kaplan-Meier's interval, on the scale of the dead
    error = (observed.upper - observed.lower) / (2 * Z) / dead
    return log_interval(dead / (1 - mean), error, observed.n, observed.events)


def _groups(alive: Array, people: Followed, months: float, count: int) -> tuple[tuple[float, Estimate], ...]:
    edges = np.unique(np.quantile(alive, np.linspace(0, 1, count + 1)[1:-1]))
    place = np.searchsorted(edges, alive, side="right")
    found = []
    for group in np.unique(place):
        observed = free_of_event(people.where(place == group), months)
        if isinstance(observed, Estimate):
            found.append((float(alive[place == group].mean()), observed))
    return tuple(found)


def pseudo_values(people: Followed, months: float) -> Array:
    """Each one's pseudo-value of the chance of the event by ``months``: n F - (n - 1) F without him. Without censoring
    it is 1 or 0."""
    n = len(people)
    curve = kaplan_meier(people)
    steps = curve.at[curve.at <= months]
    if not len(steps):
        return np.zeros(n)
    at_risk = (n - np.searchsorted(np.sort(people.months), steps, side="left")).astype(float)
    events = np.sort(people.months[people.event])
    ended = (np.searchsorted(events, steps, "right") - np.searchsorted(events, steps, "left")).astype(float)
    # without him: the steps before his time lose him from those at risk, his own step loses him altogether, the
    # later ones stay as they are
    before = np.concatenate([[1.0], np.cumprod(1 - ended / np.maximum(at_risk - 1, ended))])
    after = np.concatenate([np.cumprod((1 - ended / at_risk)[::-1])[::-1], [1.0]])
    first = np.searchsorted(steps, people.months, side="left")
    last = np.searchsorted(steps, people.months, side="right")
    own = np.ones(n)
    at_step = last > first
    place = first[at_step]
    left = at_risk[place] - 1
    gone = ended[place] - people.event[at_step]
    own[at_step] = np.where(left > 0, 1 - gone / np.maximum(left, 1), 1.0)
    without = before[first] * own * after[last]
    whole = float(curve(months))
    found: Array = 1 - (n * whole - (n - 1) * without)
    return found


def _slope(risk: Array, pseudo: Array, events: int) -> Measured:
    """Of the complementary log-log of the predicted chance: 1 is right (Royston 2014)."""
    x = _cloglog(risk)
    if np.ptp(x) < 1e-9:
        return NotEstimable("all predictions are equal")
    fit = _least_squares(np.column_stack([np.ones(len(x)), x]), pseudo)
    if fit is None:
        return NotEstimable("the pseudo-values allow no slope")
    return plain_interval(float(fit[0][1]), math.sqrt(float(fit[1][1, 1])), len(x), events)


def _index(risk: Array, pseudo: Array, events: int, repeats: int = 100, seed: int = 0) -> Measured:
    x = _cloglog(risk)
    if np.ptp(x) < 1e-9:
        return NotEstimable("all predictions are equal")
    design = splines.design(x, splines.knots_of(x))
    fit = _least_squares(design, pseudo)
    if fit is None:
        return NotEstimable("the pseudo-values allow no curve")
    value = float(np.abs(_chance(design @ fit[0]) - risk).mean())
    random, again = np.random.default_rng(seed), list[float]()
    for _ in range(repeats):
        drawn = random.integers(0, len(x), len(x))
        found = _least_squares(design[drawn], pseudo[drawn], start=fit[0])
        if found is not None:
            again.append(float(np.abs(_chance(design[drawn] @ found[0]) - risk[drawn]).mean()))
    lower, upper = np.quantile(again, (0.025, 0.975)) if again else (value, value)
    return Estimate(value, min(float(lower), value), max(float(upper), value), len(x), events)


def _least_squares(
    design: NDArray[np.float64], pseudo: Array, start: Array | None = None
) -> tuple[Array, NDArray[np.float64]] | None:
    """Estimating equations with complementary log-log link and independence, by damped Gauss-Newton; the coefficients
    and their sandwich covariance. None where it does not settle."""
    if start is None:
        start = np.zeros(design.shape[1])
        start[:2] = _cloglog(np.array([min(max(float(pseudo.mean()), 0.01), 0.99)]))[0], 0.0
    coefficients, damping = start.copy(), 1e-8
    error = _squares(design, pseudo, coefficients)
    for _ in range(_STEPS):
        eta = design @ coefficients
        slope = _derivative(eta)[:, None] * design
        gradient = slope.T @ (pseudo - _chance(eta))
        square = slope.T @ slope
        moved = coefficients + np.linalg.solve(square + damping * np.eye(len(square)), gradient)
        worse = _squares(design, pseudo, moved)
        if not math.isfinite(worse) or worse > error * (1 + 1e-12):
            damping = max(damping * 10, 1e-6)
            if damping > 1e8:
                return None
            continue
        settled = abs(error - worse) <= _CLOSE * max(1.0, error)
        coefficients, error, damping = moved, worse, damping / 10
        if settled:
            break
    eta = design @ coefficients
    slope = _derivative(eta)[:, None] * design
    square = slope.T @ slope
    if np.linalg.cond(square) > 1e13:
        return None
    bread = np.linalg.inv(square)
    scores = slope * (pseudo - _chance(eta))[:, None]
    return coefficients, bread @ (scores.T @ scores) @ bread


def _squares(design: NDArray[np.float64], pseudo: Array, coefficients: Array) -> float:
    return float(np.square(pseudo - _chance(design @ coefficients)).sum())


def _cloglog(risk: Array) -> Array:
    found: Array = np.log(-np.log1p(-np.clip(risk, _LEAST, 1 - _LEAST)))
    return found


def _chance(eta: Array) -> Array:
    found: Array = -np.expm1(-np.exp(np.clip(eta, -30, 5)))
    return found


def _derivative(eta: Array) -> Array:
    capped = np.clip(eta, -30, 5)
    found: Array = np.exp(capped - np.exp(capped))
    return found
