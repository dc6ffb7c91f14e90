"""Real scans cropped, tilted and resampled: the demonstration network, trained on phantoms, says nothing of them.

A gate that real scans stop only as they are would be luck.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from ct_samples import SAMPLES, needs_samples, series_folders, volumes
from scipy import ndimage
from test_demo_network_on_real_ct import Scan, analysis, scans

from cds.inference.volumes.analyse import Analysis, Indeterminate

pytestmark = needs_samples
__all__ = ["analysis"]
_AIR = -1024

Change = Callable[[Scan], Scan]


@cache
def real(place: Path) -> list[Scan]:
    return scans(place)


def cropped(z: slice, y: slice, x: slice) -> Change:
    """``z``, ``y``, ``x``: of a scan of 100 by 100 by 100."""

    def change(scan: Scan) -> Scan:
        hu, spacing = scan
        part = tuple(
            slice(*(None if at is None else at * size // 100 for at in (one.start, one.stop)))
            for one, size in zip((z, y, x), hu.shape, strict=True)
        )
        return np.ascontiguousarray(hu[part]), spacing

    return change


def tilted(degrees: float, axes: tuple[int, int]) -> Change:
    """In millimetres, whatever the voxels' sides."""

    def change(scan: Scan) -> Scan:
        hu, spacing = scan
        turn = np.eye(3)
        a, b = axes
        turn[a, a] = turn[b, b] = np.cos(np.radians(degrees))
        turn[a, b], turn[b, a] = -np.sin(np.radians(degrees)), np.sin(np.radians(degrees))
        matrix = np.diag(1 / np.array(spacing)) @ turn @ np.diag(spacing)
        centre = (np.array(hu.shape) - 1) / 2
        offset = centre - matrix @ centre
        return ndimage.affine_transform(hu, matrix, offset, order=1, mode="constant", cval=_AIR), spacing

    return change


def resampled(*factors: float) -> Change:
    """``factors``: voxels along z, y and x for each one there was."""

    def change(scan: Scan) -> Scan:
        hu, spacing = scan
        made = ndimage.zoom(hu, factors, order=1)
        sides = tuple(s * n / m for s, n, m in zip(spacing, hu.shape, made.shape, strict=True))
        return made, (sides[0], sides[1], sides[2])

    return change


ALL = slice(None)
CHANGES = {
    "lower half": cropped(slice(0, 50), ALL, ALL),
    "upper half": cropped(slice(50, None), ALL, ALL),
    "middle": cropped(slice(20, 80), slice(15, 85), slice(15, 85)),
    "left side": cropped(ALL, ALL, slice(40, None)),
    "front": cropped(ALL, slice(0, 65), ALL),
    "nodding 5": tilted(5, (0, 1)),
    "nodding -10": tilted(-10, (0, 1)),
    "leaning 8": tilted(8, (0, 2)),
    "turned -7": tilted(-7, (1, 2)),
    "coarser": resampled(0.6, 0.5, 0.5),
    "finer slices": resampled(1.7, 0.7, 0.7),
}
PLACES = [*series_folders(), *volumes()] if SAMPLES else []


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_real_scan_is_indeterminate(change: str, analysis: Analysis) -> None:
    looked = 0
    for place in PLACES:
        for scan in real(place):
            hu, spacing = CHANGES[change](scan)
            found = analysis(hu, spacing)
            assert isinstance(found, Indeterminate), (place.name, found.likelihood, found.category, found.distances)
            looked += 1
    assert looked >= 3
