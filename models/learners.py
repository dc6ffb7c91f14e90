"""Ways to learn a survival curve, as candidates for a model: from the plainest to the most elaborate.

Used by the ``fit.py`` of the model folders (extra ``fit``); not needed to run a model. A candidate is a function of
the rows to fit on and the rows to try on; it returns the share of the second alive at each of ``GRID`` months. Rows
hold ``months``, ``died`` (1 or 0) and the named columns, none of them missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter
from scipy.optimize import minimize

from models import evaluation as ev

Array = ev.Array
GRID = tuple(float(t) for t in range(1, 25))
"""Months at which a candidate's curve is read."""
SEED = 20261124

Candidate = Callable[[pd.DataFrame, pd.DataFrame], Array]
"""(to fit on, to try on) -> share of the second alive on GRID [n, T]."""


def restricted_cubic(value: pd.Series, knots: tuple[float, float, float]) -> pd.Series:
    """The one curved term of a spline with three knots, straight outside them."""
    first, middle, last = knots

    def cubed(knot: float) -> pd.Series:
        return (value - knot).clip(lower=0) ** 3

    tail = (cubed(middle) * (last - first) - cubed(last) * (middle - first)) / (last - middle)
    return (cubed(first) - tail) / (last - first) ** 2


def cox(names: Sequence[str], penalizer: float = 0.0) -> Candidate:
    def tried(fit_on: pd.DataFrame, held: pd.DataFrame) -> Array:
        columns = list(names)
        fitted = CoxPHFitter(penalizer=penalizer).fit(fit_on[[*columns, "months", "died"]], "months", "died")
        beta = fitted.params_[columns].to_numpy()
        own, score = (rows[columns].to_numpy() @ beta for rows in (fit_on, held))
        return _proportional(fit_on, own, score)

    return tried


def _proportional(fit_on: pd.DataFrame, own: Array, score: Array) -> Array:
    """Curves from log hazards, with Breslow's baseline of the rows fitted on."""
    hazard = ev.breslow(fit_on.months.to_numpy(), fit_on.died.to_numpy(), own, GRID)
    return np.exp(-np.exp(score)[:, None] * hazard[None, :])


def fading_cox(names: Sequence[str], fades: str, at: float) -> Candidate:
    """Cox with a second coefficient of ``fades`` from month ``at`` on: an effect that need not last."""

    def tried(fit_on: pd.DataFrame, held: pd.DataFrame) -> Array:
        columns = list(names)
        early = fit_on.assign(
            entry=0.0, late=0.0, months=fit_on.months.clip(upper=at), died=fit_on.died.where(fit_on.months <= at, 0)
        )
        after = fit_on[fit_on.months > at]
        late = after.assign(entry=at, late=after[fades])
        rows = pd.concat([early, late])[[*columns, "late", "entry", "months", "died"]]
        fitted = CoxPHFitter().fit(rows, "months", "died", entry_col="entry")
        beta, change = fitted.params_[columns].to_numpy(), float(fitted.params_["late"])

        def score(of: pd.DataFrame, part: int) -> Array:
            return np.asarray(of[columns].to_numpy() @ beta + part * change * of[fades].to_numpy())

        first = ev.breslow(early.months.to_numpy(), early.died.to_numpy(), score(early, 0), GRID)
        second = ev.breslow(late.months.to_numpy(), late.died.to_numpy(), score(late, 1), GRID)
        hazard = np.exp(score(held, 0))[:, None] * first + np.exp(score(held, 1))[:, None] * second
        return np.exp(-hazard)

    return tried


def accelerated(family: type[Any], names: Sequence[str], penalizer: float = 0.0) -> Candidate:
    def tried(fit_on: pd.DataFrame, held: pd.DataFrame) -> Array:
        columns = list(names)
        fitted = family(penalizer=penalizer).fit(fit_on[[*columns, "months", "died"]], "months", "died")
        return np.asarray(fitted.predict_survival_function(held[columns], times=list(GRID)).to_numpy().T)

    return tried


def boosted(names: Sequence[str]) -> Candidate:
    def make() -> Any:
        from sksurv.ensemble import GradientBoostingSurvivalAnalysis

        return GradientBoostingSurvivalAnalysis(
            n_estimators=120, learning_rate=0.05, max_depth=2, subsample=0.7, min_samples_leaf=20, random_state=SEED
        )

    return _sksurv(make, names)


