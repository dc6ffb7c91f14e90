"""What no answer may be, whatever the graph says: not finite, a chance outside 0 to 1, a survival curve that rises."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cds.errors import ModelError
from cds.inference.manifest import Manifest, Output

# rounding of float64 sums and exponentials; anything larger is a fault of the graph
_SLACK = 1e-9
_CHANCES = ("probability", "survival")


def require(manifest: Manifest, results: Mapping[str, NDArray[np.float64]], rows: int) -> None:
    """``results``: [rows] or [rows, k] by name of what the graph gives; what is read off its curves is as sound as they
    are. Raises ModelError naming model, output and fault."""
    bounds = {name for o in manifest.outputs if o.kind in _CHANCES for name in (o.lower, o.upper) if name}
    for output in (o for o in manifest.outputs if o.curve is None):
        values = results[output.name]
        where = f"{manifest.id}: output '{output.name}'"
        _shape(where, output, values, len(manifest.columns), rows)
        if not values.size:
            continue
        least, most = float(values.min()), float(values.max())  # both are NaN if any value is
        if not (math.isfinite(least) and math.isfinite(most)):
            raise ModelError(f"{where} holds a value that is not finite")
        if (output.kind in _CHANCES or output.name in bounds) and (least < -_SLACK or most > 1 + _SLACK):
            raise ModelError(f"{where} is a chance and lies outside 0 to 1")
        if output.kind == "survival" and values.ndim == 2 and (np.diff(values, axis=1) > _SLACK).any():
            raise ModelError(f"{where} is a survival curve that rises")
        if output.kind == "category" and output.categories:
            known = {float(number) for number in output.categories}
            if not known.issuperset(values.ravel().tolist()):
                raise ModelError(f"{where} is a category its manifest does not name")


def _shape(where: str, output: Output, values: NDArray[np.float64], inputs: int, rows: int) -> None:
    if not isinstance(values, np.ndarray) or values.dtype != np.float64:
        raise ModelError(f"{where} is {getattr(values, 'dtype', type(values).__name__)}, a graph gives float64")
    if output.times:
        expected = len(output.times)
    elif output.per_input:
        expected = inputs
    else:
        expected = 0
    wanted = (rows, expected) if expected else (rows,)
    if values.shape != wanted:
        raise ModelError(f"{where} has the shape {list(values.shape)}, its manifest says {list(wanted)}")
