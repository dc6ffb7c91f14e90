"""The candidates for survival in metastatic disease, fixed before any of them was tried; see ``CANDIDATES``.

Each is fitted on four fifths and tried on the last, five times over, on the same folds (extra ``fit`` needed). Measure:
Harrell's C of the mean share predicted alive over months 1-24, an absolute figure, so that patients of different folds
can be compared (a linear predictor has another zero in every fold); the integrated Brier score over the same months
beside it. Shipped is the simplest within one standard error of the best, in the order of the table. The sum of target
diameters (imaging) earns its place only if the gain over the same model without it has a 95% bootstrap interval above
0. The regimen is in none of them: chosen by doctors, its term would be prognosis in the guise of an effect. What it
would have added is measured apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter, LogLogisticAFTFitter, LogNormalAFTFitter, WeibullAFTFitter

from models import evaluation as ev

BASE = ("age10", "male", "ecog1", "ecog2", "liver", "peritoneum", "lung", "cacs", "log_siri")
IMAGING = ("diameters_over_5", "not_measurable")
REGIMEN = ("gnp", "gemcitabine", "other")
SPLINES = ("age_curve", "siri_curve")
INTERACTIONS = ("liver_lung", "ecog_siri", "cacs_siri", "age_ecog")
GRID = tuple(float(t) for t in range(1, 25))
REPEATS, FOLDS, SEED = 5, 5, 20261124

Candidate = Callable[[pd.DataFrame, pd.DataFrame], np.ndarray]
"""(to fit on, to try on) -> share of the second alive on GRID [n, T]."""


def restricted_cubic(value: pd.Series, knots: tuple[float, float, float]) -> pd.Series:
    """The one curved term of a spline with three knots, straight outside them."""
    first, middle, last = knots

    def cubed(knot: float) -> pd.Series:
        return (value - knot).clip(lower=0) ** 3

    tail = (cubed(middle) * (last - first) - cubed(last) * (middle - first)) / (last - middle)
    return (cubed(first) - tail) / (last - first) ** 2


def widened(data: pd.DataFrame) -> pd.DataFrame:
    """With the curved terms and the interactions; knots near the 10th, 50th and 90th percentile."""
    some_ecog = data.ecog1 + data.ecog2
    return data.assign(
        age_curve=restricted_cubic(data.age10, (-1.4, 0.1, 1.4)),
        siri_curve=restricted_cubic(data.log_siri, (-0.5, 0.7, 2.2)),
        liver_lung=data.liver * data.lung,
        ecog_siri=some_ecog * data.log_siri,
        cacs_siri=data.cacs * data.log_siri,
        age_ecog=data.age10 * some_ecog,
    )


def cox(names: Sequence[str], penalizer: float = 0.0) -> Candidate:
    def tried(fit_on: pd.DataFrame, held: pd.DataFrame) -> np.ndarray:
        columns = list(names)
        fitted = CoxPHFitter(penalizer=penalizer).fit(
            widened(fit_on)[[*columns, "months", "died"]], "months", "died"
        )  # fmt: skip
        beta = fitted.params_[columns].to_numpy()
        own, score = (widened(rows)[columns].to_numpy() @ beta for rows in (fit_on, held))
        hazard = ev.breslow(fit_on.months.to_numpy(), fit_on.died.to_numpy(), own, GRID)
        return np.exp(-np.exp(score)[:, None] * hazard[None, :])

    return tried


def accelerated(family: type[Any], names: Sequence[str]) -> Candidate:
    def tried(fit_on: pd.DataFrame, held: pd.DataFrame) -> np.ndarray:
        columns = list(names)
        fitted = family().fit(fit_on[[*columns, "months", "died"]], "months", "died")
        return np.asarray(fitted.predict_survival_function(held[columns], times=list(GRID)).to_numpy().T)

    return tried


def _sksurv(make: Callable[[], Any], names: Sequence[str]) -> Candidate:
    def tried(fit_on: pd.DataFrame, held: pd.DataFrame) -> np.ndarray:
        from sksurv.util import Surv

        columns = list(names)
        fitted = make().fit(fit_on[columns].to_numpy(), Surv.from_arrays(fit_on.died.astype(bool), fit_on.months))
        x = held[columns].to_numpy()
        return np.array([curve(np.array(GRID)) for curve in fitted.predict_survival_function(x)])

    return tried


def boosted(names: Sequence[str]) -> Candidate:
    def make() -> Any:
        from sksurv.ensemble import GradientBoostingSurvivalAnalysis

        return GradientBoostingSurvivalAnalysis(
            n_estimators=120, learning_rate=0.05, max_depth=2, subsample=0.7, min_samples_leaf=20, random_state=SEED
        )

    return _sksurv(make, names)


def forest(names: Sequence[str]) -> Candidate:
    def make() -> Any:
        from sksurv.ensemble import RandomSurvivalForest

        return RandomSurvivalForest(150, min_samples_leaf=15, max_features=3, random_state=SEED, n_jobs=1)

    return _sksurv(make, names)


def stacked(*members: Candidate) -> Candidate:
    """The mean of the members' curves, equal weights: nothing is fitted on the folds they are tried on."""

    def tried(fit_on: pd.DataFrame, held: pd.DataFrame) -> np.ndarray:
        return np.asarray(np.mean([member(fit_on, held) for member in members], axis=0))

    return tried


