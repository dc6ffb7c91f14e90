"""Writes ``model.onnx`` from ``fit.json``: ``python models/urine-panel/build.py``.

Log odds against the median person without cancer in the study, with the 95% interval of the fit, and the rank among
those people. No probability: cases and controls were chosen.
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
INPUTS = ("age", "creatinine", "lyve1", "reg1b", "tff1")
BELONGS = {
    "age10": "age",
    "ln_creatinine": "creatinine",
    "ln_lyve1": "lyve1",
    "ln_reg1b": "reg1b",
    "ln_tff1": "tff1",
}
"""A protein's share is that of its ratio to creatinine."""


def graph() -> bytes:
    fit = json.loads((FOLDER / "fit.json").read_text(encoding="utf-8"))
    x = inputs(len(INPUTS))
    value = {name: sg.column(x, at) for at, name in enumerate(INPUTS)}
    creatinine = value["creatinine"]
    made = {
        "age10": op.div(op.sub(value["age"], sg.number(60.0)), sg.number(10.0)),
        "ln_creatinine": op.log(creatinine),
    } | {
        f"ln_{name}": op.log(op.add(op.div(value[name], creatinine), sg.number(1e-3)))
        for name in ("lyve1", "reg1b", "tff1")
    }
    design = op.concat([sg.upright(made[name]) for name in fit["terms"]], axis=1)
    beta = np.array(fit["beta"])
    one = op.const(np.array([1]))
    log_odds = op.add(op.reduce_sum(op.mul(design, sg.number(beta)), one, keepdims=1), sg.number(fit["intercept"]))
    with_one = op.concat([op.add(op.mul(log_odds, sg.number(0.0)), sg.number(1.0)), design], axis=1)
    variance = op.reduce_sum(
        op.mul(op.matmul(with_one, sg.number(np.array(fit["covariance"]))), with_one), one, keepdims=1
    )
    reach = op.mul(sg.number(sg.Z95), op.sqrt(variance))
    others = np.array(fit["others"])
    score = op.sub(log_odds, sg.number(others[fit["levels"].index(50)]))
    # the rank by straight lines between the percentiles of people without cancer
    passed = op.clip(
        op.div(op.sub(log_odds, sg.number(others[:-1])), sg.number(np.diff(others))), sg.number(0.0), sg.number(1.0)
    )
    rank = op.reduce_sum(op.mul(passed, sg.number(np.diff(fit["levels"]).astype(float))), one, keepdims=0)
    shares = np.zeros((len(fit["terms"]), len(INPUTS)))
    for at, name in enumerate(fit["terms"]):
        shares[at, INPUTS.index(BELONGS[name])] = beta[at]
    outputs = {
        "rank": rank,
        "score": op.squeeze(score, one),
        "score_lower": op.squeeze(op.sub(score, reach), one),
        "score_upper": op.squeeze(op.add(score, reach), one),
        "contributions": op.matmul(design, sg.number(shares)),
    }
    return serialise(x, outputs)


if __name__ == "__main__":
    print(pin(FOLDER, graph()))
