"""Where slices lie: by positions and directions alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cds.imaging.frames import Frame

SAME_DIRECTION = 2e-3
"""Per component of the direction cosines."""
SAME_PLACE_MM = 0.05


def directions(frame: Frame) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Unit vectors (3,): along which columns count, along which rows count, normal towards the head."""
    along_columns, along_rows = np.array(frame.orientation[:3]), np.array(frame.orientation[3:])
    along_columns, along_rows = along_columns / np.linalg.norm(along_columns), along_rows / np.linalg.norm(along_rows)
    normal = np.cross(along_columns, along_rows)
    normal /= np.linalg.norm(normal)
    return along_columns, along_rows, normal if normal[2] >= 0 else -normal


def same_directions(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether slices of these orientations may lie in one stack: each was compared with a third."""
    return len(a) == len(b) == 6 and all(abs(x - y) <= 2 * SAME_DIRECTION for x, y in zip(a, b, strict=True))


def places(frames: Sequence[Frame]) -> NDArray[np.float64]:
    """[slices] mm along the first one's normal."""
    found: NDArray[np.float64] = np.array([frame.position for frame in frames]) @ directions(frames[0])[2]
    return found


def crowded(frames: Sequence[Frame]) -> bool:
    return bool((np.diff(places(frames)) < SAME_PLACE_MM).any())
