"""Fits response in metastatic disease: ``python models/metastatic-response/fit.py --data FILE.csv`` writes
``fit.json``, ``evaluation.md`` and ``figures/``.

FILE is the cohort of ``models/metastatic-os`` (same columns) with ``response``: CR, PR, SD, PD, or not assessable,
which is left out. The rows are not shipped. Every draw has a fixed seed. The candidates and how they are compared stand
in ``response_candidates.py``.
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

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))
import response_candidates as contest
from response_candidates import REGIMEN, SHIPPED, TERMS, Chances
from response_report import report

from models import evaluation as ev

FOLDER = Path(__file__).parent
SEED = contest.SEED
ASSESSED = ("PD", "SD", "PR", "CR")


def read(path: Path, *, everybody: bool = False) -> pd.DataFrame:
    """The cohort in the model's coding. ``everybody``: those not assessed, too, as without response."""
    raw = pd.read_csv(path)
    if not everybody:
        raw = raw[raw.response.isin(ASSESSED)].reset_index(drop=True)
    male = (raw.sex == "Male").astype(float).where(raw.sex.notna())

    def is_(column: str, value: str) -> pd.Series:
        return (raw[column].astype(str) == value).astype(float)

    return pd.DataFrame(
        {
            "age10": (raw.age - 65) / 10,
            "male": male.fillna(male.mean()),
            "ecog1": is_("ecog", "1"),
            "ecog2": is_("ecog", "2+"),
            "cacs": is_("cacs", "Yes"),
            "log_siri": raw.log_siri,
            "liver": is_("liver", "Yes"),
            "peritoneum": is_("peritoneum", "Yes"),
            "lung": is_("lung", "Yes"),
            "diameters_over_5": is_("sum_of_diameters", "GT5"),
            "not_measurable": is_("sum_of_diameters", "NonMeasurable"),
            "gnp": is_("regimen", "Gem-Abraxane"),
            "gemcitabine": is_("regimen", "Gemcitabine mono"),
            "other": is_("regimen", "Other"),
            "responded": raw.response.isin(["CR", "PR"]).astype(float),
            "step": raw.response.map({"PD": 0.0, "SD": 1.0, "PR": 2.0, "CR": 2.0}).fillna(0.0),
            "age": raw.age,
            "months": raw.os_months,
            "died": raw.os_event,
        }
    )


def measure(
    data: pd.DataFrame, everybody: pd.DataFrame, candidates: dict[str, Chances], draws: int, watch: Any
) -> dict[str, Any]:
    y = data.responded.to_numpy()
    tried = {name: contest.out_of_fold(data, c) for name, c in watch(candidates.items(), desc="candidates")}

    def resampled(statistic: Callable[[np.ndarray], float], of: np.ndarray) -> dict[str, float]:
        """Those with and without response are drawn apart: right for an AUC alone, which does not depend on shares."""
        return ev.resampled(statistic, len(of), draws=draws, seed=SEED, groups=of)

    def auc_of(chance: np.ndarray, of: np.ndarray) -> Callable[[np.ndarray], float]:
        return lambda rows: float(np.mean([ev.auc(c[rows], of[rows]) for c in chance]))

    own = auc_of(tried[SHIPPED], y)
    table = {}
    for name, chance in watch(tried.items(), desc="bootstrap"):
        c = auc_of(chance, y)
        gain = resampled(lambda rows, c=c: c(rows) - own(rows), y)
        table[name] = resampled(c, y) | {f"gain{k}": gain[v] for k, v in _GAIN.items()}
    chosen, best = ev.simplest_within_one_error(table)
    mean = tried[SHIPPED].mean(axis=0)
    part = ev.parts_of(mean, 4)
    return {
        "draws": draws,
        "competition": table,
        "best": best,
        "chosen": chosen,
        "auc": table[SHIPPED],
        "auc_with_regimen": resampled(auc_of(contest.out_of_fold(data, contest.WITH_REGIMEN), y), y),
        "everybody": _everybody(everybody, resampled, auc_of),
        "recalibration": {
            name: ev.resampled(
                lambda rows, name=name: getattr(ev.recalibration(mean[rows], y[rows]), name),
                len(y),
                draws=draws,
                seed=SEED,
            )
            for name in ("intercept", "slope")
        },
        "fourths": [ev.share_row(mean[part == g], y[part == g]) for g in range(4)],
        "subgroups": {
            name: ev.share_row(mean[rows], y[rows])
            | {"responses": int(y[rows].sum()), "auc": resampled(auc_of(tried[SHIPPED][:, rows], y[rows]), y[rows])}
            for name, rows in watch(_subgroups(data).items(), desc="subgroups")
        },
    }


