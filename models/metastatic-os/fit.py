"""Fits survival in metastatic disease: ``python models/metastatic-os/fit.py --data FILE.csv`` writes ``fit.json``,
``evaluation.md`` and ``figures/``.

FILE holds one row a patient at the start of first-line treatment; columns ``age`` (years), ``sex``, ``ecog`` (0, 1,
2+), ``cacs``, ``liver``, ``peritoneum``, ``lung`` (Yes/No), ``log_siri`` (ln of neutrophils x monocytes / lymphocytes,
10^9/L), ``sum_of_diameters`` (LE5, GT5, NonMeasurable), ``regimen``, ``os_months``, ``os_event``. The rows are not
shipped. Every draw has a fixed seed. ``competition.py`` states the candidates.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.statistics import proportional_hazard_test

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))
import competition as contest
from competition import BASE, GRID, REGIMEN, SHIPPED
from report import report

from models import evaluation as ev

FOLDER = Path(__file__).parent
TIMES = tuple(float(t) for t in range(37))
"""Months; at 36 about 25 of 556 were still followed up, beyond that the curve would rest on a handful."""
MILESTONES = (6.0, 12.0, 18.0, 24.0)
SEED = 20250301
REPEATS = 10
SUBTYPE = {
    # basal-like against classical by PurIST, 199 resected patients of three Dutch centres, adjusted for clinical and
    # pathological variables: SPACIOUS-2, Br J Surg 2022;109:1150, doi.org/10.1093/bjs/znac272
    "log_hazard_ratio": round(float(np.log(1.49)), 6),
    "standard_error": round(float(np.log(2.19 / 1.01) / (2 * 1.959964)), 6),
    "share": 0.19,
    "hazard_ratio": [1.49, 1.01, 2.19],
}


def read(path: Path) -> pd.DataFrame:
    """The cohort in the model's coding. A missing sex is given the cohort's share of men: no row is lost to it."""
    raw = pd.read_csv(path)
    male = (raw.sex == "Male").astype(float).where(raw.sex.notna())

    def is_(column: str, value: str) -> pd.Series:
        return (raw[column].astype(str) == value).astype(float)

    return pd.DataFrame(
        {
            "age10": (raw.age - 65) / 10,
            "male": male.fillna(male.mean()),
            "ecog1": is_("ecog", "1"),
            "ecog2": is_("ecog", "2+"),
            "liver": is_("liver", "Yes"),
            "peritoneum": is_("peritoneum", "Yes"),
            "lung": is_("lung", "Yes"),
            "cacs": is_("cacs", "Yes"),
            "log_siri": raw.log_siri,
            "diameters_over_5": is_("sum_of_diameters", "GT5"),
            "not_measurable": is_("sum_of_diameters", "NonMeasurable"),
            "gnp": is_("regimen", "Gem-Abraxane"),
            "gemcitabine": is_("regimen", "Gemcitabine mono"),
            "other": is_("regimen", "Other"),
            "age": raw.age,
            "months": raw.os_months,
            "died": raw.os_event,
        }
    )


def cox(data: pd.DataFrame) -> CoxPHFitter:
    return CoxPHFitter().fit(data[[*BASE, "months", "died"]], "months", "died")


def fitted(data: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means and coefficients [k], cumulative hazard at the means [T]."""
    means = data[list(BASE)].mean().to_numpy()
    beta = cox(data).params_[list(BASE)].to_numpy()
    score = (data[list(BASE)].to_numpy() - means) @ beta
    return means, beta, ev.breslow(data.months.to_numpy(), data.died.to_numpy(), score, TIMES)


def replicated(data: pd.DataFrame, means: np.ndarray, draws: int, watch: Any) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and hazards, moved to the whole cohort's means, from patients drawn anew."""
    rng = np.random.default_rng(SEED)
    betas, hazards = [], []
    for _ in watch(range(draws), desc="bootstrap of the fit"):
        own_means, beta, hazard = fitted(data.iloc[rng.integers(0, len(data), len(data))].reset_index(drop=True))
        betas.append(beta)
        hazards.append(hazard * np.exp(beta @ (means - own_means)))
    return np.array(betas), np.array(hazards)


def measure(
    data: pd.DataFrame,
    watch: Any,
    candidates: dict[str, contest.Candidate | contest.Stack],
    *,
    repeats: int,
    draws: int,
    keep: Path | None,
) -> dict[str, Any]:
    months, died = data.months.to_numpy(), data.died.to_numpy()
    own = candidates[SHIPPED]
    assert not isinstance(own, tuple)
    curves = contest.out_of_fold(data, own, repeats)
    alive, scores = curves.mean(axis=0), -curves.mean(axis=2)
    mean_score = scores.mean(axis=0)
    with_regimen = -contest.out_of_fold(data, contest.WITH_REGIMEN, repeats).mean(axis=2)
    own_c, regimen_c = ev.concordance(months, died, scores), ev.concordance(months, died, with_regimen)

    def resampled(statistic: Any, count: int = len(data)) -> dict[str, float]:
        return ev.resampled(statistic, count, draws=draws, seed=SEED)

    def discrimination(rows: np.ndarray) -> dict[str, float]:
        return resampled(ev.concordance(months[rows], died[rows], scores[:, rows]), int(rows.sum()))

    subgroups = {}
    for name, rows in watch(_subgroups(data).items(), desc="subgroups"):
        row = ev.calibration_row(months[rows], died[rows], alive[rows, GRID.index(12.0)], 12.0)
        subgroups[name] = {**row, "deaths": int(died[rows].sum()), "c_index": discrimination(rows)}
    return {
        "competition": contest.compete(data, candidates, watch, draws=draws, keep=keep),
        "c_index": resampled(own_c),
        "c_index_with_regimen": resampled(regimen_c),
        "regimen_gain": resampled(lambda rows: regimen_c(rows) - own_c(rows)),
        "c_index_leave_one_regimen_out": _leave_regimen_out(data, own, resampled),
        # on the log hazard: log(-log S) at 12 months, centred by the fold's own baseline
        "calibration_slope": ev.slope(months, died, np.log(-np.log(alive[:, GRID.index(12.0)]))),
        "calibration": [ev.calibration_row(months, died, alive[:, GRID.index(at)], at) for at in MILESTONES],
        "calibration_by_fourth": {
            f"{at:g}": ev.by_groups(months, died, mean_score, alive[:, GRID.index(at)], at, 4) for at in MILESTONES
        },
        "range": _ranges(data, repeats, draws),
        "subgroups": subgroups,
        "brier": ev.brier(months, died, alive, GRID),
        "proportional_hazards_p": _proportionality(data),
        "draws": draws,
        "median_months": round(float(KaplanMeierFitter().fit(months, died).median_survival_time_), 2),
    }


