"""Writes ``model.onnx``: ``python models/dpyd-dosing/build.py``. Allele values and doses: CPIC, see model.yaml."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import spox.opset.ai.onnx.v17 as op
from spox import Var

FOLDER = Path(__file__).parent
INPUTS = ("drafted", "star2a", "star13", "c2846", "hapb3", "tested", "given_before", "given_with")
VALUES = {"star2a": 0.0, "star13": 0.0, "c2846": 0.5, "hapb3": 0.5}
"""Activity of one allele with the variant; without it 1 (CPIC 2017, Table 2). -1 copies: not known."""
NONE_FOUND, NOT_TESTED, NOT_READABLE, AT_MOST = 20.0, 21.0, 22.0, 10.0
"""Codes of ``advice``. Twice the activity score stands for itself; AT_MOST is added where a variant is not known."""


def column(x: Var, name: str) -> Var:
    return op.gather(x, op.const(np.int64(INPUTS.index(name))), axis=1)


def number(value: float) -> Var:
    return op.const(np.float64(value))


def graph() -> bytes:
    from models.pinning import inputs, serialise

    x = inputs(len(INPUTS))
    nothing, known, unknown = number(0), number(0), number(0)
    no_function, decreased = number(0), number(0)
    for name, value in VALUES.items():
        copies = op.max([column(x, name), nothing])
        is_unknown = op.cast(op.less(column(x, name), nothing), to=np.float64)
        unknown = op.add(unknown, is_unknown)
        known = op.add(known, op.sub(number(1), is_unknown))
        if value == 0:
            no_function = op.add(no_function, copies)
        else:
            decreased = op.add(decreased, copies)
    # the two lowest allele values: alleles without function come first, then those with half of it, then whole ones
    two = number(2)
    lowest = op.min([no_function, two])
    halves = op.min([decreased, op.sub(two, lowest)])
    score = op.sub(op.sub(two, lowest), op.mul(halves, number(0.5)))
    doubled = op.mul(score, two)
    found = op.less(score, two)
    complete = op.equal(unknown, nothing)
    scored = op.where(complete, doubled, op.where(found, op.add(doubled, number(AT_MOST)), number(NONE_FOUND)))
    tested = op.greater(column(x, "tested"), nothing)
    unscored = op.where(tested, number(NOT_READABLE), number(NOT_TESTED))
    advice = op.where(op.greater(known, nothing), scored, unscored)
    return serialise(x, {"advice": advice, "activity_score": score})


if __name__ == "__main__":
    sys.path.insert(0, str(FOLDER.parents[1]))
    from models.pinning import pin

    print(pin(FOLDER, graph()))
