"""``evaluation.md`` and its figure, from what ``fit.py`` measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from response_candidates import SECOND_ROUND, SHIPPED

from cds.measures.estimate import Z
from models import evaluation as ev

BEFORE = (0.628, "0.578 to 0.673", 591)
"""Cross-validated AUC of the analysis that came before this model, with the regimen, its interval, and patients."""


def report(fit: dict[str, Any], output: Path) -> None:
    m = fit["measured"]
    ev.calibration_figure(output / "figures" / "calibration.svg", {"a point a fourth": m["fourths"]}, "Response")
    ev.write(
        output / "evaluation.md",
        "# Response in metastatic disease: evaluation",
        "Written by `fit.py`; do not edit.",
        f"{fit['n']} patients whose response was assessed, {fit['responses']} with complete or partial response; the "
        "cohort of the survival model. All of it is internal: 10 times 5-fold cross-validation, intervals from "
        f"{m['draws']} bootstraps of patients.",
        _coefficients(fit),
        *_against(fit),
        *_competition(m),
        *_calibration(m),
        *_subgroups(m),
        "## What it cannot do",
        "- Say which regimen to give, or what one adds.\n"
        "- Tell patients apart well: see the AUC.\n"
        "- Hold elsewhere: there is one cohort. Patients whose response was not assessed are left out, so it may "
        "promise too much.\n"
        "- Give a range for one patient: the answer is a chance, and a patient either responds or not.",
    )


def _coefficients(fit: dict[str, Any]) -> str:
    se = np.sqrt(np.diag(np.array(fit["covariance"])))[1:]
    return ev.table(
        ["term", "odds ratio", "95% interval"],
        [
            [name, f"{np.exp(b):.2f}", f"{np.exp(b - Z * s):.2f} to {np.exp(b + Z * s):.2f}"]
            for name, b, s in zip(fit["terms"], fit["beta"], se, strict=True)
        ],
    )


def _against(fit: dict[str, Any]) -> list[str]:
    m = fit["measured"]
    figure, interval, n = BEFORE
    own, regimen, everybody, best = m["auc"], m["auc_with_regimen"], m["everybody"], m["competition"][m["best"]]
    return [
        "## Against the reference",
        ev.table(
            ["AUC", "n", "without the regimen, as shipped (95% interval)", "with the regimen (95% interval)"],
            [
                ["reference", n, "not given", f"{figure} ({interval})"],
                ["here", sum(r["n"] for r in m["fourths"]), ev.with_interval(own), ev.with_interval(regimen)],
                [
                    "here, those not assessed as without response",
                    everybody["n"],
                    ev.with_interval(everybody["auc"]),
                    ev.with_interval(everybody["auc_with_regimen"]),
                ],
            ],
        ),
        f"The reference figure, {figure}, is {'' if own['value'] > figure else 'not '}beaten: what is shipped has "
        f"{ev.with_interval(own)}"
        + (", an interval that holds it. " if own["lower"] <= figure <= own["upper"] else ", an interval below it. ")
        + "Why: the reference knows the regimen, which this model may not, and response differs by regimen as doctors "
        "chose it: "
        + ", ".join(f"{name} {100 * share:.0f}% of {count}" for name, (count, share) in fit["by_regimen"].items())
        + ". These are no effects of the regimens. The reference has 591 patients, some of whom could not be linked to "
        "this cohort, so it probably counts those not assessed as without response; counted like that and with the "
        f"regimen, this cohort gives {ev.with_interval(everybody['auc_with_regimen'])}. Of the "
        f"{len(m['competition'])} candidates below, none of which knows the regimen, the best has "
        f"{best['value']:.3f}, {best['gain']:+.3f} ({best['gain_lower']:+.3f} to {best['gain_upper']:+.3f}) against "
        "the shipped one.",
    ]


def _competition(m: dict[str, Any]) -> list[str]:
    def row(name: str, c: dict[str, float]) -> list[str]:
        gain = f"{c['gain']:+.3f} ({c['gain_lower']:+.3f} to {c['gain_upper']:+.3f})"
        return [name, "second" if name in SECOND_ROUND else "first", ev.with_interval(c), f"{c['se']:.3f}", gain]

    return [
        "## The candidates",
        "In two rounds, simplest first. `response_candidates.py` states the candidates of each and was written before "
        "any of that round was tried, for the second round by people who had seen the first. No registry outside this "
        "repository holds the lists.",
        ev.table(
            ["candidate", "round", "AUC (95% interval)", "standard error", "gain over shipped (95% interval)"],
            [row(name, c) for name, c in m["competition"].items()],
        ),
        f"Best: {m['best']}. Simplest within one standard error of it: {m['chosen']}. Shipped: {SHIPPED}. With the "
        f"regimen and all else: {ev.with_interval(m['auc_with_regimen'])}; it is left out on purpose.",
    ]


def _calibration(m: dict[str, Any]) -> list[str]:
    change = m["recalibration"]
    return [
        "## Calibration",
        ev.table(
            ["fourth", "n", "predicted", "observed (95% interval)"],
            [[at, r["n"], f"{r['predicted']:.3f}", _seen(r)] for at, r in enumerate(m["fourths"], start=1)],
        ),
        f"Slope {ev.with_interval(change['slope'], 2)}, intercept {ev.with_interval(change['intercept'], 2)} (to be: 1 "
        "and 0). Response has no horizon: the best one seen on treatment counts.",
        "![predicted against observed](figures/calibration.svg)",
    ]


def _subgroups(m: dict[str, Any]) -> list[str]:
    rows = [
        [name, g["n"], g["responses"], ev.with_interval(g["auc"]), f"{g['predicted']:.3f}", _seen(g)]
        for name, g in m["subgroups"].items()
    ]
    off = [name for name, g in m["subgroups"].items() if not g["lower"] <= g["predicted"] <= g["upper"]]
    return [
        "## Subgroups",
        ev.table(["patients", "n", "responses", "AUC (95% interval)", "predicted", "observed (95% interval)"], rows),
        "Predicted and observed shares are apart beyond the interval in: " + (", ".join(off) or "none") + ".",
    ]


def _seen(row: dict[str, float]) -> str:
    return f"{row['observed']:.3f} ({row['lower']:.3f} to {row['upper']:.3f})"
