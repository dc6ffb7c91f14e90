"""How a fitted model is tried out: discrimination, calibration, squared error, and the page that reports them.

Used by the ``fit.py`` of the model folders (extra ``fit``); not needed to run a model. Times are months throughout,
scores are log hazards (higher is worse), ``died`` is 1 or 0. The measures themselves are those by which a hospital
judges a shipped model on its own cohort (``cds/cohort/measures.py``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lifelines import KaplanMeierFitter

from cds.cohort.figure import calibration_figure
from cds.cohort.measures import (
    Array,
    auc,
    by_groups,
    c_index,
    calibration_row,
    concordance,
    coverage,
    kaplan_meier,
    known_by,
    logistic,
    pairs,
    parts_of,
    r3,
    r4,
    recalibration,
    resampled,
    share_row,
    slope,
)
from cds.cohort.tables import ranges_table, table, with_interval


def folds(count: int, parts: int, repeats: int, seed: int) -> Iterator[tuple[int, Array, Array]]:
    """(repeat, rows to fit on, rows to try on), the same for every candidate with the same seed."""
    rng = np.random.default_rng(seed)
    for repeat in range(repeats):
        part = rng.permutation(np.arange(count) % parts)
        for k in range(parts):
            yield repeat, np.flatnonzero(part != k), np.flatnonzero(part == k)


def kept(folder: Path | None, key: str, data: pd.DataFrame, make: Callable[[], Array]) -> Array:
    """What ``make`` returns, kept in ``folder`` between runs for these very rows, so that a long fit can go on where it
    stopped. The folder then holds patients' predictions: it belongs beside the cohort, not beside the model."""
    if folder is None:
        return make()
    rows = hashlib.sha256(data.to_csv().encode()).hexdigest()
    path = folder / f"{hashlib.sha256(f'{key} {rows}'.encode()).hexdigest()[:24]}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        made = make()
        with path.with_suffix(".part").open("wb") as file:
            np.save(file, made)
        path.with_suffix(".part").rename(path)
    return np.asarray(np.load(path))


def brier(months: Array, died: Array, alive: Array, grid: Sequence[float]) -> dict[str, float]:
    """Squared error weighted by the inverse probability of not being censored (Graf 1999), mean over ``grid``, beside
    the score of the cohort's own Kaplan-Meier curve. ``alive``: [n, grid]."""
    marginal = KaplanMeierFitter().fit(months, died)
    model, null = [], []
    for at_column, at in enumerate(grid):
        _, weight = known_by(months, died, at)
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


def simplest_within_one_error(measured: dict[str, dict[str, float]]) -> tuple[str, str]:
    """(to ship, best). ``measured``: name -> value and se, from the simplest to the most elaborate."""
    best = max(measured, key=lambda name: measured[name]["value"])
    enough = measured[best]["value"] - measured[best]["se"]
    return next(name for name, found in measured.items() if found["value"] >= enough), best


def rounded(values: Any, decimals: int = 6) -> Any:
    return np.round(np.asarray(values, dtype=float), decimals).tolist()


def write(path: Path, *blocks: str) -> None:
    path.write_text("\n\n".join(b for b in blocks if b) + "\n", encoding="utf-8")


__all__ = [
    "Array",
    "auc",
    "breslow",
    "brier",
    "by_groups",
    "c_index",
    "calibration_figure",
    "calibration_row",
    "concordance",
    "covariance",
    "coverage",
    "folds",
    "kaplan_meier",
    "kept",
    "logistic",
    "pairs",
    "parts_of",
    "r3",
    "r4",
    "ranges_table",
    "recalibration",
    "resampled",
    "rounded",
    "share_row",
    "simplest_within_one_error",
    "slope",
    "table",
    "with_interval",
    "write",
]
