"""``evaluation.md`` and its figures, from what ``fit.py`` measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from competition import SHIPPED

from models import evaluation as ev

REGIMENS = {"gnp": "gemcitabine + nab-paclitaxel", "folfirinox": "FOLFIRINOX", "gemcitabine": "gemcitabine"}


def report(fit: dict[str, Any], output: Path) -> None:
    m = fit["measured"]
    panels = {f"{months} months": rows for months, rows in m["calibration_by_fourth"].items()}
    ev.calibration_figure(output / "figures" / "calibration.svg", panels, "Share alive, by fourth of predicted outlook")
    ev.write(
        output / "evaluation.md",
        "# Survival in metastatic disease: evaluation",
        "Written by `fit.py`; do not edit.",
        f"{fit['n']} patients, {fit['events']} deaths, one Spanish cohort at the start of first-line treatment. All of "
        "it is internal: repeated cross-validation, intervals from a bootstrap of patients.",
        *_coefficients(fit),
        *_competition(m["competition"]),
        *_discrimination(m),
        *_calibration(m),
        *_subgroups(m),
        "## What it cannot do",
        "- Show that it holds in another hospital: there is one cohort here.\n"
        "- Say what a treatment adds: the regimen is left out on purpose.\n"
        "- Follow effects that change over time (p of the trend of the scaled Schoenfeld residuals: "
        + ", ".join(f"{name} {p:.4f}" for name, p in m["proportional_hazards_p"].items() if p < 0.05)
        + "): the effect of the blood counts fades.\n"
        "- Speak of patients with ECOG 3 or 4, of stage III, or beyond 36 months.",
    )


def _coefficients(fit: dict[str, Any]) -> list[str]:
    se = np.sqrt(np.diag(np.array(fit["covariance"]["beta"])))
    rows = [
        [name, f"{np.exp(b):.2f}", f"{np.exp(b - 1.96 * s):.2f} to {np.exp(b + 1.96 * s):.2f}"]
        for name, b, s in zip(fit["covariates"], fit["beta"], se, strict=True)
    ]
    ratio, low, high = fit["fusion"]["basal_like"]["hazard_ratio"]
    return [
        "## Coefficients",
        ev.table(["term", "hazard ratio", "95% interval"], rows),
        fit["coding"] + f". Basal-like against classical is a term from elsewhere (fusion): {ratio} ({low} to {high}), "
        "mostly from resected cohorts, taken as independent of the rest. Nothing here tests it: the cohort has no "
        "subtypes.",
    ]


def _competition(found: dict[str, Any]) -> list[str]:
    rows = [
        [
            name,
            ev.with_interval(c),
            f"{c['se']:.3f}",
            f"{c['gain']:+.3f} ({c['gain_lower']:+.3f} to {c['gain_upper']:+.3f})",
            f"{c['brier']:.4f}",
        ]
        for name, c in found["table"].items()
    ]
    imaging = [
        f"{name} {g['gain']:+.3f} ({g['gain_lower']:+.3f} to {g['gain_upper']:+.3f})"
        for name, g in found["imaging"].items()
    ]
    earned = any(g["gain_lower"] > 0 for g in found["imaging"].values())
    return [
        "## The candidates",
        "Fixed before looking, simplest first (`competition.py`); the same folds for all.",
        ev.table(
            ["candidate", "C-index (95% interval)", "standard error", "gain over Cox (95% interval)", "squared error"],
            rows,
        ),
        f"Best: {found['best']}. Simplest within one standard error of it: {found['chosen']}. Shipped: {SHIPPED}.",
        f"Imaging (sum of target diameters) {'earns' if earned else 'does not earn'} its place: gain in C "
        + "; ".join(imaging)
        + ".",
    ]


def _discrimination(m: dict[str, Any]) -> list[str]:
    rows = [
        [REGIMENS.get(name, name), r["n"], f"{r['value']:.3f}", f"{r['predicted']:.3f}", _seen(r)]
        for name, r in m["c_index_leave_one_regimen_out"].items()
    ]
    return [
        "## Discrimination",
        f"C-index {ev.with_interval(m['c_index'])}; with the regimen it would be "
        f"{ev.with_interval(m['c_index_with_regimen'])}. Patients of one regimen, predicted from the others:",
        ev.table(["regimen left out", "n", "C-index", "predicted alive at 12 months", "observed"], rows),
    ]


def _calibration(m: dict[str, Any]) -> list[str]:
    slope, spread = m["calibration_slope"], m["range"]
    return [
        "## Calibration",
        ev.table(
            ["months", "predicted alive", "observed (95% interval)"],
            [[f"{r['months']:g}", f"{r['predicted']:.3f}", _seen(r)] for r in m["calibration"]],
        ),
        f"Slope {slope['value']:.2f} ({slope['lower']:.2f} to {slope['upper']:.2f}). Squared error over months 1-24: "
        f"{m['brier']['integrated']:.4f}, for the cohort's curve alone {m['brier']['integrated_kaplan_meier']:.4f}.",
        "![predicted against observed](figures/calibration.svg)",
        "One patient's own range (10 to 90% of survival time) is far wider than the interval of the estimate. Of "
        f"patients not fitted on, {100 * spread['before']:.0f}% died before their range, {100 * spread['within']:.0f}% "
        f"within and {100 * spread['after']:.0f}% after it (to be: 10, 80, 10).",
    ]


def _subgroups(m: dict[str, Any]) -> list[str]:
    rows = [
        [name, g["n"], g["deaths"], ev.with_interval(g["c_index"]), f"{g['predicted']:.3f}", _seen(g)]
        for name, g in m["subgroups"].items()
    ]
    head = ["patients", "n", "deaths", "C-index (95% interval)", "predicted alive at 12 months", "observed"]
    return ["## Subgroups", ev.table(head, rows)]


def _seen(row: dict[str, float]) -> str:
    return f"{row['observed']:.3f} ({row['lower']:.3f} to {row['upper']:.3f})"
