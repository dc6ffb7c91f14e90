"""What the fit can do on patients it has not seen: discrimination, calibration and squared error.

One cohort only: everything here is internal. Repeated cross-validation (10 x 5 folds); leave-one-patient-out; and
leave-one-regimen-out, where the model is tried on the patients of a regimen it was not fitted on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.statistics import proportional_hazard_test
from lifelines.utils import concordance_index

REPEATS, FOLDS, RESAMPLES, SEED = 10, 5, 500, 20250302
MILESTONES = (6.0, 12.0, 24.0)
GRID = tuple(float(t) for t in range(1, 25))

Fit = Callable[..., CoxPHFitter]
Hazard = Callable[..., np.ndarray]


def measure(
    data: pd.DataFrame, cox: Fit, hazard: Hazard, covariates: tuple[str, ...], regimen: tuple[str, ...]
) -> dict[str, Any]:
    scores, alive = out_of_fold(data, cox, hazard, covariates)
    with_regimen, _ = out_of_fold(data, cox, hazard, (*covariates, *regimen))
    apparent = cox(data, covariates)
    return {
        "c_index": c_index(data, scores),
        "c_index_with_regimen": c_index(data, with_regimen),
        "c_index_apparent": round(float(apparent.concordance_index_), 4),
        "c_index_leave_one_patient_out": leave_one_out(data, cox, covariates),
        "c_index_leave_one_regimen_out": leave_regimen_out(data, cox, covariates, regimen),
        "calibration_slope": slope(data, scores),
        "calibration": calibration(data, alive),
        "calibration_by_third_at_12_months": by_third(data, scores, alive),
        "brier": brier(data, alive),
        "proportional_hazards_p": proportionality(data, apparent, covariates),
        "median_months": round(float(KaplanMeierFitter().fit(data.months, data.died).median_survival_time_), 2),
    }


def out_of_fold(
    data: pd.DataFrame, cox: Fit, hazard: Hazard, covariates: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Log hazards [repeats, n] and survival on GRID [repeats, n, T], each from a fit without that patient."""
    rng = np.random.default_rng(SEED)
    scores = np.empty((REPEATS, len(data)))
    alive = np.empty((REPEATS, len(data), len(GRID)))
    for repeat in range(REPEATS):
        fold = rng.permutation(np.arange(len(data)) % FOLDS)
        for k in range(FOLDS):
            fitted = cox(data[fold != k].reset_index(drop=True), covariates)
            held = data[fold == k]
            score = fitted.predict_log_partial_hazard(held).to_numpy()
            scores[repeat, fold == k] = score
            alive[repeat, fold == k] = np.exp(-np.exp(score)[:, None] * hazard(fitted, GRID)[None, :])
    return scores, alive


def c_index(data: pd.DataFrame, scores: np.ndarray) -> dict[str, float]:
    """Harrell's C, mean over repeats; percentile interval from resampled patients."""

    def mean_c(rows: np.ndarray) -> float:
        months, died = data.months.to_numpy()[rows], data.died.to_numpy()[rows]
        return float(np.mean([concordance_index(months, -s[rows], died) for s in scores]))

    rng = np.random.default_rng(SEED + 1)
    drawn = [mean_c(rng.integers(0, len(data), len(data))) for _ in range(RESAMPLES)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"value": round(mean_c(np.arange(len(data))), 4), "lower": round(low, 4), "upper": round(high, 4)}


def leave_one_out(data: pd.DataFrame, cox: Fit, covariates: tuple[str, ...]) -> float:
    scores = np.empty(len(data))
    for i in range(len(data)):
        fitted = cox(data.drop(index=i), covariates)
        # against fixed covariates: each fit is centred on its own means, which leak the patient left out
        scores[i] = float(data.loc[i, list(covariates)] @ fitted.params_[list(covariates)])
    return round(float(concordance_index(data.months, -scores, data.died)), 4)


