"""``evaluation.md`` and its figures, from what ``fit.py`` measured."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from resected_candidates import SECOND_ROUND, SHIPPED
from resected_measures import FOLDS, MILESTONES, REPEATS

from cds.measures.estimate import Z
from models import evaluation as ev

BEFORE = {
    "cohorts": "ICGC 0.596, OUH 0.597, PCSI 0.507, TCGA 0.654",
    "pooled": (0.588, "0.530 to 0.646"),
}
"""Leave-one-cohort-out C-index of the analysis that came before this model, n = 587."""

BLANKS = (
    "It is not shipped, by the rule and for a reason of its own: but for the penalty, all it has more than the shipped "
    "one is which entries a research file leaves blank, and a hospital's records leave them blank for other reasons."
)


def report(fit: dict[str, Any], output: Path) -> None:
    m = fit["measured"]
    by_cohort = {f"{t:g} months": [rows[at] for rows in m["calibration"].values()] for at, t in enumerate(MILESTONES)}
    ev.calibration_figure(
        output / "figures" / "calibration.svg", by_cohort, "Share alive; a point is a cohort left out"
    )
    ev.calibration_figure(
        output / "figures" / "calibration-cross-validated.svg",
        {f"{at} months": rows for at, rows in m["cross_validation"]["calibration_by_fourth"].items()},
        "Share alive, by fourth of predicted outlook; cross-validated",
    )
    ev.write(
        output / "evaluation.md",
        "# Survival after resection: evaluation",
        "Written by `fit.py`; do not edit.",
        f"{fit['n']} patients without known distant metastasis, {fit['events']} deaths, from {len(m['cohorts'])} "
        "public cohorts. Patients who are in both ICGC files count once. Time runs from the date each cohort recorded "
        "(diagnosis or operation). Still followed up: "
        + ", ".join(f"{n} at {at} months" for at, n in fit["at_risk"].items())
        + f". Intervals: {m['draws']} bootstraps of patients within their cohorts.",
        *_coefficients(fit),
        *_against(m),
        *_discrimination(m),
        *_cross_validation(m["cross_validation"]),
        *_calibration(fit),
        *_ranges(m),
        *_subgroups(m),
        "## What it cannot do",
        "- Rank patients in every hospital: see the cohorts above with an interval that includes 0.5.\n"
        "- Know modern treatment: all cohorts predate adjuvant modified FOLFIRINOX, so it likely predicts too few "
        "survivors today; recalibrate on own patients before reading the percentages as such.\n"
        "- T by the 8th edition: T3 and T4 here are of the 6th or 7th edition: growth beyond the pancreas, not size.\n"
        "- Margins, tumour size, number of nodes, CA 19-9, fitness and adjuvant treatment are not in it.",
    )


def _coefficients(fit: dict[str, Any]) -> list[str]:
    se = np.sqrt(np.diag(np.array(fit["covariance"]["beta"])))
    rows = [
        [name, f"{np.exp(b):.2f}", f"{np.exp(b - Z * s):.2f} to {np.exp(b + Z * s):.2f}"]
        for name, b, s in zip(fit["covariates"], fit["beta"], se, strict=True)
    ]
    return [
        "## Coefficients",
        ev.table(["term", "hazard ratio", "95% interval"], rows),
        fit["coding"]
        + ". Basal-like against classical is a term from elsewhere (fusion): hazard ratio "
        "{} ({} to {}), published for 199 resected patients (SPACIOUS-2), taken as independent of the rest. Nothing "
        "here tests it: the cohorts' files hold no such subtypes.".format(*fit["fusion"]["basal_like"]["hazard_ratio"]),
    ]


def _against(m: dict[str, Any]) -> list[str]:
    own, best = m["c_index"], m["competition"][m["best"]]
    figure, interval = BEFORE["pooled"]
    inside = own["lower"] <= figure <= own["upper"]
    shared = m["c_index_shared_cohorts"]
    like = ""
    if shared:
        like = f" On the three cohorts both have (ICGC, OUH, PCSI) this model has {ev.with_interval(shared)}."
    return [
        "## Against the reference",
        f"The reference figure, leaving one cohort out, is {figure} ({interval}) for 587 patients of four cohorts: "
        f"{BEFORE['cohorts']}. It is {'' if own['value'] > figure else 'not '}beaten: what is shipped has "
        f"{ev.with_interval(own)}" + (", an interval that holds it. " if inside else ". ") + "Why: the reference "
        "counts TCGA, the cohort in which it does best and with which it was fitted. Here TCGA is kept back for "
        "external validation and takes no part in fit or figures; Kirby and Collisson, which lack grade or sex, were "
        f"added.{like} Of the {len(m['competition'])} candidates below the best has {best['value']:.3f}, "
        f"{best['gain']:+.3f} ({best['gain_lower']:+.3f} to {best['gain_upper']:+.3f}) against the shipped one. "
        + (BLANKS if "not known" in m["best"] else ""),
    ]


def _discrimination(m: dict[str, Any]) -> list[str]:
    def row(name: str, c: dict[str, float]) -> list[str]:
        gain = f"{c['gain']:+.3f} ({c['gain_lower']:+.3f} to {c['gain_upper']:+.3f})"
        return [name, "second" if name in SECOND_ROUND else "first", ev.with_interval(c), f"{c['se']:.3f}", gain]

    return [
        "## Discrimination: one cohort left out at a time",
        "C-index over pairs within a cohort. The candidates came in two rounds, simplest first; "
        "`resected_candidates.py` states the candidates of each and was written before any of that round was tried, "
        "for the second round by people who had seen the first. No registry outside this repository holds the lists.",
        ev.table(
            ["candidate", "round", "C-index (95% interval)", "standard error", "gain over shipped (95% interval)"],
            [row(name, c) for name, c in m["competition"].items()],
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
    ]


def _cross_validation(found: dict[str, Any]) -> list[str]:
    return [
        f"## Repeated cross-validation, {REPEATS} times {FOLDS}-fold",
        "Patients predicted from other patients, those of their own hospital among them: what a new hospital can't "
        f"have. C-index {ev.with_interval(found['c_index'])} over pairs within a cohort, "
        f"{ev.with_interval(found['c_index_pooled'])} over all pairs; slope {ev.with_interval(found['slope'], 2)}.",
        ev.table(["months", "predicted alive", "observed (95% interval)"], map(_alive, found["calibration"])),
        "![predicted against observed, cross-validated](figures/calibration-cross-validated.svg)",
    ]


def _calibration(fit: dict[str, Any]) -> list[str]:
    m = fit["measured"]
    return [
        "## Calibration: each cohort predicted from the others, baseline included",
        ev.table(
            ["cohort", "months", "predicted alive", "observed (95% interval)"],
            [
                [name, *_alive(r)]
                for name, rows in [*m["calibration"].items(), ("all, each left out", m["calibration_left_out"])]
                for r in rows
            ],
        ),
        "![predicted against observed](figures/calibration.svg)",
        "A baseline of its own for each cohort would fit better, but a new hospital has none. So the pooled baseline "
        "is shipped, and its interval holds the spread between cohorts: standard deviation of the log hazard "
        f"{fit['between_cohorts']['sd']:.2f}. Deaths observed / expected: "
        + ", ".join(f"{c} {v[2]:.2f}" for c, v in fit["between_cohorts"]["observed_to_expected"].items())
        + ".",
    ]


def _ranges(m: dict[str, Any]) -> list[str]:
    return [
        "## One patient's own range",
        "Of patients of a cohort left out, the ranges read off their own curve:",
        ev.ranges_table(m["range_left_out"]),
        "The same by cross-validation:",
        ev.ranges_table(m["cross_validation"]["range"]),
    ]


def _subgroups(m: dict[str, Any]) -> list[str]:
    rows = [
        [name, g["n"], g["deaths"], ev.with_interval(g["c_index"]), *_both(g["alive"])]
        for name, g in m["subgroups"].items()
    ]
    head = ["patients", "n", "deaths", "C-index (95% interval)"]
    for at in (12, 24):
        head += [f"predicted alive at {at} months", "observed"]
    return [
        "## Subgroups",
        "Each patient predicted from the other cohorts; C-index over pairs within a cohort. Patients of whom it is not "
        "known are in neither group.",
        ev.table(head, rows),
    ]


def _both(alive: dict[str, dict[str, float]]) -> Iterable[str]:
    for row in alive.values():
        yield from _alive(row)[1:]


def _alive(r: dict[str, float]) -> list[str]:
    seen = f"{r['observed']:.3f} ({r['lower']:.3f} to {r['upper']:.3f})"
    return [f"{r['months']:g}", f"{r['predicted']:.3f}", seen]
