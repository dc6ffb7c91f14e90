"""Writes ``model.onnx``: ``python models/endpac/build.py``. Points from Sharma 2018, Table 1.

The published table is printed to one decimal, which leaves gaps between rows (a change of -5.95 kg). Here a row's
points are given only once its printed border is reached: -5.95 has not reached -6.0 and counts with -5.9 to -4.0.
Glucose and age are read the same way: 125.9 mg/dL is below 126, and 59 years and 11 months is 59.
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
"""kg a year, loss or gain; each border reached is worth two points, for a loss and against a gain."""
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


def graph() -> bytes:
    from models.pinning import inputs, serialise

    x = inputs(len(INPUTS))
    change = column(x, "weight_change")
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
