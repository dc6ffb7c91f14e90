"""How a fitted model is tried out: discrimination, calibration, squared error, and the page that reports them.

Used by the ``fit.py`` of the model folders (extra ``fit``); not needed to run a model. Times are months throughout,
scores are log hazards (higher is worse), ``died`` is 1 or 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter, KaplanMeierFitter
from numpy.typing import NDArray

Array = NDArray[np.float64]


def folds(count: int, parts: int, repeats: int, seed: int) -> Iterator[tuple[int, Array, Array]]:
    """(repeat, rows to fit on, rows to try on), the same for every candidate with the same seed."""
    rng = np.random.default_rng(seed)
    for repeat in range(repeats):
        part = rng.permutation(np.arange(count) % parts)
        for k in range(parts):
            yield repeat, np.flatnonzero(part != k), np.flatnonzero(part == k)


def pairs(months: Array, died: Array, score: Array) -> tuple[float, float]:
    """Concordant pairs (ties half) and comparable pairs, by Harrell's rule."""
    events = np.flatnonzero(died == 1)
    later = months[None, :] > months[events, None]
    # censored at the very time of a death counts as later
    later |= (months[None, :] == months[events, None]) & (died[None, :] == 0)
    higher = (score[events, None] > score[None, :]) + 0.5 * (score[events, None] == score[None, :])
    return float((higher * later).sum()), float(later.sum())


def c_index(months: Array, died: Array, scores: Array, groups: Array | None = None) -> float:
    """Harrell's C; ``scores`` [n] or [repeats, n] (their mean). With ``groups`` only pairs within one are compared."""
    found = []
    for score in np.atleast_2d(scores):
        parts = [np.arange(len(months))] if groups is None else [np.flatnonzero(groups == g) for g in np.unique(groups)]
        good, total = np.sum([pairs(months[p], died[p], score[p]) for p in parts], axis=0)
        found.append(good / total)
    return float(np.mean(found))


def resampled(
    statistic: Callable[[Array], float], count: int, *, draws: int, seed: int, groups: Array | None = None
) -> dict[str, float]:
    """The statistic on all rows, its bootstrap standard error and percentile interval. ``groups`` are drawn within."""
    rng = np.random.default_rng(seed)
    parts = [np.arange(count)] if groups is None else [np.flatnonzero(groups == g) for g in np.unique(groups)]
    found = [statistic(np.concatenate([rng.choice(p, len(p)) for p in parts])) for _ in range(draws)]
    low, high = np.percentile(found, [2.5, 97.5])
    value = statistic(np.arange(count))
    return {"value": r4(value), "se": r4(np.std(found)), "lower": r4(low), "upper": r4(high)}


def kaplan_meier(months: Array, died: Array, at: float) -> tuple[float, float, float]:
    fitted = KaplanMeierFitter().fit(months, died)
    bounds = fitted.confidence_interval_survival_function_
    row = bounds[bounds.index <= at].iloc[-1]
    return float(fitted.predict(at)), float(row.iloc[0]), float(row.iloc[1])


def calibration_row(months: Array, died: Array, alive: Array, at: float) -> dict[str, float]:
    """Predicted share (mean of ``alive``) beside the observed one with its interval."""
    seen, low, high = kaplan_meier(months, died, at)
    return {
        "months": at,
        "n": len(months),
        "predicted": r4(alive.mean()),
        "observed": r4(seen),
        "lower": r4(low),
        "upper": r4(high),
    }


def by_groups(months: Array, died: Array, score: Array, alive: Array, at: float, parts: int) -> list[dict[str, float]]:
    """Calibration in equal parts of the score, from best to worst prognosis."""
    part = np.digitize(score, np.quantile(score, np.arange(1, parts) / parts))
    return [calibration_row(months[part == g], died[part == g], alive[part == g], at) for g in range(parts)]


def slope(months: Array, died: Array, scores: Array) -> dict[str, float]:
    """Cox regression on the score alone: 1 is ideal, below 1 the differences are overstated."""
    fits = [
        CoxPHFitter().fit(pd.DataFrame({"s": s, "months": months, "died": died}), "months", "died")
        for s in np.atleast_2d(scores)
    ]
    value = float(np.mean([f.params_["s"] for f in fits]))
    error = float(np.mean([f.standard_errors_["s"] for f in fits]))
    return {"value": r3(value), "lower": r3(value - 1.96 * error), "upper": r3(value + 1.96 * error)}


def brier(months: Array, died: Array, alive: Array, grid: Sequence[float]) -> dict[str, float]:
    """Squared error weighted by the inverse probability of not being censored (Graf 1999), mean over ``grid``, beside
    the score of the cohort's own Kaplan-Meier curve. ``alive``: [n, grid]."""
    censoring = KaplanMeierFitter().fit(months, 1 - died)
    marginal = KaplanMeierFitter().fit(months, died)
    own = 1 / np.maximum(censoring.predict(np.maximum(months - 1e-9, 0)).to_numpy(), 1e-3)
    model, null = [], []
    for at_column, at in enumerate(grid):
        dead = (months <= at) & (died == 1)
        weight = np.where(dead, own, np.where(months > at, 1 / max(float(censoring.predict(at)), 1e-3), 0.0))
        model.append(float(np.mean(weight * (alive[:, at_column] - (months > at)) ** 2)))
        null.append(float(np.mean(weight * (float(marginal.predict(at)) - (months > at)) ** 2)))
    return {"integrated": r4(np.mean(model)), "integrated_kaplan_meier": r4(np.mean(null))}


