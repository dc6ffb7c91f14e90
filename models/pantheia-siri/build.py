"""Writes ``model.onnx``: ``python models/pantheia-siri/build.py``.

The PANTHEIA-SIRI overall survival model: a Weibull accelerated failure time regression with a restricted cubic spline
in log SIRI and an interaction of regimen with log SIRI. Coefficients from the published model object
(pantheia_model, FINAL_OS_RUBIN), in the portable form lp = constant + a*z + b*(d1(z) - d2(z)) + terms, with
dj(z) = ((z - kj)+^3 - (z - k3)+^3) / (k3 - kj).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import spox.opset.ai.onnx.v17 as op
from spox import Var

FOLDER = Path(__file__).parent
INPUTS = ("regimen", "ecog", "cacs", "neutrophils", "monocytes", "lymphocytes", "diameters")

KNOTS = (-0.3205079, 0.7419373, 2.0251486)
SPLINE = {"constant": -0.2359310761036, "z": -0.7361162583001, "curve": -0.05936718462731}
INTERCEPT = 3.804997273304
DIAMETERS = {"LE5": 0.06342486810481, "NonMeasurable": -0.00576388114244}
"""Against GT5: a sum of target lesions over 5 cm."""
REGIMEN = (0.0, -0.1540334451771, -0.3924192181413, 0.4340082376432)
REGIMEN_BY_SIRI = (0.6984260432879, 0.7339237725307, 0.648674350283, 0.0)
"""FOLFIRINOX, gemcitabine + nab-paclitaxel, gemcitabine, other."""
ECOG = (-0.382360103816, -0.7786265744853)
"""1, and 2 or more, against 0."""
CACS = -0.4167331377331
SCALE = 0.8739813830979
TIMES = tuple(float(t) for t in range(37))


def number(value: object) -> Var:
    return op.const(np.asarray(value, dtype=np.float64))


def column(x: Var, name: str) -> Var:
    return op.gather(x, op.const(np.int64(INPUTS.index(name))), axis=1)


def where(condition: Var, value: float) -> Var:
    return op.where(condition, number(value), number(0.0))


def cube_above(z: Var, knot: float) -> Var:
    above = op.max([op.sub(z, number(knot)), number(0.0)])
    return op.mul(above, op.mul(above, above))


def spline(z: Var) -> Var:
    last = cube_above(z, KNOTS[2])
    d1, d2 = (op.div(op.sub(cube_above(z, k), last), number(KNOTS[2] - k)) for k in KNOTS[:2])
    straight = op.add(number(SPLINE["constant"]), op.mul(number(SPLINE["z"]), z))
    return op.add(straight, op.mul(number(SPLINE["curve"]), op.sub(d1, d2)))


def linear_predictor(x: Var) -> Var:
    siri = op.div(op.mul(column(x, "neutrophils"), column(x, "monocytes")), column(x, "lymphocytes"))
    z = op.log(siri)
    ecog, size = column(x, "ecog"), column(x, "diameters")
    regimen = op.cast(column(x, "regimen"), to=np.int64)
    measurable = op.greater(size, number(0.0))
    return op.sum(
        [
            spline(z),
            number(INTERCEPT),
            op.gather(number(REGIMEN), regimen, axis=0),
            op.mul(op.gather(number(REGIMEN_BY_SIRI), regimen, axis=0), z),
            where(op.and_(op.greater_or_equal(ecog, number(0.5)), op.less(ecog, number(1.5))), ECOG[0]),
            where(op.greater_or_equal(ecog, number(1.5)), ECOG[1]),
            op.mul(column(x, "cacs"), number(CACS)),
            where(op.not_(measurable), DIAMETERS["NonMeasurable"]),
            where(op.and_(measurable, op.less_or_equal(size, number(5.0))), DIAMETERS["LE5"]),
        ]
    )


def graph() -> bytes:
    from models.pinning import inputs, serialise

    x = inputs(len(INPUTS))
    lp = linear_predictor(x)
    time_scale = op.unsqueeze(op.exp(lp), op.const(np.array([1])))
    alive = op.exp(op.neg(op.pow(op.div(number([TIMES]), time_scale), number(1 / SCALE))))
    median = op.exp(op.add(lp, number(SCALE * np.log(np.log(2.0)))))
    return serialise(x, {"survival": alive, "median": median, "lp": lp})


if __name__ == "__main__":
    sys.path.insert(0, str(FOLDER.parents[1]))
    from models.pinning import pin

    print(pin(FOLDER, graph()))
