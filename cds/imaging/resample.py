"""A volume at another spacing: linear, separable, voxel centres kept, so the affine stays exact.

Each axis is a small matrix of weights, which makes a slice two matrix products; no file, no second copy of the volume.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cds.imaging.volume import Volume


def weights(size: int, spacing: float, wanted: float) -> NDArray[np.float32]:
    """[new size, size]: linear weights along one axis. The first voxel's centre stays, the last stays inside."""
    count = int(np.floor((size - 1) * spacing / wanted + 1e-6)) + 1
    at = np.arange(count) * (wanted / spacing)
    low = np.clip(np.floor(at + 1e-9).astype(int), 0, max(size - 2, 0))
    share = (at - low).astype(np.float32)
    found = np.zeros((count, size), np.float32)
    found[np.arange(count), low] = 1 - share
    found[np.arange(count), np.minimum(low + 1, size - 1)] += share
    return found


def resample(volume: Volume, spacing: tuple[float, float, float]) -> Volume:
    """At ``spacing`` mm between slices, rows, columns; [slices, rows, columns] int16 HU.

    Linear between voxels, without smoothing before a coarser grid: as a network was trained, so must it be fed.
    """
    if not all(0 < mm < 1000 for mm in spacing):
        raise ValueError(f"spacing must be above 0 mm, not {spacing}")
    along = [weights(n, own, mm) for n, own, mm in zip(volume.hu.shape, volume.spacing, spacing, strict=True)]
    hu = np.empty(tuple(len(matrix) for matrix in along), np.int16)
    filled = []
    for index, row in enumerate(along[0]):
        used = np.flatnonzero(row > 1e-6)
        one = sum((volume.hu[k] * row[k] for k in used), start=np.zeros(volume.hu.shape[1:], np.float32))
        hu[index] = np.rint(along[1] @ one @ along[2].T)
        if any(int(k) in volume.filled for k in used):
            filled.append(index)
    affine = volume.affine.copy()
    for axis, (own, mm) in enumerate(zip(volume.spacing, spacing, strict=True)):
        affine[:3, axis] *= mm / own
    return replace(volume, hu=hu, affine=affine, filled=tuple(filled))
