"""Fits survival after resection: ``python models/resected-os/fit.py --data FOLDER`` writes ``fit.json``,
``evaluation.md`` and ``figures/``.

FOLDER holds one CSV a cohort (bhklab/PDATK): ``ICGCMICRO``, ``ICGCSEQ``, ``PCSI``, ``OUH``, ``KIRBY``, ``COLLISON``;
columns ``unique_patient_ID``, ``survival_time`` (days), ``event_occurred``, ``age``, ``sex``, ``T``, ``N``, ``M``,
``grade``, as far as a cohort has them. The rows are not shipped. Every draw has a fixed seed.

Patients: T, N or age known; not M1. ICGC by array and by sequencing are one cohort, a patient in both counts once.
What a cohort lacks (grade in KIRBY, sex in COLLISON, a few T and N) takes the mean of the patients it is fitted on.
The candidates and how they are compared stand in ``resected_candidates.py``. Effects are fitted with a baseline of its
own for each cohort; the curve shipped is the pooled baseline, and its interval includes how much whole cohorts differ.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))
import resected_candidates as contest
from resected_candidates import BASE, Score, cox, filled
from resected_measures import REPEATS, measure
from resected_report import report

from models import evaluation as ev

FOLDER = Path(__file__).parent
SEED = 20261124
DAYS_A_MONTH = 365.25 / 12
TIMES = tuple(float(t) for t in range(61))
COHORTS = {
    "ICGC": ("ICGCMICRO", "ICGCSEQ"),
    "PCSI": ("PCSI",),
    "OUH": ("OUH",),
    "KIRBY": ("KIRBY",),
    "COLLISON": ("COLLISON",),
}
SUBTYPE = {
    # basal-like against classical by PurIST, 199 resected patients of three Dutch centres, adjusted for clinical and
    # pathological variables: SPACIOUS-2, Br J Surg 2022;109:1150, doi.org/10.1093/bjs/znac272
    "log_hazard_ratio": round(float(np.log(1.49)), 6),
    "standard_error": round(float(np.log(2.19 / 1.01) / (2 * 1.959964)), 6),
    "share": 0.19,
    "hazard_ratio": [1.49, 1.01, 2.19],
}


def read(folder: Path) -> pd.DataFrame:
    """All cohorts in the model's coding: NaN where a value is not known; months, died, cohort."""
    parts = []
    for cohort, files in COHORTS.items():
        found = [pd.read_csv(folder / f"{name}.csv") for name in files if (folder / f"{name}.csv").exists()]
        if found:
            rows = pd.concat(found).drop_duplicates("unique_patient_ID")
            parts.append(_coded(rows).assign(cohort=cohort))
    if not parts:
        raise SystemExit(f"{folder} holds none of {', '.join(sorted(f for fs in COHORTS.values() for f in fs))} (.csv)")
    data = pd.concat(parts, ignore_index=True)
    data = data[(data.months > 0) & data.died.notna() & ~data.m1]
    return data[data[["t34", "n1", "age10"]].notna().any(axis=1)].drop(columns="m1").reset_index(drop=True)


def _coded(raw: pd.DataFrame) -> pd.DataFrame:
    def column(name: str) -> pd.Series:
        values = raw[name] if name in raw else pd.Series(np.nan, index=raw.index)
        return values.astype("object")

    def letter(name: str, yes: str, no: str) -> pd.Series:
        first = column(name).astype(str).str.strip().str.upper()
        return pd.Series(np.where(first.str.match(yes), 1.0, np.where(first.str.match(no), 0.0, np.nan)), raw.index)

    def digit(name: str) -> pd.Series:
        return pd.to_numeric(column(name).astype(str).str.extract(r"^\s*[TGtg]([1-4])")[0])

    return pd.DataFrame(
        {
            "age10": (pd.to_numeric(column("age")) - 66) / 10,
            "male": letter("sex", "M", "F"),
            "t34": letter("T", "T[34]", "T[12]"),
            "n1": letter("N", "N[12]", "N0"),
            "g3": letter("grade", "G[34]", "G[12]"),
            "t_step": digit("T"),
            "grade_step": digit("grade"),
            "m1": letter("M", "M1", "M[0X]").fillna(0).astype(bool),
            "months": pd.to_numeric(raw.survival_time) / DAYS_A_MONTH,
            "died": pd.to_numeric(raw.event_occurred),
        }
    )


