"""Writes ``model.onnx``: ``python models/msk-prognostic-score/build.py``. Cut-offs from Lebenthal 2021."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import spox.opset.ai.onnx.v17 as op
from spox import Var

FOLDER = Path(__file__).parent
INPUTS = ("albumin", "neutrophils", "lymphocytes")
ALBUMIN_BELOW = 40.0
"""g/L: lower than this is one point; 40 itself is none."""
RATIO_ABOVE = 4.0
"""Neutrophils / lymphocytes: higher than this is one point; 4 itself is none."""


def column(x: Var, name: str) -> Var:
    return op.gather(x, op.const(np.int64(INPUTS.index(name))), axis=1)


def graph() -> bytes:
    from models.pinning import inputs, serialise

    x = inputs(len(INPUTS))
    ratio = op.div(column(x, "neutrophils"), column(x, "lymphocytes"))
    albumin = op.cast(op.less(column(x, "albumin"), op.const(np.float64(ALBUMIN_BELOW))), to=np.float64)
    inflammation = op.cast(op.greater(ratio, op.const(np.float64(RATIO_ABOVE))), to=np.float64)
    # the ratio's point stands under neutrophils: the two counts act only together
    points = [albumin, inflammation, op.mul(inflammation, op.const(np.float64(0.0)))]
    shares = op.concat([op.unsqueeze(p, op.const(np.array([1]))) for p in points], axis=1)
    return serialise(x, {"group": op.add(albumin, inflammation), "nlr": ratio, "contributions": shares})


if __name__ == "__main__":
    sys.path.insert(0, str(FOLDER.parents[1]))
    from models.pinning import pin

    print(pin(FOLDER, graph()))