_GAIN = {"": "value", "_lower": "lower", "_upper": "upper"}


def _everybody(data: pd.DataFrame, resampled: Any, auc_of: Any) -> dict[str, Any]:
    """Those not assessed counted as without response: what the figures before this model did."""
    y = data.responded.to_numpy()
    both = {"auc": contest.CANDIDATES[SHIPPED], "auc_with_regimen": contest.WITH_REGIMEN}
    found = {key: resampled(auc_of(contest.out_of_fold(data, c), y), y) for key, c in both.items()}
    return {"n": len(y), "responses": int(y.sum()), **found}


def _subgroups(data: pd.DataFrame) -> dict[str, np.ndarray]:
    groups = {
        "under 65": data.age < 65,
        "65 to 74": (data.age >= 65) & (data.age < 75),
        "75 and over": data.age >= 75,
        "women": data.male == 0,
        "men": data.male == 1,
        "ECOG 0": (data.ecog1 == 0) & (data.ecog2 == 0),
        "ECOG 1": data.ecog1 == 1,
        "ECOG 2 or more": data.ecog2 == 1,
        "general decline": data.cacs == 1,
        "no general decline": data.cacs == 0,
        "liver metastases": data.liver == 1,
        "no liver metastases": data.liver == 0,
        "treated with FOLFIRINOX": data[list(REGIMEN)].sum(axis=1) == 0,
        "treated with gemcitabine + nab-paclitaxel": data.gnp == 1,
        "treated with gemcitabine": data.gemcitabine == 1,
    }
    return {name: np.asarray(rows) for name, rows in groups.items()}


def main(path: Path, output: Path = FOLDER, candidates: dict[str, Chances] | None = None, draws: int = 300) -> None:
    from tqdm import tqdm

    data = read(path)
    beta, covariance = ev.logistic(data[list(TERMS)].to_numpy(), data.responded.to_numpy())
    result = {
        "n": len(data),
        "responses": int(data.responded.sum()),
        "terms": list(TERMS),
        "coding": "ecog1 ECOG 1, ecog2 ECOG 2 or more, cacs general decline, log_siri = ln(N x M / L), 10^9/L",
        "intercept": round(float(beta[0]), 6),
        "beta": ev.rounded(beta[1:]),
        "covariance": ev.rounded(covariance, 8),
        "log_siri_range": [float(data.log_siri.min()), float(data.log_siri.max())],
        "age_range": [float(data.age.min()), float(data.age.max())],
        "means": ev.rounded(data[list(TERMS)].mean()),
        "by_regimen": {
            name: [int(rows.sum()), ev.r4(data.responded[rows].mean())]
            for name, rows in {
                "FOLFIRINOX": data[list(REGIMEN)].sum(axis=1) == 0,
                "gemcitabine + nab-paclitaxel": data.gnp == 1,
                "gemcitabine": data.gemcitabine == 1,
            }.items()
        },
        "measured": measure(data, read(path, everybody=True), candidates or contest.CANDIDATES, draws, tqdm),
    }
    (output / "fit.json").write_text(json.dumps(result, separators=(",", ":")).replace("],[", "],\n[") + "\n", "utf-8")
    report(result, output)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="CSV of the cohort")
    main(parser.parse_args().data)