def breslow(months: Array, died: Array, score: Array, at: Iterable[float]) -> Array:
    """Cumulative baseline hazard for score 0, read at ``at``."""
    order = np.argsort(months, kind="stable")
    months, died, risk = months[order], died[order], np.exp(score[order])
    # everyone whose time is not before this one is still at risk
    tail = np.cumsum(risk[::-1])[::-1]
    first = np.searchsorted(months, months, side="left")
    steps = np.cumsum(died / tail[first])
    position = np.searchsorted(months, np.asarray(list(at)), side="right") - 1
    return np.where(position < 0, 0.0, steps[np.maximum(position, 0)])


def covariance(betas: Array, hazards: Array, hazard: Array, decimals: int = 8) -> dict[str, Any]:
    """Of (beta, log H(t)) from bootstrap replicates [B, k] and [B, T]; the first time, 0, is left out."""
    logs = (hazards[:, 1:] - hazards[:, 1:].mean(axis=0)) / hazard[1:]
    centred = betas - betas.mean(axis=0)
    draws = len(betas) - 1
    return {
        "beta": rounded(centred.T @ centred / draws, decimals),
        "cross": rounded(centred.T @ logs / draws, decimals),
        "log_hazard": rounded((logs**2).sum(axis=0) / draws, decimals),
    }


def logistic(x: Array, y: Array) -> tuple[Array, Array]:
    """Coefficients, intercept first, and their covariance; Newton's method."""
    design = np.column_stack([np.ones(len(x)), x])
    beta = np.zeros(design.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-design @ beta))
        information = design.T @ (design * (chance * (1 - chance))[:, None])
        step = np.linalg.solve(information, design.T @ (y - chance))
        beta += step
        if np.abs(step).max() < 1e-10:
            break
    return beta, np.linalg.inv(information)


def auc(score: Array, case: Array) -> float:
    """Area under the curve of a score, higher for cases; ties half."""
    ranks = pd.Series(score).rank().to_numpy()
    cases = int(case.sum())
    return float((ranks[case == 1].sum() - cases * (cases + 1) / 2) / (cases * (len(case) - cases)))


def simplest_within_one_error(measured: dict[str, dict[str, float]]) -> tuple[str, str]:
    """(to ship, best). ``measured``: name -> value and se, from the simplest to the most elaborate."""
    best = max(measured, key=lambda name: measured[name]["value"])
    enough = measured[best]["value"] - measured[best]["se"]
    return next(name for name, found in measured.items() if found["value"] >= enough), best


def r3(value: float) -> float:
    return round(float(value), 3)


def r4(value: float) -> float:
    return round(float(value), 4)


def rounded(values: Any, decimals: int = 6) -> Any:
    return np.round(np.asarray(values, dtype=float), decimals).tolist()


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def with_interval(found: dict[str, float], decimals: int = 3) -> str:
    return f"{found['value']:.{decimals}f} ({found['lower']:.{decimals}f} to {found['upper']:.{decimals}f})"


def calibration_figure(path: Path, panels: dict[str, Sequence[dict[str, float]]], title: str) -> None:
    """Predicted against observed with its interval, a panel a key; an SVG that is the same on every run."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    mpl.rcParams.update({"svg.hashsalt": "calibration", "svg.fonttype": "none", "font.size": 9})
    path.parent.mkdir(exist_ok=True)
    figure, axes = pyplot.subplots(1, len(panels), figsize=(2.6 * len(panels), 2.9), sharey=True, squeeze=False)
    for axis, (name, rows) in zip(axes[0], panels.items(), strict=True):
        axis.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
        predicted, observed = ([row[key] for row in rows] for key in ("predicted", "observed"))
        reach = [
            [max(row["observed"] - row["lower"], 0) for row in rows],
            [max(row["upper"] - row["observed"], 0) for row in rows],
        ]
        axis.errorbar(predicted, observed, yerr=reach, fmt="o", markersize=4, linewidth=1, color="#1f4e79")
        axis.set(xlim=(0, 1), ylim=(0, 1), title=name, xlabel="predicted", aspect="equal")
    axes[0][0].set_ylabel("observed")
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def write(path: Path, *blocks: str) -> None:
    path.write_text("\n\n".join(b for b in blocks if b) + "\n", encoding="utf-8")


__all__ = [
    "auc",
    "breslow",
    "brier",
    "by_groups",
    "c_index",
    "calibration_figure",
    "calibration_row",
    "covariance",
    "folds",
    "kaplan_meier",
    "logistic",
    "pairs",
    "r3",
    "r4",
    "resampled",
    "rounded",
    "simplest_within_one_error",
    "slope",
    "table",
    "with_interval",
    "write",
]
