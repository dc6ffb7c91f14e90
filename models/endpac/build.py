"""Writes ``model.onnx``: ``python models/endpac/build.py``. Points from Sharma 2018, Table 1.

The published table prints the change in weight to one decimal, so the change is read to one decimal here: 2 kg lost
over the 366 days of a year with a leap day come out as -1.996 and are the 2.0 of the table. Where two printed values
are equally near, the smaller change counts: -5.95 is read as -5.9, so no point is given that the table does not surely
give. Glucose and age are never rounded up: 125.9 mg/dL is below 126, and 59 years and 11 months is 59.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import spox.opset.ai.onnx.v17 as op
from spox import Var

FOLDER = Path(__file__).parent
INPUTS = ("age_at_onset", "glucose_onset", "glucose_before", "weight_change")

GLUCOSE_BORDERS = (100.0, 110.0, 126.0, 161.0)
"""mg/dL; each border reached raises the category by one, from 1 to 5. The score takes the difference of two
categories, never of two values."""
AGE_BORDERS = (60.0, 70.0)
"""Years at onset: below the first -1, from it 0, from the second 1."""
WEIGHT_BORDERS = (2.0, 4.0, 6.0)
"""kg a year, loss or gain, to one decimal; each border reached is worth two points, for a loss and against a gain."""
HALF = 1e-9
"""How near to half a tenth, in tenths, is half a tenth: 80 - 78.05 is not 1.95 to the last bit."""
BANDS = (1.0, 3.0)
"""Score from which the band is intermediate, and high."""


def number(value: float) -> Var:
    return op.const(np.float64(value))


def column(x: Var, name: str) -> Var:
    return op.gather(x, op.const(np.int64(INPUTS.index(name))), axis=1)


def reached(value: Var, borders: tuple[float, ...]) -> Var:
    """How many of the borders ``value`` has reached."""
    counts = [op.cast(op.greater_or_equal(value, number(b)), to=np.float64) for b in borders]
    return op.sum(counts)


def to_one_decimal(change: Var) -> Var:
    """To the nearest tenth; of two equally near the one nearer to no change."""
    tenths = op.ceil(op.sub(op.mul(op.abs(change), number(10.0)), number(0.5 + HALF)))
    return op.mul(op.sign(change), op.div(tenths, number(10.0)))


def graph() -> bytes:
    from models.pinning import inputs, serialise

    x = inputs(len(INPUTS))
    change = to_one_decimal(column(x, "weight_change"))
    age = op.sub(reached(column(x, "age_at_onset"), AGE_BORDERS), number(1.0))
    onset = op.add(reached(column(x, "glucose_onset"), GLUCOSE_BORDERS), number(1.0))
    before = op.add(reached(column(x, "glucose_before"), GLUCOSE_BORDERS), number(1.0))
    weight = op.mul(
        op.sub(reached(op.neg(change), WEIGHT_BORDERS), reached(change, WEIGHT_BORDERS)),
        number(2.0),
    )
    points = [age, onset, op.neg(before), weight]
    score = op.sum(points)
    axis1 = op.const(np.array([1]))
    return serialise(
        x,
        {
            "score": score,
            "band": reached(score, BANDS),
            "contributions": op.concat([op.unsqueeze(p, axis1) for p in points], axis=1),
        },
    )


if __name__ == "__main__":
    sys.path.insert(0, str(FOLDER.parents[1]))
    from models.pinning import pin

    print(pin(FOLDER, graph()))
