"""A volume on a grid of another number of voxels, as other frameworks resample: what networks were trained to see.

After nnU-Net v2 (MIC-DKFZ/nnUNet, ``resample_data_or_seg_to_shape``): outer corners stay together, the edge goes on
beside the volume, and nothing gets larger or smaller than what was there. Where voxels are more than three times as
long as wide, each slice is resampled by itself and the nearest slice taken.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cds.inference.volumes.grid import Grid, Triple

Array = NDArray[np.float32]
Shape = tuple[int, int, int]

_ANISOTROPIC = 3.0
_BESIDE = 12
"""Voxels of continued edge: what lies further out does not reach the spline."""


def shape_at(shape: Shape, spacing: Triple, wanted: Triple) -> Shape:
    """Voxels of ``wanted`` mm that a volume takes."""
    z, y, x = (round(old / new * n) for n, old, new in zip(shape, spacing, wanted, strict=True))
    return z, y, x


def through_plane(spacing: Triple, wanted: Triple) -> int | None:
    """The axis whose slices are resampled one by one; None: all axes at once."""
    for own in (spacing, wanted):
        if max(own) / min(own) > _ANISOTROPIC:
            longest = [axis for axis, mm in enumerate(own) if mm == max(own)]
            return longest[0] if len(longest) == 1 else None
    return None


def between_centres(source: Grid, spacing: Triple) -> Grid:
    """The grid that begins at the centre of ``source``'s first voxel and covers that of its last, as MONAI's Spacing
    makes it."""
    z, y, x = (
        round((n - 1) * old / new + 1) for n, old, new in zip(source.shape, source.spacing, spacing, strict=True)
    )
    return Grid((z, y, x), spacing)


def resized(volume: Array, shape: Shape, order: int, apart: int | None) -> Array:
    """``volume`` [z, y, x] with ``shape`` voxels. ``order``: 0, 1 or 3; ``apart``: the axis of slices of their own."""
    if volume.shape == shape:
        return volume
    if apart is None:
        return _within(volume, shape, order, (0, 1, 2), None)
    inside = tuple(axis for axis in range(3) if axis != apart)
    flat = list(shape)
    flat[apart] = volume.shape[apart]
    found = _within(volume, (flat[0], flat[1], flat[2]), order, inside, inside)
    at = np.floor(_centres(volume.shape[apart], shape[apart]) + 0.5).astype(np.intp)
    return np.take(found, np.clip(at, 0, volume.shape[apart] - 1), axis=apart)


def _within(volume: Array, shape: Shape, order: int, along: tuple[int, ...], axes: tuple[int, ...] | None) -> Array:
    """Resampled along some axes, then clipped to what each slice (``axes``), or the volume (None), held before."""
    low, high = volume.min(axis=axes, keepdims=True), volume.max(axis=axes, keepdims=True)
    found = volume
    for axis in along:
        if found.shape[axis] != shape[axis]:
            found = _along(found, axis, shape[axis], order)
    return np.clip(found, low, high)


def _centres(n: int, length: int) -> NDArray[np.float64]:
    """Of the new voxels, in the old ones' numbers."""
    return np.asarray((np.arange(length) + 0.5) * (n / length) - 0.5, dtype=np.float64)


def _along(volume: Array, axis: int, length: int, order: int) -> Array:
    n = volume.shape[axis]
    at = _centres(n, length)
    if order == 0:
        return np.take(volume, np.clip(np.floor(at + 0.5).astype(np.intp), 0, n - 1), axis=axis)
    if order == 3:
        pads = [(_BESIDE, _BESIDE) if a == axis else (0, 0) for a in range(3)]
        padded = np.pad(volume, pads, mode="edge")
        volume = ndimage.spline_filter1d(padded, order=3, axis=axis, output=np.float32, mode="nearest")
        at, n = at + _BESIDE, n + 2 * _BESIDE
    low = np.floor(at).astype(np.intp)
    t = at - low
    weights: tuple[tuple[int, NDArray[np.float64]], ...] = ((0, 1 - t), (1, t))
    if order == 3:
        weights = (
            (-1, (1 - t) ** 3 / 6),
            (0, (3 * t**3 - 6 * t**2 + 4) / 6),
            (1, (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6),
            (2, t**3 / 6),
        )
    column = [1, 1, 1]
    column[axis] = length
    total: Array | None = None
    for offset, weight in weights:
        part = np.take(volume, np.clip(low + offset, 0, n - 1), axis=axis)
        part *= weight.reshape(column).astype(np.float32)
        total = part if total is None else np.add(total, part, out=total)
    assert total is not None
    return total
