"""Fits response in metastatic disease: ``python models/metastatic-response/fit.py --data FILE.csv`` writes
``fit.json``, ``evaluation.md`` and ``figures/``.

FILE is the cohort of ``models/metastatic-os`` (same columns) with ``response``: CR, PR, SD, PD, or not assessable,
which is left out. The rows are not shipped. Every draw has a fixed seed.

Fixed before any result was seen
--------------------------------
Complete or partial response against stable or progressive disease; logistic regression on the inputs of the survival
model. Measure: AUC, 10 times 5-fold cross-validation. Candidates, simplest first, in ``CANDIDATES``; the simplest
within one standard error of the best is shipped. The regimen is in none: chosen by doctors, its term would be no
effect; the response rates of the randomised trials stand beside the estimate instead.
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
from models import evaluation as ev

FOLDER = Path(__file__).parent
SEED = 20261125
REPEATS, FOLDS = 10, 5
FUNCTION = ("ecog1", "ecog2", "cacs", "log_siri")
SITES = ("age10", "male", "liver", "peritoneum", "lung")
IMAGING = ("diameters_over_5", "not_measurable")
REGIMEN = ("gnp", "gemcitabine", "other")

Chances = Callable[[pd.DataFrame, pd.DataFrame], np.ndarray]
"""(to fit on, to try on) -> chance of response of the second."""


def read(path: Path) -> pd.DataFrame:
    raw = pd.read_csv(path)
    raw = raw[raw.response.isin(["CR", "PR", "SD", "PD"])].reset_index(drop=True)
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
            "age": raw.age,
        }
    )


def logistic(*names: str) -> Chances:
    def tried(fit_on: pd.DataFrame, held: pd.DataFrame) -> np.ndarray:
        columns = list(names)
        beta, _ = ev.logistic(fit_on[columns].to_numpy(), fit_on.responded.to_numpy())
        return np.asarray(1 / (1 + np.exp(-(beta[0] + held[columns].to_numpy() @ beta[1:]))))

    return tried


def boosted(fit_on: pd.DataFrame, held: pd.DataFrame) -> np.ndarray:
    from sklearn.ensemble import GradientBoostingClassifier

    columns = [*FUNCTION, *SITES, *IMAGING]
    made = GradientBoostingClassifier(
        n_estimators=80, learning_rate=0.05, max_depth=2, subsample=0.7, min_samples_leaf=20, random_state=SEED
    )
    made.fit(fit_on[columns].to_numpy(), fit_on.responded.to_numpy())
    return np.asarray(made.predict_proba(held[columns].to_numpy())[:, 1])


CANDIDATES: dict[str, Chances] = {
    "logistic: ECOG, decline, log SIRI": logistic(*FUNCTION),
    "logistic: the same and imaging": logistic(*FUNCTION, *IMAGING),
    "logistic: the same, age, sex and sites": logistic(*FUNCTION, *SITES),
    "logistic: all and imaging": logistic(*FUNCTION, *SITES, *IMAGING),
    "boosted trees, all and imaging": boosted,
}
SHIPPED = "logistic: ECOG, decline, log SIRI"
TERMS = FUNCTION
WITH_REGIMEN = logistic(*FUNCTION, *SITES, *IMAGING, *REGIMEN)


def out_of_fold(data: pd.DataFrame, candidate: Chances) -> np.ndarray:
    """[repeats, n]"""
    found = np.empty((REPEATS, len(data)))
    for repeat, fit_on, held in ev.folds(len(data), FOLDS, REPEATS, SEED):
        found[repeat, held] = candidate(data.iloc[fit_on], data.iloc[held])
    return found


def measure(data: pd.DataFrame, candidates: dict[str, Chances], draws: int, watch: Any) -> dict[str, Any]:
    y = data.responded.to_numpy()
    tried = {name: out_of_fold(data, c) for name, c in watch(candidates.items(), desc="candidates")}

    def discrimination(chance: np.ndarray) -> dict[str, float]:
        return ev.resampled(
            lambda rows: float(np.mean([ev.auc(c[rows], y[rows]) for c in chance])),
            len(data),
            draws=draws,
            seed=SEED,
            groups=y,
        )

    table = {name: discrimination(chance) for name, chance in tried.items()}
    chosen, best = ev.simplest_within_one_error(table)
    own = tried[SHIPPED].mean(axis=0)
    odds = np.log(own / (1 - own))
    slope = ev.logistic(odds[:, None], y)
    part = np.digitize(own, np.quantile(own, [0.25, 0.5, 0.75]))
    return {
        "competition": table,
        "best": best,
        "chosen": chosen,
        "auc": table[SHIPPED],
        "auc_with_regimen": discrimination(out_of_fold(data, WITH_REGIMEN)),
        "slope": {"value": ev.r3(slope[0][1]), "se": ev.r3(np.sqrt(slope[1][1, 1]))},
        "fourths": [_share(own[part == g], y[part == g]) for g in range(4)],
    }


def _share(chance: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Observed share with Wilson's interval."""
    n, p, z = len(y), float(y.mean()), 1.96
    centre, reach = (p + z**2 / (2 * n)), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = ((centre + sign * reach) / (1 + z**2 / n) for sign in (-1, 1))
    return {"n": n, "predicted": ev.r4(chance.mean()), "observed": ev.r4(p), "lower": ev.r4(low), "upper": ev.r4(high)}


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
        "measured": measure(data, candidates or CANDIDATES, draws, tqdm),
    }
    (output / "fit.json").write_text(json.dumps(result, separators=(",", ":")).replace("],[", "],\n[") + "\n", "utf-8")
    report(result, output)