WITH_IMAGING = (*BASE, *IMAGING)
CANDIDATES: dict[str, Candidate] = {
    "Cox": cox(BASE),
    "Cox, ridge 0.05": cox(BASE, 0.05),
    "Cox with imaging": cox(WITH_IMAGING),
    "Weibull AFT": accelerated(WeibullAFTFitter, BASE),
    "log-normal AFT": accelerated(LogNormalAFTFitter, BASE),
    "log-logistic AFT": accelerated(LogLogisticAFTFitter, BASE),
    "log-logistic AFT with imaging": accelerated(LogLogisticAFTFitter, WITH_IMAGING),
    "Cox with splines, ridge 0.05": cox((*BASE, *SPLINES), 0.05),
    "Cox with splines, interactions and imaging, ridge 0.05": cox((*WITH_IMAGING, *SPLINES, *INTERACTIONS), 0.05),
    "random survival forest with imaging": forest(WITH_IMAGING),
    "boosted survival trees with imaging": boosted(WITH_IMAGING),
    "stack: Cox with imaging, log-logistic AFT with imaging, boosted trees": stacked(
        cox(WITH_IMAGING), accelerated(LogLogisticAFTFitter, WITH_IMAGING), boosted(WITH_IMAGING)
    ),
}
REFERENCE = "Cox"
SHIPPED = "Cox"
"""What the rule chose; a test compares it with the measured table."""
WITH_REGIMEN = cox((*BASE, *REGIMEN))


def out_of_fold(data: pd.DataFrame, candidate: Candidate, repeats: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores, higher is worse [repeats, n], and shares alive, mean over repeats [n, T]; fits without that patient."""
    scores = np.empty((repeats, len(data)))
    alive = np.zeros((len(data), len(GRID)))
    for repeat, fit_on, held in ev.folds(len(data), FOLDS, repeats, SEED):
        curve = candidate(data.iloc[fit_on].reset_index(drop=True), data.iloc[held].reset_index(drop=True))
        scores[repeat, held] = -curve.mean(axis=1)
        alive[held] += curve / repeats
    return scores, alive


def compete(
    data: pd.DataFrame, candidates: dict[str, Candidate], watch: Any, *, repeats: int = REPEATS, draws: int = 300
) -> dict[str, Any]:
    months, died = data.months.to_numpy(), data.died.to_numpy()
    tried = {name: out_of_fold(data, c, repeats) for name, c in watch(candidates.items(), desc="candidates")}

    def c_of(name: str, rows: np.ndarray) -> float:
        return ev.c_index(months[rows], died[rows], tried[name][0][:, rows])

    rng = np.random.default_rng(SEED)
    drawn = [rng.integers(0, len(data), len(data)) for _ in range(draws)]
    found = {name: np.array([c_of(name, rows) for rows in drawn]) for name in watch(tried, desc="bootstrap")}
    table = {}
    for name, values in found.items():
        low, high = np.percentile(values, [2.5, 97.5])
        value = c_of(name, np.arange(len(data)))
        table[name] = {"value": ev.r4(value), "se": ev.r4(values.std()), "lower": ev.r4(low), "upper": ev.r4(high)}
        table[name]["brier"] = ev.brier(months, died, tried[name][1], GRID)["integrated"]
        table[name] |= _gain(values - found[REFERENCE], value - c_of(REFERENCE, np.arange(len(data))))
    chosen, best = ev.simplest_within_one_error(table)
    pairs = {
        "Cox": ("Cox", "Cox with imaging"),
        "log-logistic AFT": ("log-logistic AFT", "log-logistic AFT with imaging"),
    }
    imaging = {
        label: _gain(found[b] - found[a], table[b]["value"] - table[a]["value"])
        for label, (a, b) in pairs.items()
        if b in found
    }
    return {"table": table, "best": best, "chosen": chosen, "imaging": imaging}


def _gain(differences: np.ndarray, value: float) -> dict[str, float]:
    low, high = np.percentile(differences, [2.5, 97.5])
    return {"gain": ev.r4(value), "gain_lower": ev.r4(low), "gain_upper": ev.r4(high)}


__all__ = ["BASE", "CANDIDATES", "GRID", "IMAGING", "REGIMEN", "SHIPPED", "WITH_REGIMEN", "compete"]
