"""Writes ``model.onnx`` from ``fit.json``: ``python models/metastatic-os/build.py``.

Survival at months 0-36 from a Cox model. The bounds are the 2.5th and 97.5th percentile over the bootstrap's
replicates, each with its own coefficients and baseline, worked out inside the graph; they hold the uncertainty of the
estimate, not the spread between patients. Where a percentile would exclude the estimate itself, the estimate is the
bound.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import spox.opset.ai.onnx.v17 as op
from spox import Var

FOLDER = Path(__file__).parent
INPUTS = (
    "age",
    "male",
    "ecog",
    "neutrophils",
    "monocytes",
    "lymphocytes",
    "liver",
    "peritoneum",
    "lung",
    "cacs",
)


def number(value: float | list[float] | np.ndarray) -> Var:
    return op.const(np.asarray(value, dtype=np.float64))


def column(x: Var, name: str) -> Var:
    """[n]"""
    return op.gather(x, op.const(np.int64(INPUTS.index(name))), axis=1)


def between(value: Var, low: float, high: float | None = None) -> Var:
    """1.0 where low <= value < high."""
    inside = op.greater_or_equal(value, number(low))
    if high is not None:
        inside = op.and_(inside, op.less(value, number(high)))
    return op.cast(inside, to=np.float64)


def covariates(x: Var, fit: dict) -> list[Var]:
    """The model's covariates [n] in the order of ``fit["covariates"]``; log SIRI is held inside the cohort's range."""
    siri = op.div(op.mul(column(x, "neutrophils"), column(x, "monocytes")), column(x, "lymphocytes"))
    low, high = fit["log_siri_range"]
    made = {
        "age10": op.div(op.sub(column(x, "age"), number(65.0)), number(10.0)),
        "male": column(x, "male"),
        "ecog1": between(column(x, "ecog"), 0.5, 1.5),
        "ecog2": between(column(x, "ecog"), 1.5),
        "liver": column(x, "liver"),
        "peritoneum": column(x, "peritoneum"),
        "lung": column(x, "lung"),
        "cacs": column(x, "cacs"),
        "log_siri": op.clip(op.log(siri), number(low), number(high)),
    }
    return [made[name] for name in fit["covariates"]]


def survival(score: Var, hazard: list) -> Var:
    """exp(-H(t) exp(score)): score [..., 1], hazard [..., T]."""
    return op.exp(op.neg(op.mul(op.exp(score), number(hazard))))


def percentiles(replicates: Var, count: int) -> tuple[Var, Var]:
    """2.5th and 97.5th over axis 1 of [n, B, T], interpolated linearly between neighbours (numpy's default)."""
    position = 0.025 * (count - 1)
    below, part = int(position), position - int(position)
    k = op.const(np.array([below + 2], dtype=np.int64))
    ends = []
    for largest in (0, 1):
        sorted_ends, _ = op.top_k(replicates, k, axis=1, largest=largest, sorted=1)
        first = op.gather(sorted_ends, op.const(np.int64(below)), axis=1)
        second = op.gather(sorted_ends, op.const(np.int64(below + 1)), axis=1)
        ends.append(op.add(op.mul(first, number(1 - part)), op.mul(second, number(part))))
    return ends[0], ends[1]


def contributions(z: list[Var], fit: dict, x: Var) -> Var:
    """Log hazard against the cohort's mean patient, a column an input. The three counts act only together, as log SIRI:
    their share stands under neutrophils."""
    beta = dict(zip(fit["covariates"], fit["beta"], strict=True))
    mean = dict(zip(fit["covariates"], fit["means"], strict=True))
    value = dict(zip(fit["covariates"], z, strict=True))
    terms = {
        "age": ("age10",),
        "ecog": ("ecog1", "ecog2"),
        "neutrophils": ("log_siri",),
        "monocytes": (),
        "lymphocytes": (),
    }
    columns = []
    for name in INPUTS:
        total = op.mul(column(x, name), number(0.0))
        for term in terms.get(name, (name,)):
            total = op.add(total, op.mul(op.sub(value[term], number(mean[term])), number(beta[term])))
        columns.append(op.unsqueeze(total, op.const(np.array([1]))))
    return op.concat(columns, axis=1)


def graph() -> bytes:
    from models.pinning import inputs, serialise

    fit = json.loads((FOLDER / "fit.json").read_text(encoding="utf-8"))
    x = inputs(len(INPUTS))
    z = covariates(x, fit)
    axis1 = op.const(np.array([1]))
    centred = op.sub(op.concat([op.unsqueeze(v, axis1) for v in z], axis=1), number(fit["means"]))
    score = op.matmul(centred, number(np.array(fit["beta"])[:, None]))
    alive = survival(score, [fit["cumulative_hazard"]])
    replicates = fit["replicates"]
    scores = op.matmul(centred, number(np.array(replicates["beta"]).T))
    spread = survival(op.unsqueeze(scores, op.const(np.array([2]))), replicates["cumulative_hazard"])
    lower, upper = percentiles(spread, len(replicates["beta"]))
    return serialise(
        x,
        {
            "survival": alive,
            "survival_lower": op.min([lower, alive]),
            "survival_upper": op.max([upper, alive]),
            "lp": op.squeeze(score, axis1),
            "contributions": contributions(z, fit, x),
        },
    )


if __name__ == "__main__":
    sys.path.insert(0, str(FOLDER.parents[1]))
    from models.pinning import pin

    print(pin(FOLDER, graph()))
