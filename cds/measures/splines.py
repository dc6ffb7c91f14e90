"""Natural (restricted) cubic splines: straight outside the outer knots, so that few people there bend nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cds.measures.estimate import Array

# Harrell 2015, Regression Modeling Strategies, table 2.3: places of four knots
_PLACES = (0.05, 0.35, 0.65, 0.95)


def knots_of(x: Array) -> Array:
    """Four knots, or as many different ones as there are; fewer than three make a straight line."""
    return np.unique(np.quantile(x, _PLACES))


def design(x: Array, knots: Array) -> NDArray[np.float64]:
    """[people, columns]: 1, x and the cubic terms (Harrell's, scaled by the outer knots' distance squared)."""
    columns = [np.ones(len(x)), x]
    if len(knots) >= 3:
        last, before = knots[-1], knots[-2]
        scale = (last - knots[0]) ** 2
        for knot in knots[:-2]:
            columns.append(
                (
                    _cubed(x - knot)
                    - _cubed(x - before) * (last - knot) / (last - before)
                    + _cubed(x - last) * (before - knot) / (last - before)
                )
                / scale
            )
    return np.column_stack(columns)


def _cubed(x: Array) -> Array:
    found: Array = np.maximum(x, 0.0) ** 3
    return found
