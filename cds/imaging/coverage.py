"""Whether a block of slices shows the upper abdomen's organs whole: from the lungs to well below them.

Only pixels say so: where two blocks of one scan overlap, each may hold but half of an organ. The limits below are this
service's own, chosen on generated trunks and one real one, and on the side of refusing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TISSUE_HU = -400
_LUNG_HU = -500
_SIDE = 128
"""Pixels along one side that are enough."""
_CHEST = 0.25
"""Of the body's cross-section that is lung near the dome of the diaphragm, and more above."""
_LUNG_ENDS = 0.08
"""Of it, below which there are but the lowest recesses, at the eleventh or twelfth thoracic vertebra. In a real scan of
a trunk the gland behind the stomach began 27 mm below that and ended 81 mm below."""
_TOP_MM = 15.0
"""That must be so."""
_BELOW_MM = 200.0
"""From there to the fourth lumbar vertebra: the organs of the upper abdomen end above it, in tall people, too."""


def upper_abdomen(slices: Sequence[NDArray[np.int16]], places: NDArray[np.floating[Any]]) -> bool:
    """Whether it is shown whole. ``slices`` in HU, rows and columns, from the feet to the head; ``places`` in mm."""
    from_head = places[-1] - places[::-1]
    lung = np.array([_lung(hu) for hu in slices[::-1]])
    if lung[from_head <= _TOP_MM].min() < _CHEST:
        return False
    ends = np.flatnonzero(lung < _LUNG_ENDS)
    return bool(len(ends) and from_head[-1] - from_head[ends[0]] >= _BELOW_MM)


def _lung(hu: NDArray[np.int16]) -> float:
    """Share of the body's cross-section."""
    from scipy import ndimage  # slow to import, and few series need it

    coarse = hu[:: max(1, hu.shape[0] // _SIDE), :: max(1, hu.shape[1] // _SIDE)]
    parts, count = ndimage.label(coarse > _TISSUE_HU)
    if not count:
        return 0.0
    largest = parts == 1 + int(np.bincount(parts.ravel())[1:].argmax())
    body = ndimage.binary_fill_holes(largest)
    return float((body & (coarse < _LUNG_HU)).sum() / body.sum())