def leave_regimen_out(
    data: pd.DataFrame, cox: Fit, covariates: tuple[str, ...], regimen: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    groups = {name: data[name] == 1 for name in regimen}
    groups["folfirinox"] = ~np.logical_or.reduce(list(groups.values()))
    result = {}
    for name, inside in groups.items():
        held = data[inside]
        score = cox(data[~inside].reset_index(drop=True), covariates).predict_log_partial_hazard(held)
        result[name] = {"n": len(held), "value": round(float(concordance_index(held.months, -score, held.died)), 4)}
    return result


def slope(data: pd.DataFrame, scores: np.ndarray) -> dict[str, float]:
    fits = [
        CoxPHFitter().fit(pd.DataFrame({"s": s, "months": data.months, "died": data.died}), "months", "died")
        for s in scores
    ]
    value = float(np.mean([f.params_["s"] for f in fits]))
    error = float(np.mean([f.standard_errors_["s"] for f in fits]))
    return {
        "value": round(value, 3),
        "lower": round(value - 1.96 * error, 3),
        "upper": round(value + 1.96 * error, 3),
    }


def proportionality(data: pd.DataFrame, fitted: CoxPHFitter, covariates: tuple[str, ...]) -> dict[str, float]:
    """p of the scaled Schoenfeld residuals' trend with time: small where an effect changes over time."""
    tested = proportional_hazard_test(fitted, data[[*covariates, "months", "died"]], time_transform="rank")
    return {name: round(float(tested.summary.loc[name, "p"]), 4) for name in covariates}


def kaplan_meier(months: pd.Series, died: pd.Series, at: float) -> tuple[float, float, float]:
    fitted = KaplanMeierFitter().fit(months, died)
    bounds = fitted.confidence_interval_survival_function_
    row = bounds[bounds.index <= at].iloc[-1]
    return float(fitted.predict(at)), float(row.iloc[0]), float(row.iloc[1])


def calibration(data: pd.DataFrame, alive: np.ndarray) -> list[dict[str, float]]:
    rows = []
    for at in MILESTONES:
        seen, low, high = kaplan_meier(data.months, data.died, at)
        predicted = float(alive[:, :, GRID.index(at)].mean())
        rows.append(_row(at, predicted, seen, low, high))
    return rows


def by_third(data: pd.DataFrame, scores: np.ndarray, alive: np.ndarray) -> list[dict[str, float]]:
    """Thirds of the mean out-of-fold log hazard, from best to worst prognosis."""
    mean_score = scores.mean(axis=0)
    third = np.digitize(mean_score, np.quantile(mean_score, [1 / 3, 2 / 3]))
    rows = []
    for group in range(3):
        inside = third == group
        seen, low, high = kaplan_meier(data.months[inside], data.died[inside], 12.0)
        predicted = float(alive[:, inside, GRID.index(12.0)].mean())
        rows.append(_row(12.0, predicted, seen, low, high) | {"n": int(inside.sum())})
    return rows


def _row(at: float, predicted: float, seen: float, low: float, high: float) -> dict[str, float]:
    return {
        "months": at,
        "predicted": round(predicted, 4),
        "observed": round(seen, 4),
        "lower": round(low, 4),
        "upper": round(high, 4),
    }


def brier(data: pd.DataFrame, alive: np.ndarray) -> dict[str, Any]:
    """Squared error weighted by the inverse probability of not being censored (Graf 1999), and its mean over
    1-24 months, beside what the cohort's Kaplan-Meier curve alone would score."""
    censoring = KaplanMeierFitter().fit(data.months, 1 - data.died)
    marginal = KaplanMeierFitter().fit(data.months, data.died)
    months, died = data.months.to_numpy(), data.died.to_numpy()
    own_weight = 1 / np.maximum(censoring.predict(np.maximum(months - 1e-9, 0)).to_numpy(), 1e-3)
    model, null = [], []
    for column, at in enumerate(GRID):
        dead = (months <= at) & (died == 1)
        weight = np.where(dead, own_weight, np.where(months > at, 1 / float(censoring.predict(at)), 0.0))
        model.append(float(np.mean(weight * (alive[:, :, column].mean(axis=0) - (months > at)) ** 2)))
        null.append(float(np.mean(weight * (float(marginal.predict(at)) - (months > at)) ** 2)))
    return {
        "at": {f"{at:g}": round(model[GRID.index(at)], 4) for at in MILESTONES},
        "at_kaplan_meier": {f"{at:g}": round(null[GRID.index(at)], 4) for at in MILESTONES},
        "integrated": round(float(np.mean(model)), 4),
        "integrated_kaplan_meier": round(float(np.mean(null)), 4),
    }
