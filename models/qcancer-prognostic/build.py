"""Writes ``model.onnx`` from ``coefficients.json``: ``python models/qcancer-prognostic/build.py``.

The prognostic QCancer equations for the pancreas: a Cox model for each sex, risk(t) = 1 - S0(t) ** exp(lp) at one to
five years. Read in a single public port; which smoking habit each smoking term stands for is not verified.

Portions of the equations: Copyright ClinRisk Ltd., GNU Lesser General Public Licence 3 or later. Not endorsed by its
authors; QCancer is their trade mark and is used here only to name the source.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import spox.opset.ai.onnx.v17 as op
from spox import Var

FOLDER = Path(__file__).parent
INPUTS = (
    "age",
    "male",
    "bmi",
    "smoking",
    "deprivation",
    "type_2_diabetes",
    "chronic_pancreatitis",
    "breast_cancer",
    "renal_cancer",
    "blood_cancer",
)
FLAGS = {
    "type_2_diabetes": "b_type2",
    "chronic_pancreatitis": "b_chronicpan",
    "breast_cancer": "b_breastcancer",
    "renal_cancer": "b_renalcancer",
    "blood_cancer": "b_bloodcancer",
}
YEARS = (1, 2, 3, 4, 5)


def number(value: object) -> Var:
    return op.const(np.asarray(value, dtype=np.float64))


def column(x: Var, name: str) -> Var:
    return op.gather(x, op.const(np.int64(INPUTS.index(name))), axis=1)


def scaled(value: Var, factor: float) -> Var:
    return op.mul(value, number(factor))


def body(sex: str, bmi: Var, centre: dict[str, float], beta: dict[str, float]) -> Var:
    """[n]: linear in women; two fractional polynomials of body-mass index in tens in men."""
    if sex == "female":
        return scaled(op.sub(bmi, number(centre["bmi"])), beta["bmi"])
    tens = op.div(bmi, number(10.0))
    inverse = op.div(number(1.0), op.mul(tens, tens))
    first = scaled(op.sub(inverse, number(centre["bmi_1"])), beta["bmi_1"])
    second = scaled(op.sub(op.mul(inverse, op.log(tens)), number(centre["bmi_2"])), beta["bmi_2"])
    return op.add(first, second)


def parts(x: Var, sex: str, numbers: dict[str, Any]) -> list[Var]:
    """Terms of the linear predictor, [n] each, in the order of ``INPUTS``; what a sex lacks is nought."""
    centre, beta = numbers["centre"], numbers["beta"]
    root = op.div(number(1.0), op.sqrt(op.div(column(x, "age"), number(10.0))))
    terms = {
        "age": scaled(op.sub(root, number(centre["age_1"])), beta["age_1"]),
        "male": scaled(column(x, "male"), 0.0),
        "bmi": body(sex, column(x, "bmi"), centre, beta),
        "smoking": op.gather(number(numbers["smoke"]), op.cast(column(x, "smoking"), to=np.int64), axis=0),
        "deprivation": scaled(op.sub(column(x, "deprivation"), number(centre.get("town", 0.0))), beta.get("town", 0.0)),
    }
    terms |= {flag: scaled(column(x, flag), beta.get(term, 0.0)) for flag, term in FLAGS.items()}
    return [terms[name] for name in INPUTS]


def risk(baseline: float, predictor: Var) -> Var:
    return op.sub(number(1.0), op.exp(scaled(op.exp(predictor), float(np.log(baseline)))))


def one_sex(x: Var, sex: str, numbers: dict[str, Any]) -> dict[str, Var]:
    terms = parts(x, sex, numbers)
    predictor = op.sum(terms)
    found = {f"risk_{year}y": risk(numbers["S0"][str(year)], predictor) for year in YEARS}
    found["reference_5y"] = risk(numbers["S0"]["5"], terms[0])
    axis = op.const(np.array([1]))
    found["contributions"] = op.concat([op.unsqueeze(t, axis) for t in terms], axis=1)
    return found


def graph() -> bytes:
    from models.pinning import inputs, serialise

    numbers = json.loads((FOLDER / "coefficients.json").read_text(encoding="utf-8"))
    x = inputs(len(INPUTS))
    male = op.greater(column(x, "male"), number(0.5))
    men, women = one_sex(x, "male", numbers["male"]), one_sex(x, "female", numbers["female"])
    wide = op.unsqueeze(male, op.const(np.array([1])))
    chosen = {n: op.where(wide if n == "contributions" else male, men[n], women[n]) for n in men}
    return serialise(x, chosen)


if __name__ == "__main__":
    sys.path.insert(0, str(FOLDER.parents[1]))
    from models.pinning import pin

    print(pin(FOLDER, graph()))
