"""Writes ``model.onnx`` from ``fit.json``: ``python models/resected-os/build.py``.

Survival at months 0-60 from a Cox model fitted on several cohorts, and its 95% interval (uncertainty of effects and
baseline, and the spread between cohorts). Milestones and one patient's range are read off the curve by the engine.
The molecular subtype is a term from elsewhere. Inputs that only decide for whom the model speaks are not read.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import spox.opset.ai.onnx.v17 as op

sys.path.insert(0, str(Path(__file__).parents[2]))
from models import survival_graph as sg
from models.pinning import inputs, pin, serialise

FOLDER = Path(__file__).parent
INPUTS = ("age", "male", "t", "n", "grade", "basal_like", "stage", "drafted")
BELONGS = {"age10": "age", "t34": "t", "n1": "n", "g3": "grade"}


def graph() -> bytes:
    fit = json.loads((FOLDER / "fit.json").read_text(encoding="utf-8"))
    x = inputs(len(INPUTS))
    value = {name: sg.column(x, at) for at, name in enumerate(INPUTS)}
    z = sg.centred(
        {
            "age10": op.div(op.sub(value["age"], sg.number(66.0)), sg.number(10.0)),
            "male": value["male"],
            "t34": sg.between(value["t"], 2.5),
            "n1": sg.between(value["n"], 0.5),
            "g3": sg.between(value["grade"], 2.5),
            "basal_like": value["basal_like"],
        },
        fit,
    )
    score, alive, lower, upper = sg.survival(z, fit)
    outputs = {"survival": alive, "survival_lower": lower, "survival_upper": upper}
    outputs |= {"lp": score, "contributions": sg.contributions(z, fit, INPUTS, BELONGS)}
    return serialise(x, outputs)


if __name__ == "__main__":
    print(pin(FOLDER, graph()))
