"""What is measured of the model after resection: one cohort left out at a time, and repeated cross-validation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from resected_candidates import BASE, SHIPPED, Score, left_out

from models import evaluation as ev

MILESTONES = (6.0, 12.0, 18.0, 24.0, 36.0)
REPEATS, FOLDS, SEED = 10, 5, 20261124

Fitted = Callable[[pd.DataFrame, pd.DataFrame], np.ndarray]
"""(to fit on, to try on) -> shares of the second alive [n, T], baseline included."""


def measure(
    data: pd.DataFrame,
    fitted: Fitted,
    times: tuple[float, ...],
    candidates: dict[str, Score],
    *,
    draws: int,
    repeats: int,
    watch: Any,
) -> dict[str, Any]:
    months, died, groups = (data[c].to_numpy() for c in ("months", "died", "cohort"))
    scores = {name: left_out(data, score) for name, score in watch(candidates.items(), desc="leave one cohort out")}

    def discrimination(score: np.ndarray, rows: np.ndarray | None = None, *, across: bool = False) -> dict[str, float]:
        at = np.arange(len(data)) if rows is None else np.flatnonzero(rows)
        c = ev.concordance(months[at], died[at], score[..., at], None if across else groups[at])
        return ev.resampled(c, len(at), draws=draws, seed=SEED, groups=groups[at])

    competition = {name: discrimination(score) for name, score in watch(scores.items(), desc="bootstrap")}
    for name, score in scores.items():
        competition[name] |= _gain(months, died, groups, score, scores[SHIPPED], draws)
    chosen, best = ev.simplest_within_one_error(competition)
    own = scores[SHIPPED]
    cohorts = {}
    for cohort in data.cohort.unique():
        at = groups == cohort
        slope = ev.slope(months[at], died[at], own[at])
        c = discrimination(own, at, across=True)
        cohorts[cohort] = {"n": int(at.sum()), "deaths": int(died[at].sum()), "c_index": c, "slope": slope}
    shared = np.isin(groups, ["ICGC", "OUH", "PCSI"])
    crossed = _crossed(data, fitted, repeats, watch)
    elsewhere = _elsewhere(data, fitted)
    return {
        "draws": draws,
        "competition": competition,
        "best": best,
        "simplest_within_one_error": chosen,
        "c_index": competition[SHIPPED],
        "c_index_pooled": discrimination(own, across=True),
        "c_index_shared_cohorts": discrimination(own, shared) if shared.any() else None,
        "cohorts": cohorts,
        "calibration": {
            cohort: _calibration(data, elsewhere, times, groups == cohort) for cohort in data.cohort.unique()
        },
        "calibration_left_out": _calibration(data, elsewhere, times),
        "range_left_out": ev.coverage(months, died, times, elsewhere, draws=draws, seed=SEED),
        "cross_validation": _cross_validation(data, crossed, times, discrimination, draws),
        "subgroups": {
            name: _subgroup(data, own, elsewhere, times, rows, discrimination)
            for name, rows in watch(_subgroups(data).items(), desc="subgroups")
        },
    }


def _gain(
    months: np.ndarray, died: np.ndarray, groups: np.ndarray, score: np.ndarray, shipped: np.ndarray, draws: int
) -> dict[str, float]:
    """C against the shipped one's, on the same draws."""
    c, own = (ev.concordance(months, died, s, groups) for s in (score, shipped))
    found = ev.resampled(lambda rows: c(rows) - own(rows), len(months), draws=draws, seed=SEED, groups=groups)
    return {"gain": found["value"], "gain_lower": found["lower"], "gain_upper": found["upper"]}


def _elsewhere(data: pd.DataFrame, fitted: Fitted) -> np.ndarray:
    """[n, T]: each cohort predicted, baseline and all, from the others."""
    alive = None
    for cohort in data.cohort.unique():
        held = (data.cohort == cohort).to_numpy()
        found = fitted(data[~held].reset_index(drop=True), data[held])
        alive = np.empty((len(data), found.shape[1])) if alive is None else alive
        alive[held] = found
    assert alive is not None
    return alive


def _crossed(data: pd.DataFrame, fitted: Fitted, repeats: int, watch: Any) -> np.ndarray:
    """[repeats, n, T]: each patient predicted from other patients, those of the same cohorts among them."""
    alive: np.ndarray | None = None
    for repeat, fit_on, held in watch(list(ev.folds(len(data), FOLDS, repeats, SEED)), desc="cross-validation"):
        found = fitted(data.iloc[fit_on].reset_index(drop=True), data.iloc[held])
        alive = np.empty((repeats, len(data), found.shape[1])) if alive is None else alive
        alive[repeat, held] = found
    assert alive is not None
    return alive


def _calibration(
    data: pd.DataFrame, alive: np.ndarray, times: tuple[float, ...], rows: np.ndarray | None = None
) -> list[dict[str, float]]:
    at = np.ones(len(data), dtype=bool) if rows is None else rows
    months, died = data.months.to_numpy()[at], data.died.to_numpy()[at]
    return [ev.calibration_row(months, died, alive[at, times.index(t)], t) for t in MILESTONES]


def _cross_validation(
    data: pd.DataFrame, crossed: np.ndarray, times: tuple[float, ...], discrimination: Any, draws: int
) -> dict[str, Any]:
    """Inside the same hospitals, as an answer to what a hospital of these cohorts could expect."""
    months, died = data.months.to_numpy(), data.died.to_numpy()
    alive, scores = crossed.mean(axis=0), -crossed[:, :, 1:25].mean(axis=2)
    mean_score = scores.mean(axis=0)
    return {
        "c_index": discrimination(scores),
        "c_index_pooled": discrimination(scores, across=True),
        "slope": ev.slope(months, died, np.log(-np.log(alive[:, times.index(12.0)]))),
        "calibration": _calibration(data, alive, times),
        "calibration_by_fourth": {
            f"{at:g}": ev.by_groups(months, died, mean_score, alive[:, times.index(at)], at, 4) for at in MILESTONES[:4]
        },
        "range": ev.coverage(months, died, times, alive, draws=draws, seed=SEED),
    }


def _subgroups(data: pd.DataFrame) -> dict[str, np.ndarray]:
    """Those by which adjuvant treatment is talked about, and age and sex. Unknown is in neither group."""
    age = 10 * data.age10 + 66
    groups = {
        "under 65": age < 65,
        "65 to 74": (age >= 65) & (age < 75),
        "75 and over": age >= 75,
        "women": data.male == 0,
        "men": data.male == 1,
        "no nodes with metastasis": data.n1 == 0,
        "nodes with metastasis": data.n1 == 1,
        "grade 1 or 2": data.g3 == 0,
        "grade 3 or 4": data.g3 == 1,
        "T1 or T2": data.t34 == 0,
        "T3 or T4": data.t34 == 1,
    }
    return {name: np.asarray(rows) for name, rows in groups.items() if rows.any()}


def _subgroup(
    data: pd.DataFrame,
    score: np.ndarray,
    alive: np.ndarray,
    times: tuple[float, ...],
    rows: np.ndarray,
    discrimination: Any,
) -> dict[str, Any]:
    months, died = data.months.to_numpy()[rows], data.died.to_numpy()[rows]
    shares = {f"{at:g}": ev.calibration_row(months, died, alive[rows, times.index(at)], at) for at in (12.0, 24.0)}
    return {"n": int(rows.sum()), "deaths": int(died.sum()), "c_index": discrimination(score, rows), "alive": shares}


__all__ = ["BASE", "MILESTONES", "REPEATS", "measure"]
