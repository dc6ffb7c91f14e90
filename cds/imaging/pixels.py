"""A stored frame as Hounsfield units: padding, slope and intercept of its own slice (DICOM PS3.3 C.11.1, C.7.5.1.1.2).

Values are clipped to -1024..3071 HU: below is padding outside the scanned circle, above is metal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cds.imaging.codecs import Layout, stored_values

AIR = -1024
DENSEST = 3071

Slab = NDArray[np.int16]


def hounsfield(
    payload: bytes, layout: Layout, slope: float, intercept: float, padding: tuple[int, int] | None = None
) -> Slab:
    """[rows, columns] int16 HU. ``padding``: lowest and highest stored value that mean "nothing was scanned here".

    Releases the interpreter lock for most of its time. Raises Unusable, as ``codecs.stored_values``.
    """
    values = stored_values(payload, layout)
    outside = None
    hu: Slab
    if padding is not None:
        outside = (values >= padding[0]) & (values <= padding[1])
    low, high = AIR - intercept, DENSEST - intercept
    limits = np.iinfo(values.dtype)
    if slope == 1 and intercept == int(intercept) and limits.min <= high <= 32767 and -32768 <= low <= limits.max:
        # clipped before the sum, which then fits in 16 bits
        inside = np.clip(values, max(int(low), limits.min), min(int(high), limits.max))
        hu = inside.astype(np.int16)
        hu += np.int16(intercept)
    else:
        scaled = values * np.float32(slope) + np.float32(intercept)
        hu = np.rint(np.clip(scaled, AIR, DENSEST)).astype(np.int16)
    if outside is not None:
        hu[outside] = AIR
    return hu
