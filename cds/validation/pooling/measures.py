"""Discrimination and calibration from counts by score bin, each with a standard error.

People in one bin count as tied, so the AUC is a little low: at 50 bins by less than 0.003 (docs/validation-rounds.md
has the measurement). With censored outcomes the counts are weights (cds.validation.observed); their standard errors
take the weights as if they were known, which is a little too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from cds.validation.bins import Bin, Floats

FEWEST = 10
"""People with and without the event that a hospital needs for a figure of its own."""
_NEAREST = 1e-6


@dataclass(frozen=True)
class Estimate:
    """On the scale on which it is about normal: logit for an AUC, log for O/E, itself for a slope or an intercept."""

    value: float
    error: float


@dataclass(frozen=True)
class TooFew:
    """Said in place of a figure."""

    events: int
    others: int
    needed: int

    def __str__(self) -> str:
        if self.events < self.needed:
            return f"not enough data: {self.events} events, {self.needed} needed"
        return f"not enough data: {self.others} people without the event, {self.needed} needed"


def enough(bins: Sequence[Bin], needed: int = FEWEST) -> TooFew | None:
    events, others = sum(b.events for b in bins), sum(b.others for b in bins)
    return TooFew(events, others, needed) if min(events, others) < needed else None


def auc(bins: Sequence[Bin]) -> Estimate | TooFew:
    """Logit of the area, DeLong's variance with bins as ties."""
    if few := enough(bins):
        return few
    events, others = _weights(bins)
    below = _below(others)
    above = 1 - _below(events)
    value = float(np.sum(events * below))
    m, n = sum(b.events for b in bins), sum(b.others for b in bins)
    variance = float(np.sum(events * (below - value) ** 2)) / (m - 1) + float(np.sum(others * (above - value) ** 2)) / (
        n - 1
    )
    if not 0 < value < 1 or variance <= 0:
        # complete separation: no interval can be had from these counts
        value = min(max(value, 0.5 / m), 1 - 0.5 / m)
        variance = value * (1 - value) / min(m, n)
    return Estimate(float(logit(value)), math.sqrt(variance) / (value * (1 - value)))


def observed_to_expected(bins: Sequence[Bin], observed: tuple[float, float] | None) -> Estimate | TooFew:
    """Log of observed over expected events. ``observed``: (share, standard error) by Kaplan-Meier; None: as counted."""
    if few := enough(bins):
        return few
    people, expected = sum(b.people for b in bins), sum(b.score_sum for b in bins)
    if observed is None:
        share = sum(b.events for b in bins) / people
        error = math.sqrt(share * (1 - share) / people)
    else:
        share, error = observed
    if share <= 0 or expected <= 0:
        return TooFew(0, people, FEWEST)
    return Estimate(math.log(share * people / expected), error / share)


def slope(bins: Sequence[Bin]) -> tuple[Estimate, Estimate] | TooFew:
    """(slope, intercept) of a logistic regression of the outcome on the logit of each bin's mean score: 1 and 0 are
    right; a slope below 1 says that predictions are too extreme. Newton's method; two parameters."""
    if few := enough(bins):
        return few
    used = [b for b in bins if b.people and b.event_weight + b.other_weight > 0]
    x = logit(np.clip([b.score_sum / b.people for b in used], _NEAREST, 1 - _NEAREST))
    events = np.array([b.event_weight for b in used])
    total = events + np.array([b.other_weight for b in used])
    # weights speak for the censored; they are no additional people
    scale = sum(b.events + b.others for b in used) / float(total.sum())
    events, total = events * scale, total * scale
    design = np.column_stack([np.ones_like(x), x])
    beta = np.array([0.0, 1.0])
    if len(used) < 3 or float(np.ptp(x)) == 0:
        return TooFew(len(used), len(used), 3)
    for _ in range(50):
        fitted = expit(design @ beta)
        information = design.T @ (design * (total * fitted * (1 - fitted))[:, None])
        try:
            step = np.linalg.solve(information, design.T @ (events - total * fitted))
        except np.linalg.LinAlgError:
            return TooFew(int(events.sum()), int(total.sum() - events.sum()), FEWEST)
        beta = beta + np.clip(step, -2, 2)
        if float(np.abs(step).max()) < 1e-9:
            break
    errors = np.sqrt(np.diag(np.linalg.inv(information)))
    return Estimate(float(beta[1]), float(errors[1])), Estimate(float(beta[0]), float(errors[0]))


def pooled_table(edges: Sequence[float], tables: Sequence[Sequence[Bin]]) -> tuple[Bin, ...]:
    """The hospitals' tables as one over the round's own bins. A joined bin's people are spread evenly over the bins
    it was joined from; counts are then no longer whole and stand in the weights alone."""
    grid = np.asarray(edges)
    sums = np.zeros((len(edges) - 1, 2))
    for table in tables:
        for b in table:
            begin, end = (int(np.flatnonzero(grid == edge)[0]) for edge in (b.low, b.high))
            sums[begin:end] += np.array([b.event_weight, b.other_weight]) / (end - begin)
    people = {True: sum(b.events for t in tables for b in t), False: sum(b.others for t in tables for b in t)}
    return tuple(
        Bin(float(grid[i]), float(grid[i + 1]), 0, people[True] if i == 0 else 0, people[False] if i == 0 else 0,
            float(sums[i, 0]), float(sums[i, 1]), 0.0)
        for i in range(len(sums))
    )  # fmt: skip


def _weights(bins: Sequence[Bin]) -> tuple[Floats, Floats]:
    events = np.array([b.event_weight for b in bins])
    others = np.array([b.other_weight for b in bins])
    return events / events.sum(), others / others.sum()


def _below(shares: Floats) -> Floats:
    """Of each bin: the share in lower bins and half of its own."""
    result: Floats = np.cumsum(shares) - shares / 2
    return result
