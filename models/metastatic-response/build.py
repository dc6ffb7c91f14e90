"""Writes ``model.onnx`` from ``fit.json``: ``python models/metastatic-response/build.py``.

Chance of complete or partial response from a logistic model, with the 95% interval of the fit.
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
INPUTS = ("ecog", "cacs", "neutrophils", "monocytes", "lymphocytes", "age", "drafted")
BELONGS = {"ecog1": "ecog", "ecog2": "ecog", "log_siri": "neutrophils", "cacs": "cacs"}
"""The three counts act only together, as log SIRI: their share stands under neutrophils."""


def graph() -> bytes:
    fit = json.loads((FOLDER / "fit.json").read_text(encoding="utf-8"))
    x = inputs(len(INPUTS))
    value = {name: sg.column(x, at) for at, name in enumerate(INPUTS)}
    siri = op.div(op.mul(value["neutrophils"], value["monocytes"]), value["lymphocytes"])
    made = {
        "ecog1": sg.between(value["ecog"], 0.5, 1.5),
        "ecog2": sg.between(value["ecog"], 1.5),
        "cacs": value["cacs"],
        "log_siri": op.log(siri),
    }
    one = op.const(np.array([1]))
    terms = op.concat([sg.upright(made[name]) for name in fit["terms"]], axis=1)
    beta, means = np.array(fit["beta"]), np.array(fit["means"])
    odds = op.add(op.reduce_sum(op.mul(terms, sg.number(beta)), one, keepdims=1), sg.number(fit["intercept"]))
    with_one = op.concat([op.add(op.mul(odds, sg.number(0.0)), sg.number(1.0)), terms], axis=1)
    variance = op.reduce_sum(
        op.mul(op.matmul(with_one, sg.number(np.array(fit["covariance"]))), with_one), one, keepdims=1
    )
    reach = op.mul(sg.number(sg.Z95), op.sqrt(variance))
    weights = np.zeros((len(fit["terms"]), len(INPUTS)))
    for at, name in enumerate(fit["terms"]):
        weights[at, INPUTS.index(BELONGS[name])] = beta[at]
    outputs = {
        "response": op.squeeze(op.sigmoid(odds), one),
        "response_lower": op.squeeze(op.sigmoid(op.sub(odds, reach)), one),
        "response_upper": op.squeeze(op.sigmoid(op.add(odds, reach)), one),
        "contributions": op.matmul(op.sub(terms, sg.number(means)), sg.number(weights)),
    }
    return serialise(x, outputs)


if __name__ == "__main__":
    print(pin(FOLDER, graph()))
