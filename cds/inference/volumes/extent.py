"""Does the scan end inside the organ? What lies beyond its first or last slice no network has seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cds.inference.volumes.grid import Grid

TRACE_MM2 = 50.0
"""What a network may leave of an organ in an end slice by mistake: a disc of 8 mm."""


def cut_off(organ: NDArray[np.bool_], grid: Grid, ends: tuple[bool, bool]) -> bool:
    """``organ`` [z, y, x]: the first and last slices of ``grid``, or all; ``ends``: is the grid's first slice the
    scan's first, and its last slice the scan's last? It is more than a trace of the organ in such a slice that counts,
    all its parts there together: a gland that arches over the end of a scan is in two."""
    voxel_mm2 = grid.spacing[1] * grid.spacing[2]
    sections = [float(organ[at].sum()) * voxel_mm2 for at, here in zip((0, -1), ends, strict=True) if here]
    return any(section > TRACE_MM2 for section in sections)
