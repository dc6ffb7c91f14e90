"""Fits the urine panel: ``python models/urine-panel/fit.py --data FILE.csv`` writes ``fit.json`` and ``evaluation.md``.

FILE is the data of Debernardi 2020 (PLoS Medicine, CC-BY): one row a person, columns ``sample_origin`` (site),
``patient_cohort``, ``age``, ``diagnosis`` (1 control, 2 benign, 3 cancer), ``stage``, ``creatinine`` (urine, mg/mL),
``LYVE1``, ``REG1B``, ``TFF1`` (urine, ng/mL), ``plasma_CA19_9`` (U/mL, in part), ``sex`` and
``benign_sample_diagnosis``. The rows are not shipped.

Fixed beforehand
----------------
By this script; no registry outside this repository holds it, and an analysis of the same data had been seen.
Logistic regression of cancer against all others on age, ln creatinine and the three proteins per mg of creatinine,
ln(x + 0.001). Measure: AUC, 10 times 10-fold cross-validation, and leaving one site out. A case-control study has no
absolute risk: shipped are the log odds against the median person without cancer, and the rank among those people.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[2]))
from models import evaluation as ev

FOLDER = Path(__file__).parent
SEED = 20261124
TERMS = ("age10", "ln_creatinine", "ln_lyve1", "ln_reg1b", "ln_tff1")
LEVELS = tuple(range(0, 101, 5))
BEFORE = {
    "cancer against all others": (0.888, "0.861 to 0.914"),
    "cancer against benign disease": (0.851, "0.817 to 0.884"),
    "stage I-II against all others": (0.896, "0.863 to 0.927"),
}
"""AUC of the analysis that came before this model: the same data, terms and folds in number."""


def read(path: Path) -> pd.DataFrame:
    raw = pd.read_csv(path, encoding="utf-8-sig")

    def per_creatinine(name: str) -> pd.Series:
        return np.log(raw[name] / raw.creatinine + 1e-3)

    return pd.DataFrame(
        {
            "age10": (raw.age - 60) / 10,
            "ln_creatinine": np.log(raw.creatinine),
            "ln_lyve1": per_creatinine("LYVE1"),
            "ln_reg1b": per_creatinine("REG1B"),
            "ln_tff1": per_creatinine("TFF1"),
            "ln_ca199": np.log(raw.plasma_CA19_9 + 1),
            "cancer": (raw.diagnosis == 3).astype(float),
            "benign": (raw.diagnosis == 2).astype(float),
            "early": raw.stage.astype(str).str.match(r"I{1,2}[AB]?$"),
            "male": raw.sex == "M",
            "pancreatitis": raw.benign_sample_diagnosis.astype(str).str.contains("pancreatitis", case=False),
            "site": raw.sample_origin,
            "age": raw.age,
            **{name: raw[name] for name in ("creatinine", "LYVE1", "REG1B", "TFF1")},
        }
    )


def scored(x: np.ndarray, beta: np.ndarray) -> np.ndarray:
    return np.asarray(beta[0] + x @ beta[1:])


def out_of_fold(x: np.ndarray, y: np.ndarray, watch: Any, repeats: int = 10) -> np.ndarray:
    """[repeats, n]"""
    found = np.empty((repeats, len(y)))
    for repeat, fit_on, held in watch(list(ev.folds(len(y), 10, repeats, SEED)), desc="cross-validation"):
        found[repeat, held] = scored(x[held], ev.logistic(x[fit_on], y[fit_on])[0])
    return found


def tried(score: np.ndarray, case: np.ndarray, rows: np.ndarray, draws: int = 500) -> dict[str, Any]:
    at = np.flatnonzero(rows)
    found = ev.resampled(
        lambda drawn: float(np.mean([ev.auc(s[at[drawn]], case[at[drawn]]) for s in np.atleast_2d(score)])),
        len(at),
        draws=draws,
        seed=SEED,
        groups=case[at],
    )
    return {"cases": int(case[at].sum()), "others": int(len(at) - case[at].sum()), **found}


def found_at_95(score: np.ndarray, case: np.ndarray, rows: np.ndarray, draws: int) -> dict[str, float]:
    """Of the cancers among ``rows``, the share that ranks above 95 of 100 of all people without cancer."""
    above = np.mean([s > np.percentile(s[case == 0], 95) for s in score], axis=0)
    cases = np.flatnonzero(rows & (case == 1))
    return ev.resampled(lambda drawn: float(above[cases[drawn]].mean()), len(cases), draws=draws, seed=SEED)


def _subgroups(data: pd.DataFrame, y: np.ndarray) -> dict[str, np.ndarray]:
    """Those in whom a decision would differ; each with its cases and its own others, unless it says which."""
    cancer, marker = y == 1, np.exp(data.ln_ca199) - 1
    groups = {
        "under 55": data.age < 55,
        "55 to 69": (data.age >= 55) & (data.age < 70),
        "70 and over": data.age >= 70,
        "women": ~data.male,
        "men": data.male,
        "CA 19-9 up to 37 U/mL": marker <= 37,
        "CA 19-9 above 37 U/mL": marker > 37,
        "stage III-IV against all others": ~cancer | ~data.early,
        "cancer against pancreatitis": cancer | data.pancreatitis,
        "stage I-II against pancreatitis": (cancer & data.early) | data.pancreatitis,
    }
    kept = {name: np.asarray(rows) for name, rows in groups.items()}
    return {name: rows for name, rows in kept.items() if 0 < y[rows].sum() < rows.sum()}


def measure(data: pd.DataFrame, draws: int, watch: Any) -> dict[str, Any]:
    x, y = data[list(TERMS)].to_numpy(), data.cancer.to_numpy()
    score = out_of_fold(x, y, watch)
    healthy = ((y == 1) | (data.benign == 0)).to_numpy()
    benign = ((y == 1) | (data.benign == 1)).to_numpy()
    early = ((y == 0) | data.early).to_numpy()
    sites = {}
    for site in sorted(data.site.unique()):
        held = (data.site == site).to_numpy()
        if 0 < y[held].sum() < held.sum():
            beta = ev.logistic(x[~held], y[~held])[0]
            chance = 1 / (1 + np.exp(-scored(x[held], beta)))
            sites[site] = {
                **tried(scored(x, beta), y, held, draws),
                "predicted": ev.r3(chance.mean()),
                "observed": ev.r3(y[held].mean()),
            }
    marker = data.ln_ca199.notna().to_numpy()
    with_marker = data[marker]
    x_marker, y_marker = with_marker[[*TERMS, "ln_ca199"]].to_numpy(), with_marker.cancer.to_numpy()
    every = np.ones(marker.sum(), dtype=bool)
    return {
        "auc": {
            "cancer against all others": tried(score, y, np.ones(len(y), dtype=bool), draws),
            "cancer against healthy controls": tried(score, y, healthy, draws),
            "cancer against benign disease": tried(score, y, benign, draws),
            "stage I-II against all others": tried(score, y, early, draws),
            "stage I-II against benign disease": tried(score, y, early & benign, draws),
            "age alone, against all others": tried(data.age10.to_numpy(), y, np.ones(len(y), dtype=bool), draws),
            "where CA 19-9 was measured: panel": tried(score[:, marker], y_marker, every, draws),
            "where CA 19-9 was measured: CA 19-9 alone": tried(with_marker.ln_ca199.to_numpy(), y_marker, every, draws),
            "where CA 19-9 was measured: panel and CA 19-9": tried(
                out_of_fold(x_marker, y_marker, watch), y_marker, every, draws
            ),
        },
        "subgroups": {
            name: tried(score, y, rows, draws) | {"found": found_at_95(score, y, rows, draws)}
            for name, rows in _subgroups(data, y).items()
        },
        "site_left_out": sites,
        "others": ev.rounded(np.percentile(score[:, y == 0].ravel(), LEVELS), 6),
    }


def main(path: Path, output: Path = FOLDER, draws: int = 500) -> None:
    from tqdm import tqdm

    data = read(path)
    x, y = data[list(TERMS)].to_numpy(), data.cancer.to_numpy()
    beta, covariance = ev.logistic(x, y)
    measured = measure(data, draws, tqdm)
    result = {
        "n": len(data),
        "cases": int(y.sum()),
        "terms": list(TERMS),
        "coding": "age10 = (age - 60) / 10; ln_creatinine = ln(mg/mL); the rest ln(ng/mL / creatinine mg/mL + 0.001)",
        "intercept": round(float(beta[0]), 6),
        "beta": ev.rounded(beta[1:]),
        "covariance": ev.rounded(covariance, 8),
        "ranges": {
            name: [float(data[name].min()), float(data[name].max())]
            for name in ("age", "creatinine", "LYVE1", "REG1B", "TFF1")
        },
        "levels": list(LEVELS),
        "others": measured.pop("others"),
        "measured": measured,
    }
    (output / "fit.json").write_text(json.dumps(result, separators=(",", ":")).replace("],[", "],\n[") + "\n", "utf-8")
    report(result, output)


def report(fit: dict[str, Any], output: Path) -> None:
    m = fit["measured"]
    figure(output / "figures" / "sites.svg", m["site_left_out"])
    ev.write(
        output / "evaluation.md",
        "# Urine panel: evaluation",
        "Written by `fit.py`; do not edit.",
        f"{fit['n']} people, {fit['cases']} with pancreatic cancer: a case-control study at four sites "
        "(Debernardi 2020). AUC from 10 times 10-fold cross-validation, intervals from 500 bootstraps of people.",
        ev.table(
            ["comparison", "cases", "others", "AUC (95% interval)"],
            [[name, r["cases"], r["others"], ev.with_interval(r)] for name, r in m["auc"].items()],
        ),
        "## Against the reference",
        "; ".join(
            f"{name} {before} ({interval}) before, {ev.with_interval(m['auc'][name])} here"
            for name, (before, interval) in BEFORE.items()
        )
        + ". The same data and the same model, so the same figures; nothing more elaborate was tried, since boosting "
        "had been no better there.",
        "## Subgroups",
        "Cancer against all others of the group, cross-validated; and of its cancers, the share that ranks above 95 of "
        "100 of all people without cancer.",
        ev.table(
            ["people", "cases", "others", "AUC (95% interval)", "cancers above rank 95 (95% interval)"],
            [
                [name, r["cases"], r["others"], ev.with_interval(r), ev.with_interval(r["found"])]
                for name, r in m["subgroups"].items()
            ],
        ),
        "The score has no calibration by month and no range for one person: it is neither a risk nor a time.",
        "## One site left out at a time",
        ev.table(
            ["site", "cases", "others", "AUC (95% interval)", "mean predicted", "share with cancer"],
            [
                [name, r["cases"], r["others"], ev.with_interval(r), r["predicted"], r["observed"]]
                for name, r in m["site_left_out"].items()
            ],
        ),
        "![one site left out](figures/sites.svg)",
        "Ranking carries over to another site, probability does not: the mean predicted chance misses the share with "
        "cancer at every site. A site without both groups can't be tried.",
        "## What it cannot do",
        "- Give a risk: the study chose its cases and controls, so no probability can be read from it.\n"
        "- Show that it adds to CA 19-9 in people without symptoms: nobody here came from screening.\n"
        "- Separate age from cancer: cases are older than controls, and age alone has the AUC given above.\n"
        "- Read urine measured with other assays: the proteins have no reference method.",
    )


def figure(path: Path, sites: dict[str, Any]) -> None:
    rows = [
        {"predicted": r["predicted"], "observed": r["observed"], "lower": r["observed"], "upper": r["observed"]}
        for r in sites.values()
    ]
    ev.calibration_figure(path, {"mean chance, a point a site": rows}, "Left-out sites")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="CSV of Debernardi 2020")
    main(parser.parse_args().data)
