"""Writes ``model.onnx`` from ``fit.json``: ``python models/resected-os/build.py``.

Survival at months 0-60 from a Cox model fitted on several cohorts, its 95% interval (uncertainty of effects and
baseline, and the spread between cohorts), shares alive at 12, 24 and 36 months, and the range one patient may live.
The molecular subtype is a term from elsewhere. Inputs that only decide for whom the model speaks are not read.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import spox.opset.ai.onnx.v17 as op

sys.path.insert(0, str(Path(__file__).parents[2]))
from models import survival_graph as sg
from models.pinning import inputs, pin, serialise

FOLDER = Path(__file__).parent
INPUTS = ("age", "male", "t", "n", "grade", "basal_like", "stage", "drafted")
BELONGS = {"age10": "age", "t34": "t", "n1": "n", "g3": "grade"}
MILESTONES = (12, 24, 36)


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
    for months in MILESTONES:
        at = op.const(np.int64(fit["times"].index(months)))
        for name, series in (("", alive), ("_lower", lower), ("_upper", upper)):
            outputs[f"alive_{months}{name}"] = op.gather(series, at, axis=1)
    outputs |= {
        "dead_1_in_10": sg.time_until(0.9, alive, fit["times"]),
        "alive_1_in_10": sg.time_until(0.1, alive, fit["times"]),
        "lp": score,
        "contributions": sg.contributions(z, fit, INPUTS, BELONGS),
    }
    return serialise(x, outputs)


if __name__ == "__main__":
    print(pin(FOLDER, graph()))
