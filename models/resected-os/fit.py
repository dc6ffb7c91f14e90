"""Fits survival after resection: ``python models/resected-os/fit.py --data FOLDER`` writes ``fit.json`` and
``evaluation.md``.

FOLDER holds one CSV a cohort (bhklab/PDATK): ``ICGCMICRO``, ``ICGCSEQ``, ``PCSI``, ``OUH``, ``KIRBY``, ``COLLISON``;
columns ``unique_patient_ID``, ``survival_time`` (days), ``event_occurred``, ``age``, ``sex``, ``T``, ``N``, ``M``,
``grade``, as far as a cohort has them. The rows are not shipped. Every draw has a fixed seed.

Fixed before any result was seen
--------------------------------
Patients: T, N or age known; not M1. ICGC by array and by sequencing are one cohort, a patient in both counts once.
What a cohort lacks (grade in KIRBY, sex in COLLISON, a few T and N) takes the mean of the patients it is fitted on.
Gene expression is not used: it is scaled within a cohort, which one patient can't be.
Measure: C-index, leaving one cohort out, pairs within a cohort only, pooled over cohorts; bootstrap of patients.
Candidates, simplest first, are in ``CANDIDATES``; shipped is the simplest within one standard error of the best.
Effects are fitted with a baseline of its own for each cohort; the curve shipped is the pooled baseline, and its
interval includes how much whole cohorts differ.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter, WeibullAFTFitter

sys.path.insert(0, str(Path(__file__).parents[2]))
from models import evaluation as ev

FOLDER = Path(__file__).parent
SEED = 20261124
DAYS_A_MONTH = 365.25 / 12
TIMES = tuple(float(t) for t in range(61))
MILESTONES = (12.0, 24.0, 36.0)
COHORTS = {
    "ICGC": ("ICGCMICRO", "ICGCSEQ"),
    "PCSI": ("PCSI",),
    "OUH": ("OUH",),
    "KIRBY": ("KIRBY",),
    "COLLISON": ("COLLISON",),
}
BASE = ("n1", "g3", "t34", "age10", "male")
SPLINE_KNOTS = (50.0, 66.0, 80.0)
SUBTYPE = {
    # basal-like against classical; fixed-effect meta-analysis, log hazard ratio ln 1.54 (1.27 to 1.87)
    "log_hazard_ratio": round(float(np.log(1.54)), 6),
    "standard_error": round(float(np.log(1.87 / 1.27) / (2 * 1.959964)), 6),
    "share": 0.19,
    "hazard_ratio": [1.54, 1.27, 1.87],
}

Score = Callable[[pd.DataFrame, pd.DataFrame], np.ndarray]
"""(to fit on, to try on) -> log hazard of the second."""


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

    return pd.DataFrame(
        {
            "age10": (pd.to_numeric(column("age")) - 66) / 10,
            "male": letter("sex", "M", "F"),
            "t34": letter("T", "T[34]", "T[12]"),
            "n1": letter("N", "N[12]", "N0"),
            "g3": letter("grade", "G[34]", "G[12]"),
            "m1": letter("M", "M1", "M[0X]").fillna(0).astype(bool),
            "months": pd.to_numeric(raw.survival_time) / DAYS_A_MONTH,
            "died": pd.to_numeric(raw.event_occurred),
        }
    )


def filled(data: pd.DataFrame, means: pd.Series) -> pd.DataFrame:
    return data.fillna({name: means[name] for name in BASE})


def spline(age10: pd.Series) -> pd.Series:
    """One cubic term beside the straight line, flat in curvature outside the knots (Harrell's restricted spline)."""
    first, middle, last = ((k - 66) / 10 for k in SPLINE_KNOTS)

    def cubed(knot: float) -> pd.Series:
        return (age10 - knot).clip(lower=0) ** 3

    tail = (cubed(middle) * (last - first) - cubed(last) * (middle - first)) / (last - middle)
    return (cubed(first) - tail) / (last - first) ** 2


def widened(data: pd.DataFrame) -> pd.DataFrame:
    return data.assign(age_curve=spline(data.age10), n1_g3=data.n1 * data.g3, n1_age=data.n1 * data.age10)


def cox(data: pd.DataFrame, names: tuple[str, ...] = BASE, penalizer: float = 0.0) -> pd.Series:
    """Coefficients, each cohort with a baseline of its own."""
    columns = data[[*names, "months", "died", "cohort"]]
    return CoxPHFitter(penalizer=penalizer).fit(columns, "months", "died", strata="cohort").params_[list(names)]


def by_cox(names: tuple[str, ...], penalizer: float = 0.0) -> Score:
    return lambda fit_on, held: (widened(held)[list(names)] @ cox(widened(fit_on), names, penalizer)).to_numpy()


def by_weibull(fit_on: pd.DataFrame, held: pd.DataFrame) -> np.ndarray:
    fitted = WeibullAFTFitter().fit(fit_on[[*BASE, "months", "died"]], "months", "died")
    return -np.asarray(fitted.predict_median(held[list(BASE)]), dtype=float)


def by_forest(fit_on: pd.DataFrame, held: pd.DataFrame) -> np.ndarray:
    from sksurv.ensemble import RandomSurvivalForest
    from sksurv.util import Surv

    outcome = Surv.from_arrays(fit_on.died.astype(bool), fit_on.months)
    forest = RandomSurvivalForest(300, min_samples_leaf=20, random_state=SEED, n_jobs=1)
    return np.asarray(forest.fit(fit_on[list(BASE)].to_numpy(), outcome).predict(held[list(BASE)].to_numpy()))


CANDIDATES: dict[str, Score] = {
    "Cox: nodes, grade": by_cox(("n1", "g3")),
    "Cox: nodes, grade, T, age, sex": by_cox(BASE),
    "the same, ridge 0.1": by_cox(BASE, 0.1),
    "Weibull accelerated failure time": by_weibull,
    "Cox with a spline of age": by_cox((*BASE, "age_curve")),
    "Cox with nodes x grade and nodes x age, ridge 0.1": by_cox((*BASE, "n1_g3", "n1_age"), 0.1),
    "random survival forest": by_forest,
}
SHIPPED = "Cox: nodes, grade, T, age, sex"
"""What the rule chose; ``evaluation.md`` names the rule's choice beside it, and a test compares the two."""


def left_out(data: pd.DataFrame, score: Score) -> np.ndarray:
    """Log hazards [n], each cohort's from a fit on the others."""
    found = np.empty(len(data))
    for cohort in data.cohort.unique():
        held = (data.cohort == cohort).to_numpy()
        means = data[~held][list(BASE)].mean()
        ready = filled(data, means)
        values = score(ready[~held].reset_index(drop=True), ready[held])
        # against fixed covariates: a fit's own centre would leak into comparisons between cohorts
        found[held] = values
    return found


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


def calibrated(data: pd.DataFrame) -> dict[str, list[dict[str, float]]]:
    """Each cohort predicted, baseline and all, from the others."""
    found = {}
    for cohort in data.cohort.unique():
        held = (data.cohort == cohort).to_numpy()
        means, beta, hazard = fitted(data[~held].reset_index(drop=True))
        ready = filled(data[held], pd.Series(means, BASE))
        score = (ready[list(BASE)].to_numpy() - means) @ beta
        alive = np.exp(-np.exp(score)[:, None] * hazard[None, :])
        months, died = ready.months.to_numpy(), ready.died.to_numpy()
        found[cohort] = [ev.calibration_row(months, died, alive[:, TIMES.index(at)], at) for at in MILESTONES]
    return found


def measure(data: pd.DataFrame, draws: int, watch: Any, candidates: dict[str, Score]) -> dict[str, Any]:
    months, died, groups = (data[c].to_numpy() for c in ("months", "died", "cohort"))
    scores = {name: left_out(data, score) for name, score in watch(candidates.items(), desc="leave one cohort out")}

    def discrimination(score: np.ndarray) -> dict[str, float]:
        return ev.resampled(
            lambda rows: ev.c_index(months[rows], died[rows], score[rows], groups[rows]),
            len(data), draws=draws, seed=SEED, groups=groups,
        )  # fmt: skip

    competition = {name: discrimination(score) for name, score in scores.items()}
    chosen, best = ev.simplest_within_one_error(competition)
    own = scores[SHIPPED]
    per_cohort = {}
    for cohort in data.cohort.unique():
        at = np.flatnonzero(groups == cohort)
        c = ev.resampled(
            lambda rows, at=at: ev.c_index(months[at[rows]], died[at[rows]], own[at[rows]]),
            len(at), draws=draws, seed=SEED,
        )  # fmt: skip
        per_cohort[cohort] = {
            "n": len(at),
            "deaths": int(died[at].sum()),
            "c_index": c,
            "slope": ev.slope(months[at], died[at], own[at]),
        }
    pooled = ev.resampled(
        lambda rows: ev.c_index(months[rows], died[rows], own[rows]), len(data), draws=draws, seed=SEED, groups=groups
    )
    return {
        "competition": competition,
        "best": best,
        "simplest_within_one_error": chosen,
        "c_index": competition[SHIPPED],
        "c_index_pooled": pooled,
        "cohorts": per_cohort,
        "calibration": calibrated(data),
    }


def main(folder: Path, output: Path = FOLDER, draws: int = 300, candidates: dict[str, Score] | None = None) -> None:
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
        "at_risk": {f"{at:g}": int((months >= at).sum()) for at in (*MILESTONES, 60.0)},
        "measured": measure(data, draws, tqdm, candidates or CANDIDATES),
    }
    (output / "fit.json").write_text(json.dumps(result, separators=(",", ":")).replace("],[", "],\n[") + "\n", "utf-8")
    report(result, output)


