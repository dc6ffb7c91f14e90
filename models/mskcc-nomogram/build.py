"""Writes ``model.onnx`` from ``coefficients.json``: ``python models/mskcc-nomogram/build.py``.

The published nomogram: a Cox model with cubic splines of positive nodes and of size. Own code from its
numbers; disease-specific survival at 12, 24 and 36 months, no interval was published.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import spox.opset.ai.onnx.v17 as op
from spox import Var

sys.path.insert(0, str(Path(__file__).parents[2]))
from models import survival_graph as sg
from models.pinning import inputs, pin, serialise

FOLDER = Path(__file__).parent
INPUTS = (
    "age",
    "male",
    "portal_vein_resected",
    "splenectomy",
    "resection_margin_positive",
    "posterior_margin_positive",
    "body_or_tail",
    "grade",
    "positive_nodes",
    "negative_nodes",
    "back_pain",
    "weight_loss",
    "t",
    "size",
    "stage",
    "drafted",
)
MONTHS = ("12", "24", "36")


def cubed(value: Var, knot: float) -> Var:
    above = op.max([op.sub(value, sg.number(knot)), sg.number(0.0)])
    return op.mul(op.mul(above, above), above)


def designs(x: Var) -> dict[str, tuple[str, Var]]:
    """Term of the publication -> (input it belongs to, its value [n])."""
    value = {name: sg.column(x, at) for at, name in enumerate(INPUTS)}
    nodes, size, t, grade = value["positive_nodes"], value["size"], value["t"], value["grade"]
    plain = {
        name: (name, value[name])
        for name in (
            "age",
            "male",
            "portal_vein_resected",
            "splenectomy",
            "resection_margin_positive",
            "posterior_margin_positive",
            "positive_nodes",
            "negative_nodes",
            "back_pain",
            "weight_loss",
        )
    }
    return plain | {
        "location_other_than_head": ("body_or_tail", value["body_or_tail"]),
        "diff_well": ("grade", sg.between(grade, 0.5, 1.5)),
        "diff_poor": ("grade", sg.between(grade, 2.5)),
        "plus3(positive_nodes)": ("positive_nodes", cubed(nodes, 0.0)),
        "plus3(positive_nodes-1)": ("positive_nodes", cubed(nodes, 1.0)),
        "plus3(positive_nodes-5)": ("positive_nodes", cubed(nodes, 5.0)),
        "T2": ("t", sg.between(t, 1.5, 2.5)),
        "T3": ("t", sg.between(t, 2.5, 3.5)),
        "T4": ("t", sg.between(t, 3.5)),
        "size_cm": ("size", size),
        "plus3(size_cm-2)": ("size", cubed(size, 2.0)),
        "plus3(size_cm-3.2)": ("size", cubed(size, 3.2)),
        "plus3(size_cm-5.5)": ("size", cubed(size, 5.5)),
    }


def graph() -> bytes:
    published = json.loads((FOLDER / "coefficients.json").read_text(encoding="utf-8"))
    x = inputs(len(INPUTS))
    made = designs(x)
    if made.keys() != published["terms"].keys():
        raise ValueError("the terms built are not those of coefficients.json")
    beta = [published["terms"][name] for name in made]
    belongs = np.zeros((len(made), len(INPUTS)))
    for row, (name, _) in enumerate(made.values()):
        belongs[row, INPUTS.index(name)] = beta[row]
    terms = op.concat([sg.upright(value) for _, value in made.values()], axis=1)
    shares = op.matmul(terms, sg.number(belongs))
    score = op.add(op.reduce_sum(shares, op.const(np.array([1])), keepdims=1), sg.number(published["intercept"]))
    baseline = sg.number(np.log([[published["s0"][m] for m in MONTHS]]))
    alive = op.exp(op.mul(op.exp(score), baseline))
    start = op.add(op.mul(score, sg.number(0.0)), sg.number(1.0))
    outputs = {"survival": op.concat([start, alive], axis=1)}
    for at, months in enumerate(MONTHS):
        outputs[f"alive_{months}"] = op.gather(alive, op.const(np.int64(at)), axis=1)
    outputs |= {"lp": op.squeeze(score, op.const(np.array([1]))), "contributions": shares}
    return serialise(x, outputs)


if __name__ == "__main__":
    print(pin(FOLDER, graph()))
