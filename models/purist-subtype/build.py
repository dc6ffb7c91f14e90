"""Writes ``model.onnx``: ``python models/purist-subtype/build.py``. Pairs and coefficients: pairs.json, from PurIST."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import spox.opset.ai.onnx.v17 as op

FOLDER = Path(__file__).parent
MODEL = json.loads((FOLDER / "pairs.json").read_text(encoding="utf-8"))
INPUTS = tuple(gene.lower() for pair in MODEL["pairs"] for gene in pair[:2])
"""Columns in the order of the pairs: the gene of the basal-like type, then that of the classical one."""
GRADES = (0.1, 0.4, 0.5, 0.6, 0.9)
"""Strong, likely and lean classical below the first three; lean, likely and strong basal-like from there on."""


def graph() -> bytes:
    from models.pinning import inputs, serialise

    x = inputs(len(INPUTS))
    logit = op.const(np.float64(MODEL["intercept"]))
    shares = []
    for number, (_, _, weight) in enumerate(MODEL["pairs"]):
        basal = op.gather(x, op.const(np.int64(2 * number)), axis=1)
        classical = op.gather(x, op.const(np.int64(2 * number + 1)), axis=1)
        higher = op.cast(op.greater(basal, classical), to=np.float64)
        share = op.mul(op.const(np.float64(weight)), higher)
        logit = op.add(logit, share)
        # a pair counts as one: its share stands with the gene that has to be the higher one
        shares += [share, op.mul(share, op.const(np.float64(0)))]
    chance = op.div(op.const(np.float64(1)), op.add(op.const(np.float64(1)), op.exp(op.neg(logit))))
    grade = op.const(np.float64(0))
    for index, limit in enumerate(GRADES):
        # published as "<0.1", "0.1-0.4" and so on up to ">0.9": a limit belongs to the grade above, but for the last
        above = op.greater if index == len(GRADES) - 1 else op.greater_or_equal
        grade = op.add(grade, op.cast(above(chance, op.const(np.float64(limit))), to=np.float64))
    columns = [op.unsqueeze(share, op.const(np.array([1], dtype=np.int64))) for share in shares]
    return serialise(x, {"basal": chance, "grade": grade, "contributions": op.concat(columns, axis=1)})


if __name__ == "__main__":
    sys.path.insert(0, str(FOLDER.parents[1]))
    from models.pinning import pin

    print(pin(FOLDER, graph()))