def report(fit: dict[str, Any], output: Path) -> None:
    m = fit["measured"]
    panels = {
        f"{months:g} months": [rows[at] for rows in m["calibration"].values()] for at, months in enumerate(MILESTONES)
    }
    ev.calibration_figure(output / "figures" / "calibration.svg", panels, "Share alive; a point is a cohort left out")
    se = np.sqrt(np.diag(np.array(fit["covariance"]["beta"])))
    ev.write(
        output / "evaluation.md",
        "# Survival after resection: evaluation",
        "Written by `fit.py`; do not edit.",
        f"{fit['n']} patients without known distant metastasis, {fit['events']} deaths, from {len(m['cohorts'])} "
        "public cohorts. Patients who are in both ICGC files count once. Time runs from the date each cohort recorded "
        "(diagnosis or operation). Still followed up: "
        + ", ".join(f"{n} at {at} months" for at, n in fit["at_risk"].items())
        + ".",
        "## Coefficients",
        ev.table(
            ["term", "hazard ratio", "95% interval"],
            [
                [name, f"{np.exp(b):.2f}", f"{np.exp(b - 1.96 * s):.2f} to {np.exp(b + 1.96 * s):.2f}"]
                for name, b, s in zip(fit["covariates"], fit["beta"], se, strict=True)
            ],
        ),
        fit["coding"]
        + ". Basal-like against classical is a term from elsewhere (fusion): hazard ratio "
        "{} ({} to {}), taken as independent of the rest.".format(*fit["fusion"]["basal_like"]["hazard_ratio"]),
        "## Discrimination: one cohort left out at a time",
        "C-index over pairs within a cohort. Candidates were fixed before looking, simplest first.",
        ev.table(
            ["candidate", "C-index (95% interval)", "standard error"],
            [[name, ev.with_interval(c), f"{c['se']:.3f}"] for name, c in m["competition"].items()],
        ),
        f"Best: {m['best']}. Simplest within one standard error of it: {m['simplest_within_one_error']}. "
        f"Shipped: {SHIPPED}. With pairs between cohorts, too, the shipped model has "
        f"{ev.with_interval(m['c_index_pooled'])}.",
        ev.table(
            ["cohort left out", "n", "deaths", "C-index (95% interval)", "calibration slope (95% interval)"],
            [
                [name, c["n"], c["deaths"], ev.with_interval(c["c_index"]), ev.with_interval(c["slope"], 2)]
                for name, c in m["cohorts"].items()
            ],
        ),
        "## Calibration: each cohort predicted from the others, baseline included",
        ev.table(
            ["cohort", "months", "predicted alive", "observed (95% interval)"],
            [
                [
                    name,
                    f"{r['months']:g}",
                    f"{r['predicted']:.3f}",
                    f"{r['observed']:.3f} ({r['lower']:.3f} to {r['upper']:.3f})",
                ]
                for name, rows in m["calibration"].items()
                for r in rows
            ],
        ),
        "![predicted against observed](figures/calibration.svg)",
        "A baseline of its own for each cohort would fit better, but a new hospital has none. So the pooled baseline "
        "is shipped, and its interval holds the spread between cohorts: standard deviation of the log hazard "
        f"{fit['between_cohorts']['sd']:.2f}. Deaths observed / expected: "
        + ", ".join(f"{c} {v[2]:.2f}" for c, v in fit["between_cohorts"]["observed_to_expected"].items())
        + ".",
        "## What it cannot do",
        "- Rank patients in every hospital: see the cohorts above with an interval that includes 0.5.\n"
        "- Know modern treatment: all cohorts predate adjuvant modified FOLFIRINOX, so it likely predicts too few "
        "survivors today; recalibrate on own patients before reading the percentages as such.\n"
        "- T by the 8th edition: T3 and T4 here are of the 6th or 7th edition: growth beyond the pancreas, not size.\n"
        "- Margins, tumour size, number of nodes, CA 19-9, fitness and adjuvant treatment are not in it.",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with one CSV a cohort")
    main(parser.parse_args().data)