def report(fit: dict[str, Any], output: Path) -> None:
    m = fit["measured"]
    ev.calibration_figure(output / "figures" / "calibration.svg", {"a point a fourth": m["fourths"]}, "Response")
    se = np.sqrt(np.diag(np.array(fit["covariance"])))[1:]
    ev.write(
        output / "evaluation.md",
        "# Response in metastatic disease: evaluation",
        "Written by `fit.py`; do not edit.",
        f"{fit['n']} patients whose response was assessed, {fit['responses']} with complete or partial response; the "
        "cohort of the survival model. All of it is internal: 10 times 5-fold cross-validation.",
        ev.table(
            ["term", "odds ratio", "95% interval"],
            [
                [name, f"{np.exp(b):.2f}", f"{np.exp(b - 1.96 * s):.2f} to {np.exp(b + 1.96 * s):.2f}"]
                for name, b, s in zip(fit["terms"], fit["beta"], se, strict=True)
            ],
        ),
        "## The candidates",
        "Fixed before looking, simplest first.",
        ev.table(
            ["candidate", "AUC (95% interval)", "standard error"],
            [[name, ev.with_interval(c), f"{c['se']:.3f}"] for name, c in m["competition"].items()],
        ),
        f"Best: {m['best']}. Simplest within one standard error of it: {m['chosen']}. Shipped: {SHIPPED}. With the "
        f"regimen and all else: {ev.with_interval(m['auc_with_regimen'])}; it is left out on purpose.",
        "## Calibration",
        ev.table(
            ["fourth", "n", "predicted", "observed (95% interval)"],
            [
                [at, r["n"], f"{r['predicted']:.3f}", f"{r['observed']:.3f} ({r['lower']:.3f} to {r['upper']:.3f})"]
                for at, r in enumerate(m["fourths"], start=1)
            ],
        ),
        f"Slope {m['slope']['value']:.2f} (standard error {m['slope']['se']:.2f}).",
        "![predicted against observed](figures/calibration.svg)",
        "Seen by regimen, as doctors chose them: "
        + ", ".join(f"{name} {100 * share:.0f}% of {n}" for name, (n, share) in fit["by_regimen"].items())
        + ". These are no effects of the regimens.",
        "## What it cannot do",
        "- Say which regimen to give, or what one adds.\n"
        "- Tell patients apart well: see the AUC.\n"
        "- Hold elsewhere: there is one cohort. Patients whose response was not assessed are "
        "left out, so it may promise too much.",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="CSV of the cohort")
    main(parser.parse_args().data)