def fitted(data: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means and coefficients [k], pooled cumulative hazard at the means [T]."""
    means = data[list(BASE)].mean()
    ready = filled(data, means)
    beta = cox(ready).to_numpy()
    centred = (ready[list(BASE)] - means).to_numpy() @ beta
    hazard = ev.breslow(ready.months.to_numpy(), ready.died.to_numpy(), centred, TIMES)
    return means.to_numpy(), beta, hazard


def replicated(data: pd.DataFrame, means: np.ndarray, draws: int, watch: Any) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and hazards at ``means`` from patients drawn anew within each cohort."""
    rng = np.random.default_rng(SEED)
    betas, hazards = [], []
    for _ in watch(range(draws), desc="bootstrap"):
        rows = np.concatenate([rng.choice(p, len(p)) for p in data.groupby("cohort").indices.values()])
        own_means, beta, hazard = fitted(data.iloc[rows].reset_index(drop=True))
        betas.append(beta)
        hazards.append(hazard * np.exp(beta @ (means - own_means)))
    return np.array(betas), np.array(hazards)


def between_cohorts(data: pd.DataFrame, means: np.ndarray, beta: np.ndarray, hazard_of: np.ndarray) -> dict[str, Any]:
    """How much whole cohorts differ beyond their patients: log(observed / expected deaths), DerSimonian and Laird."""
    ready = filled(data, pd.Series(means, BASE))
    score = (ready[list(BASE)].to_numpy() - means) @ beta
    expected = hazard_of * np.exp(score)
    rows = []
    for cohort, at in data.groupby("cohort", sort=False).indices.items():
        rows.append((cohort, float(data.died.to_numpy()[at].sum()), float(expected[at].sum())))
    effect = np.array([np.log(o / e) for _, o, e in rows])
    weight = np.array([o for _, o, _ in rows])
    mean = float((weight * effect).sum() / weight.sum())
    excess = float((weight * (effect - mean) ** 2).sum()) - (len(rows) - 1)
    variance = max(0.0, excess / (weight.sum() - (weight**2).sum() / weight.sum()))
    return {
        "sd": round(float(np.sqrt(variance)), 6),
        "observed_to_expected": {c: [o, round(e, 1), ev.r3(o / e)] for c, o, e in rows},
    }


def predicted(fit_on: pd.DataFrame, held: pd.DataFrame) -> np.ndarray:
    """Shares of ``held`` alive at TIMES [n, T], by the model fitted on others, baseline included."""
    means, beta, hazard = fitted(fit_on)
    score = (filled(held, pd.Series(means, BASE))[list(BASE)].to_numpy() - means) @ beta
    return np.exp(-np.exp(score)[:, None] * hazard[None, :])


def main(
    folder: Path,
    output: Path = FOLDER,
    draws: int = 300,
    candidates: dict[str, Score] | None = None,
    repeats: int = REPEATS,
) -> None:
    from tqdm import tqdm

    warnings.simplefilter("ignore", category=RuntimeWarning)
    data = read(folder)
    means, beta, hazard = fitted(data)
    betas, hazards = replicated(data, means, draws, tqdm)
    months, died = data.months.to_numpy(), data.died.to_numpy()
    own = np.minimum(months, TIMES[-1])
    ready = filled(data, pd.Series(means, BASE))
    score = (ready[list(BASE)].to_numpy() - means) @ beta
    truncated = data.assign(died=np.where(months <= TIMES[-1], died, 0))
    hazard_at_own = ev.breslow(months, died, score, own)
    shares = {name: ev.r4(data[name].mean()) for name in ("male", "t34", "n1", "g3")}
    result = {
        "n": len(data),
        "events": int(died.sum()),
        "covariates": list(BASE),
        "coding": "age10 = (age - 66) / 10; n1 any node; g3 grade 3 or 4; t34 T3 or T4 (AJCC 6th or 7th edition)",
        "age_range": [round(float(10 * data.age10.min() + 66), 1), round(float(10 * data.age10.max() + 66), 1)],
        "means": ev.rounded(means),
        "shares": shares,
        "beta": ev.rounded(beta),
        "times": list(TIMES),
        "cumulative_hazard": ev.rounded(hazard),
        "covariance": ev.covariance(betas, hazards, hazard),
        "between_cohorts": between_cohorts(truncated, means, beta, hazard_at_own),
        "fusion": {"basal_like": SUBTYPE},
        "at_risk": {f"{at:g}": int((months >= at).sum()) for at in (12.0, 24.0, 36.0, 60.0)},
        "measured": measure(
            data, predicted, TIMES, candidates or contest.CANDIDATES, draws=draws, repeats=repeats, watch=tqdm
        ),
    }
    (output / "fit.json").write_text(json.dumps(result, separators=(",", ":")).replace("],[", "],\n[") + "\n", "utf-8")
    report(result, output)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with one CSV a cohort")
    main(parser.parse_args().data)