def componentwise(names: Sequence[str]) -> Candidate:
    """Boosting of one linear term at a time: most weights stay 0."""

    def make() -> Any:
        from sksurv.ensemble import ComponentwiseGradientBoostingSurvivalAnalysis

        return ComponentwiseGradientBoostingSurvivalAnalysis(n_estimators=150, learning_rate=0.1, random_state=SEED)

    return _sksurv(make, names)


def forest(names: Sequence[str], *, trees: int = 150, features: int = 3) -> Candidate:
    def make() -> Any:
        from sksurv.ensemble import RandomSurvivalForest

        return RandomSurvivalForest(trees, min_samples_leaf=15, max_features=features, random_state=SEED, n_jobs=1)

    return _sksurv(make, names)


def extra_trees(names: Sequence[str]) -> Candidate:
    def make() -> Any:
        from sksurv.ensemble import ExtraSurvivalTrees

        return ExtraSurvivalTrees(150, min_samples_leaf=15, max_features=3, random_state=SEED, n_jobs=1)

    return _sksurv(make, names)


def _sksurv(make: Callable[[], Any], names: Sequence[str]) -> Candidate:
    def tried(fit_on: pd.DataFrame, held: pd.DataFrame) -> Array:
        from sksurv.util import Surv

        columns = list(names)
        fitted = make().fit(fit_on[columns].to_numpy(), Surv.from_arrays(fit_on.died.astype(bool), fit_on.months))
        x = held[columns].to_numpy()
        return np.array([curve(np.array(GRID)) for curve in fitted.predict_survival_function(x)])

    return tried


def neural(names: Sequence[str], *, hidden: int = 8, decay: float = 0.02, starts: int = 5) -> Candidate:
    """One hidden layer of tanh units in place of Cox's linear score; the mean of several starts."""

    def tried(fit_on: pd.DataFrame, held: pd.DataFrame) -> Array:
        columns = list(names)
        mean, spread = fit_on[columns].mean(), fit_on[columns].std().replace(0, 1)
        own_x, x = (((rows[columns] - mean) / spread).to_numpy() for rows in (fit_on, held))
        months, died = fit_on.months.to_numpy(), fit_on.died.to_numpy()
        nets = [_trained(own_x, months, died, hidden, decay, SEED + start) for start in range(starts)]
        own, score = (np.mean([_net(net, rows, hidden)[0] for net in nets], axis=0) for rows in (own_x, x))
        return _proportional(fit_on, own, score)

    return tried


def _net(weights: Array, x: Array, hidden: int) -> tuple[Array, Array]:
    """Score [n] and hidden units [n, hidden]."""
    split = x.shape[1] * hidden
    units = np.tanh(x @ weights[:split].reshape(-1, hidden) + weights[split : split + hidden])
    return units @ weights[split + hidden :], units


def _trained(x: Array, months: Array, died: Array, hidden: int, decay: float, seed: int) -> Array:
    """Weights that minimise the negative log partial likelihood (Breslow's, mean over deaths) and their own size."""
    order = np.argsort(months, kind="stable")
    x, months, died = x[order], months[order], died[order]
    first = np.searchsorted(months, months, side="left")
    last = np.searchsorted(months, months, side="right") - 1
    deaths = died.sum()

    def loss(weights: Array) -> tuple[float, Array]:
        score, units = _net(weights, x, hidden)
        risk = np.exp(score)
        tail = np.cumsum(risk[::-1])[::-1][first]
        value = -(died * (score - np.log(tail))).sum() / deaths + decay * (weights**2).sum()
        by_score = -(died - risk * np.cumsum(died / tail)[last]) / deaths
        out = weights[-hidden:]
        inner = by_score[:, None] * (1 - units**2) * out
        gradient = np.concatenate([(x.T @ inner).ravel(), inner.sum(axis=0), units.T @ by_score])
        return float(value), gradient + 2 * decay * weights

    start = np.random.default_rng(seed).normal(0, 0.3, x.shape[1] * hidden + 2 * hidden)
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200}).x)


__all__ = [
    "GRID",
    "Candidate",
    "accelerated",
    "boosted",
    "componentwise",
    "cox",
    "extra_trees",
    "fading_cox",
    "forest",
    "neural",
    "restricted_cubic",
]