def _subgroups(data: pd.DataFrame) -> dict[str, np.ndarray]:
    ecog = data.ecog1 + 2 * data.ecog2
    siri = data.log_siri
    return {
        name: np.asarray(rows)
        for name, rows in {
            "under 65": data.age < 65,
            "65 to 74": (data.age >= 65) & (data.age < 75),
            "75 and over": data.age >= 75,
            "women": data.male == 0,
            "men": data.male == 1,
            "ECOG 0": ecog == 0,
            "ECOG 1": ecog == 1,
            "ECOG 2 or more": ecog == 2,
            "liver metastases": data.liver == 1,
            "no liver metastases": data.liver == 0,
            "general decline": data.cacs == 1,
            "no general decline": data.cacs == 0,
            "log SIRI below its median": siri < siri.median(),
            "log SIRI at or above its median": siri >= siri.median(),
        }.items()
    }


def _leave_regimen_out(
    data: pd.DataFrame, candidate: contest.Candidate, resampled: Callable[[Any, int], dict[str, float]]
) -> dict[str, Any]:
    groups = {name: data[name] == 1 for name in REGIMEN}
    groups["folfirinox"] = ~np.logical_or.reduce(list(groups.values()))
    result = {}
    for name, inside in groups.items():
        held = data[inside].reset_index(drop=True)
        alive = candidate(data[~inside].reset_index(drop=True), held)
        months, died = held.months.to_numpy(), held.died.to_numpy()
        row = ev.calibration_row(months, died, alive[:, GRID.index(12.0)], 12.0)
        c = resampled(ev.concordance(months, died, -alive.mean(axis=1)), len(held))
        result[name] = row | {"deaths": int(died.sum()), "c_index": c}
    return result


def _ranges(data: pd.DataFrame, repeats: int, draws: int) -> dict[str, dict[str, float]]:
    """Of patients not fitted on: how many died before, within and after the ranges read off their own curve, month by
    month as the graph gives it."""
    alive = np.zeros((len(data), len(TIMES)))
    for _, fit_on, held in ev.folds(len(data), contest.FOLDS, repeats, contest.SEED):
        train = data.iloc[fit_on].reset_index(drop=True)
        beta = cox(train).params_[list(BASE)].to_numpy()
        own, score = (rows[list(BASE)].to_numpy() @ beta for rows in (train, data.iloc[held]))
        hazard = ev.breslow(train.months.to_numpy(), train.died.to_numpy(), own, TIMES)
        alive[held] += np.exp(-np.exp(score)[:, None] * hazard) / repeats
    return ev.coverage(data.months.to_numpy(), data.died.to_numpy(), TIMES, alive, draws=draws, seed=SEED)


def _proportionality(data: pd.DataFrame) -> dict[str, float]:
    """p of the scaled Schoenfeld residuals' trend with time: small where an effect changes over time."""
    tested = proportional_hazard_test(cox(data), data[[*BASE, "months", "died"]], time_transform="rank")
    return {name: ev.r4(tested.summary.loc[name, "p"]) for name in BASE}


def main(
    path: Path,
    output: Path = FOLDER,
    candidates: dict[str, contest.Candidate | contest.Stack] | None = None,
    *,
    repeats: int = REPEATS,
    draws: int = 300,
    keep: Path | None = None,
) -> None:
    from tqdm import tqdm

    data = read(path)
    means, beta, hazard = fitted(data)
    betas, hazards = replicated(data, means, draws, tqdm)
    result = {
        "n": len(data),
        "events": int(data.died.sum()),
        "covariates": list(BASE),
        "coding": "age10 = (age - 65) / 10; log_siri = ln(neutrophils * monocytes / lymphocytes), 10^9/L",
        "age_range": [float(data.age.min()), float(data.age.max())],
        "log_siri_range": [float(data.log_siri.min()), float(data.log_siri.max())],
        "means": ev.rounded(means),
        "beta": ev.rounded(beta),
        "times": list(TIMES),
        "cumulative_hazard": ev.rounded(hazard),
        "covariance": ev.covariance(betas, hazards, hazard),
        "fusion": {"basal_like": SUBTYPE},
        "measured": measure(data, tqdm, candidates or contest.CANDIDATES, repeats=repeats, draws=draws, keep=keep),
    }
    (output / "fit.json").write_text(json.dumps(result, separators=(",", ":")).replace("],[", "],\n[") + "\n", "utf-8")
    report(result, output)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="CSV of the cohort")
    parser.add_argument("--keep", type=Path, help="folder for predictions: a fit that was stopped goes on")
    given = parser.parse_args()
    main(given.data, keep=given.keep)
