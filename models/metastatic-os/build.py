"""Writes ``model.onnx`` from ``fit.json``: ``python models/metastatic-os/build.py``.

Survival at months 0-36 from a Cox model, and its 95% interval from the covariance of effects and baseline (a
bootstrap's). The molecular subtype is a term from elsewhere, with its own standard error. Milestones and one patient's
range are read off the curve by the engine.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import spox.opset.ai.onnx.v17 as op
from spox import Var

sys.path.insert(0, str(Path(__file__).parents[2]))
from models import survival_graph as sg
from models.pinning import inputs, pin, serialise

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
    "basal_like",
)
BELONGS = {"age10": "age", "ecog1": "ecog", "ecog2": "ecog", "log_siri": "neutrophils"}
"""The three counts act only together, as log SIRI: their share stands under neutrophils."""


def covariates(x: Var) -> dict[str, Var]:
    """The model's covariates [n] by name. Outside the cohort's range of SIRI the manifest lets nobody in."""
    value = {name: sg.column(x, at) for at, name in enumerate(INPUTS)}
    siri = op.div(op.mul(value["neutrophils"], value["monocytes"]), value["lymphocytes"])
    return {
        **value,
        "age10": op.div(op.sub(value["age"], sg.number(65.0)), sg.number(10.0)),
        "ecog1": sg.between(value["ecog"], 0.5, 1.5),
        "ecog2": sg.between(value["ecog"], 1.5),
        "log_siri": op.log(siri),
    }


def graph() -> bytes:
    fit = json.loads((FOLDER / "fit.json").read_text(encoding="utf-8"))
    x = inputs(len(INPUTS))
    z = sg.centred(covariates(x), fit)
    score, alive, lower, upper = sg.survival(z, fit)
    outputs = {
        "survival": alive,
        "survival_lower": lower,
        "survival_upper": upper,
        "lp": score,
        "contributions": sg.contributions(z, fit, INPUTS, BELONGS),
    }
    return serialise(x, outputs)


if __name__ == "__main__":
    print(pin(FOLDER, graph()))
