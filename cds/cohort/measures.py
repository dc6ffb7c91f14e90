"""How well a model does on a cohort: discrimination, calibration, and how often a patient's range holds.

The same measures judge a fit (``models/*/fit.py``) and a shipped model on a hospital's cohort. Times are months
throughout, scores rise with the hazard, ``died`` is 1 or 0, ``alive`` is a predicted share. Intervals are 95%.
Needs the extra ``validate``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.exceptions import ConvergenceError, ConvergenceWarning
from numpy.typing import NDArray

from cds.cohort.unestimated import Unestimated
from cds.measures.censoring import Followed
from cds.measures.concordance import compared
from cds.measures.discrimination import placements
from cds.measures.estimate import Z
from cds.measures.proportions import wilson_counts
from cds.measures.scored import Scored

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

MOST_AT_ONCE = 3000
"""Patients of whom all pairs are held in memory (72 MB); a larger cohort's pairs are counted anew for each draw."""
RANGES = {"worst to best case": (0.1, 0.9), "typical": (0.25, 0.75)}
"""The two ranges a card shows, as shares of patients that are to have died before their beginning and their end."""


def pairs(months: Array, died: Array, score: Array) -> tuple[float, float]:
    """Concordant pairs (ties half) and comparable pairs, by Harrell's rule."""
    followed, good, total = Followed(months, died == 1), 0.0, 0.0
    for events in np.array_split(np.flatnonzero(died == 1), 1 + len(months) ** 2 // 10**7):
        comparable, higher = compared(score, followed, events)
        good += float((higher * comparable).sum())
        total += float(comparable.sum())
    return good, total


def c_index(months: Array, died: Array, scores: Array, groups: Array | None = None) -> float:
    """Harrell's C; ``scores`` [n] or [repeats, n] (their mean). With ``groups`` only pairs within one are compared.
    Raises Unestimated where no pair can be compared."""
    found = []
    for score in np.atleast_2d(scores):
        parts = [np.arange(len(months))] if groups is None else [np.flatnonzero(groups == g) for g in np.unique(groups)]
        good, total = np.sum([pairs(months[p], died[p], score[p]) for p in parts], axis=0)
        if total == 0:
            raise Unestimated("no two patients can be compared")
        found.append(good / total)
    return float(np.mean(found))


def concordance(months: Array, died: Array, scores: Array, groups: Array | None = None) -> Callable[[Rows], float]:
    """C of drawn rows, for a bootstrap: all pairs are compared once, a draw then only counts how often each was drawn.
    The answer is that of ``c_index`` on the drawn rows."""
    if len(months) > MOST_AT_ONCE:
        return lambda rows: c_index(
            months[rows], died[rows], np.atleast_2d(scores)[:, rows], None if groups is None else groups[rows]
        )
    events, followed = np.flatnonzero(died == 1), Followed(months, died == 1)
    comparable, _ = compared(np.atleast_2d(scores)[0], followed, events)
    if groups is not None:
        comparable &= groups[events, None] == groups[None, :]
    good = np.mean([compared(s, followed, events)[1] for s in np.atleast_2d(scores)], axis=0) * comparable

    def drawn(rows: Rows) -> float:
        weight = np.bincount(rows, minlength=len(months)).astype(float)
        total = float(weight[events] @ (comparable @ weight))
        if total == 0:
            raise Unestimated("no two patients can be compared")
        return float(weight[events] @ (good @ weight)) / total

    return drawn


def auc(score: Array, case: Array) -> float:
    """Area under the curve of a score, higher for cases; ties half. Raises Unestimated without cases, or with nothing
    but cases."""
    cases = int(case.sum())
    if not 0 < cases < len(case):
        raise Unestimated("there are no two groups to tell apart")
    above, _ = placements(Scored(score, case == 1, np.ones(len(case))))
    return float(above.mean())


def resampled(
    statistic: Callable[[Rows], float], count: int, *, draws: int, seed: int, groups: Array | None = None
) -> dict[str, float]:
    """The statistic on all rows, its bootstrap standard error and percentile interval. ``groups`` are drawn within.
    Draws on which it can't be estimated are left out; raises Unestimated where they are more than one in ten."""
    rng = np.random.default_rng(seed)
    parts = [np.arange(count)] if groups is None else [np.flatnonzero(groups == g) for g in np.unique(groups)]
    value = statistic(np.arange(count))
    found = []
    for _ in range(draws):
        rows = np.concatenate([rng.choice(p, len(p)) for p in parts])
        try:
            found.append(statistic(rows))
        except Unestimated:
            continue
    if len(found) < 0.9 * draws:
        raise Unestimated("too few patients for an interval")
    low, high = np.percentile(found, [2.5, 97.5])
    return {"value": r4(value), "se": r4(float(np.std(found))), "lower": r4(low), "upper": r4(high)}


def kaplan_meier(months: Array, died: Array, at: float) -> tuple[float, float, float]:
    """Share alive at ``at``, with its interval (of log(-log S)). Raises Unestimated where nobody is followed so far."""
    if months.max() < at and died[months == months.max()].min() == 0:
        raise Unestimated(f"nobody was followed for {at:g} months")
    fitted = KaplanMeierFitter().fit(months, died)
    bounds = fitted.confidence_interval_survival_function_
    row = bounds[bounds.index <= at].iloc[-1]
    return float(fitted.predict(at)), float(row.iloc[0]), float(row.iloc[1])


def calibration_row(months: Array, died: Array, alive: Array, at: float) -> dict[str, float]:
    """Predicted share (mean of ``alive``) beside the observed one with its interval."""
    seen, low, high = kaplan_meier(months, died, at)
    return {
        "months": at,
        "n": len(months),
        "predicted": r4(alive.mean()),
        "observed": r4(seen),
        "lower": r4(low),
        "upper": r4(high),
    }


def parts_of(score: Array, parts: int) -> NDArray[np.int64]:
    """Part of each row, 0 the lowest scores; equal parts but for ties."""
    return np.digitize(score, np.quantile(score, np.arange(1, parts) / parts))


def by_groups(months: Array, died: Array, score: Array, alive: Array, at: float, parts: int) -> list[dict[str, float]]:
    """Calibration in equal parts of the score, from best to worst prognosis."""
    part = parts_of(score, parts)
    return [
        calibration_row(months[part == g], died[part == g], alive[part == g], at)
        for g in range(parts)
        if (part == g).any()
    ]


def slope(months: Array, died: Array, scores: Array) -> dict[str, float]:
    """Cox regression on the score (a log hazard) alone: 1 is ideal, below 1 the differences are overstated."""
    found = []
    for score in np.atleast_2d(scores):
        frame = pd.DataFrame({"s": score, "months": months, "died": died})
        try:
            fitted = CoxPHFitter().fit(frame, "months", "died")
        except (ConvergenceError, ConvergenceWarning) as error:
            raise Unestimated("the slope does not converge") from error
        found.append((float(fitted.params_["s"]), float(fitted.standard_errors_["s"])))
    value, error_of = np.mean(found, axis=0)
    return {"value": r3(value), "lower": r3(value - Z * error_of), "upper": r3(value + Z * error_of)}


def logistic(x: Array, y: Array, weight: Array | None = None, offset: Array | None = None) -> tuple[Array, Array]:
    """Coefficients, intercept first, and their covariance; Newton's method. ``weight`` and ``offset``: [n].
    Raises Unestimated where there is no finite answer (the groups are told apart without fail)."""
    design = np.column_stack([np.ones(len(x)), x])
    given = np.ones(len(x)) if weight is None else weight
    known = np.zeros(len(x)) if offset is None else offset
    beta = np.zeros(design.shape[1])
    for _ in range(50):
        odds = design @ beta + known
        if np.abs(odds).max() > 500:
            raise Unestimated("the two groups are told apart without fail")
        chance = 1 / (1 + np.exp(-odds))
        information = design.T @ (design * (given * chance * (1 - chance))[:, None])
        try:
            step = np.linalg.solve(information, design.T @ (given * (y - chance)))
        except np.linalg.LinAlgError as error:
            raise Unestimated("the two groups are told apart without fail") from error
        beta += step
        if np.abs(step).max() < 1e-10:
            return np.asarray(beta), np.asarray(np.linalg.inv(information))
    raise Unestimated("the two groups are told apart without fail")


@dataclass(frozen=True)
class Recalibration:
    """Logistic recalibration of a predicted chance of the outcome: 0 and 1 where nothing needs to change."""

    intercept: float
    """With the slope held at 1: above 0, more outcomes than predicted."""
    slope: float
    """Below 1, the differences between patients are overstated."""


def recalibration(chance: Array, outcome: Array, weight: Array | None = None) -> Recalibration:
    """Raises Unestimated."""
    inside = np.clip(chance, 1e-6, 1 - 1e-6)
    odds = np.log(inside / (1 - inside))
    if np.ptp(odds) < 1e-9:
        raise Unestimated("all patients have the same prediction")
    intercept, _ = logistic(np.empty((len(odds), 0)), outcome, weight, odds)
    both, _ = logistic(odds[:, None], outcome, weight)
    return Recalibration(float(intercept[0]), float(both[1]))


def known_by(months: Array, died: Array, at: float) -> tuple[Array, Array]:
    """Dead by ``at`` (1 or 0) and weight of each patient: 0 for those lost before, the others by the inverse of their
    chance of still being followed (Graf 1999)."""
    if months.max() < at:
        raise Unestimated(f"nobody was followed for {at:g} months")
    censoring = KaplanMeierFitter().fit(months, 1 - died).survival_function_
    steps, shares = censoring.index.to_numpy(), censoring.iloc[:, 0].to_numpy()

    def followed(until: Array) -> Array:
        return np.asarray(np.maximum(shares[np.searchsorted(steps, until, side="right") - 1], 1e-3))

    dead = (months <= at) & (died == 1)
    weight = np.where(dead, 1 / followed(np.maximum(months - 1e-9, 0)), 0.0)
    return dead.astype(float), np.where(months > at, 1 / followed(np.array([at]))[0], weight)


def died_share(months: Array, times: Sequence[float], alive: Array) -> Array:
    """[n]: the share predicted to have died by each patient's own time, read off the patient's curve ``alive`` [n, T]
    by straight lines; beyond its last month, the share at that month."""
    own = np.minimum(months, times[-1])
    return np.array([1 - np.interp(t, times, curve) for t, curve in zip(own, alive, strict=True)])


def coverage(
    months: Array, died: Array, times: Sequence[float], alive: Array, *, draws: int, seed: int
) -> dict[str, dict[str, float]]:
    """How many patients died before, within and after each of ``RANGES`` of their own curve.

    A patient's time becomes the share predicted to have died by then; that share is a time like any other, censored
    like it, so its own Kaplan-Meier curve says how many lie below 0.1 and below 0.9. Beyond the curve's last month
    nobody counts as dead: the range of somebody who outlives the curve ends "later than it reaches".
    """
    share = died_share(months, times, alive)
    seen = np.where(months <= times[-1], died, 0.0)
    found = {}
    for name, (low, high) in RANGES.items():

        def parts(rows: Rows, low: float = low, high: float = high) -> tuple[float, float]:
            curve = KaplanMeierFitter().fit(share[rows], seen[rows])
            return 1 - float(curve.predict(low)), float(curve.predict(high))

        before, after = parts(np.arange(len(months)))
        within = resampled(lambda rows: 1 - sum(parts(rows)), len(months), draws=draws, seed=seed)
        found[name] = {
            "to_be": r4(high - low),
            "before": r4(before),
            "within": within["value"],
            "lower": within["lower"],
            "upper": within["upper"],
            "after": r4(after),
        }
    return found


def share_row(chance: Array, outcome: Array) -> dict[str, float]:
    """Mean predicted chance beside the observed share with Wilson's interval."""
    found = wilson_counts(float(outcome.sum()), len(outcome))
    return {
        "n": len(outcome),
        "predicted": r4(chance.mean()),
        "observed": r4(outcome.mean()),
        "lower": r4(found.lower),
        "upper": r4(found.upper),
    }


def r3(value: float) -> float:
    return round(float(value), 3)


def r4(value: float) -> float:
    return round(float(value), 4)
