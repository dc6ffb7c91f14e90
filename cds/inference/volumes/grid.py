"""A volume on its grid, and the way to another grid and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float32]
Triple = tuple[float, float, float]
Box = tuple[slice, slice, slice]
_ROWS = 8
"""Of a band: fewer make too small products, more take in too many zeros."""


@dataclass(frozen=True)
class Grid:
    """``shape`` voxels, z y x, of ``spacing`` mm."""

    shape: tuple[int, int, int]
    spacing: Triple

    @property
    def voxel_ml(self) -> float:
        return float(np.prod(self.spacing)) / 1000.0

    def at(self, spacing: Triple) -> Grid:
        """As large in mm, of another spacing."""
        sizes = zip(self.shape, self.spacing, spacing, strict=True)
        z, y, x = (max(1, round(n * old / new)) for n, old, new in sizes)
        return Grid((z, y, x), spacing)


def resampled(volume: NDArray[np.generic], source: Grid, target: Grid, order: int, align: str) -> Array:
    """``volume`` [z, y, x] on ``source`` as float32 on ``target``. ``align``: ``corner`` keeps the outer corners
    together (what is seen stays as large), ``centre`` the first voxels' centres. Beside the volume its edge goes on."""
    scale = [b / a for a, b in zip(source.spacing, target.spacing, strict=True)]
    if align == "corner":
        scale = [n / m for n, m in zip(source.shape, target.shape, strict=True)]
    if source.shape == target.shape and all(abs(s - 1) < 1e-6 for s in scale):
        return np.asarray(volume, dtype=np.float32)
    found: Array = np.asarray(volume, dtype=np.float32)
    for axis, (factor, length) in enumerate(zip(scale, target.shape, strict=True)):
        found = _along(found, axis, factor, length, order, align)
    return found


def _along(volume: Array, axis: int, factor: float, length: int, order: int, align: str) -> Array:
    """Resample one axis. Separable, so three passes do what one three-dimensional one would, in a third of the time."""
    n = volume.shape[axis]
    at = np.arange(length) * factor
    if align == "corner":
        at = at + (factor - 1) / 2
    # a spline mirrored at its first and last centre goes on to the voxel's edge
    at = np.clip(at, 0, n - 0.5 if order > 1 and align == "centre" else n - 1)
    if order == 0:
        return np.asarray(np.take(volume, np.round(at).astype(np.intp), axis=axis), dtype=np.float32)
    if order > 1 and n > 3:
        return _spline(volume, axis, at)
    low = np.minimum(np.floor(at).astype(np.intp), max(n - 2, 0))
    part = (at - low).astype(np.float32)
    shape = [1, 1, 1]
    shape[axis] = length
    part = part.reshape(shape)
    first = np.take(volume, low, axis=axis)
    second = np.take(volume, np.minimum(low + 1, n - 1), axis=axis)
    return np.asarray(first + (second - first) * part, dtype=np.float32)


def _spline(volume: Array, axis: int, at: NDArray[np.float64]) -> Array:
    """Cubic B-spline interpolation: coefficients along the axis, then four weighted neighbours."""
    coefficients = ndimage.spline_filter1d(volume, order=3, axis=axis, output=np.float32, mode="mirror")
    n = volume.shape[axis]
    base = np.floor(at).astype(np.intp)
    t = (at - base).astype(np.float32)
    weights = (
        (1 - t) ** 3 / 6,
        (3 * t**3 - 6 * t**2 + 4) / 6,
        (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6,
        t**3 / 6,
    )
    shape = [1, 1, 1]
    shape[axis] = len(at)
    period = max(2 * (n - 1), 1)
    total: Array | None = None
    for offset, weight in zip((-1, 0, 1, 2), weights, strict=True):
        index = np.abs(base + offset) % period
        index = np.where(index >= n, period - index, index)
        part = np.take(coefficients, index, axis=axis) * weight.reshape(shape).astype(np.float32)
        total = part if total is None else total + part
    return np.asarray(total, dtype=np.float32)


def coarsened(volume: NDArray[np.generic], source: Grid, target: Grid, order: int, align: str) -> Array:
    """As ``resampled``, after what coarsening would alias is blurred away: a Gaussian of half the excess, in voxels.

    Blur and resampling are linear along each axis, so together they are a matrix an axis, and the fine volume is gone
    through once, slice by slice; filtering it whole took three times as long as the networks.
    """
    z, y, x = (
        _coarsening(n, length, a, b, order, align)
        for n, length, a, b in zip(source.shape, target.shape, source.spacing, target.spacing, strict=True)
    )
    down, across = _bands(y), _bands(x)
    fine = np.empty(source.shape[1:], np.float32)
    narrow = np.empty((len(y), source.shape[2]), np.float32)
    planes = np.empty((source.shape[0], len(y), len(x)), np.float32)
    for plane, coarse in zip(volume, planes, strict=True):
        fine[...] = plane
        for to, come, part in down:
            np.matmul(part, fine[come], out=narrow[to])
        for to, come, part in across:
            coarse[:, to] = narrow[:, come] @ part.T
    return np.asarray(np.tensordot(z, planes, axes=1), dtype=np.float32)


def _bands(matrix: Array) -> list[tuple[slice, slice, Array]]:
    """(rows, columns, what stands there) of all that is not 0: a coarse voxel is made of a few neighbours, and most of
    the work would be to multiply the zeros beside them."""
    found = []
    for start in range(0, len(matrix), _ROWS):
        rows = slice(start, start + _ROWS)
        columns = np.flatnonzero(matrix[rows].any(axis=0))
        come = slice(int(columns[0]), int(columns[-1]) + 1)
        found.append((rows, come, np.ascontiguousarray(matrix[rows, come])))
    return found


def _coarsening(n: int, length: int, fine: float, coarse: float, order: int, align: str) -> Array:
    """[length, n]: what each voxel of an axis adds to each of the coarser axis."""
    blurred = np.eye(n, dtype=np.float32)[:, :, None]
    if (sigma := (coarse / fine - 1) / 2) > 0:
        blurred = ndimage.gaussian_filter1d(blurred, sigma, axis=0)
    factor = n / length if align == "corner" else coarse / fine
    return _along(blurred, 0, factor, length, order, align)[:, :, 0]


def bounding_box(mask: NDArray[np.bool_]) -> Box:
    """Of a mask that is not empty."""
    cuts = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        found = np.flatnonzero(mask.any(axis=others))
        cuts.append(slice(int(found[0]), int(found[-1]) + 1))
    return cuts[0], cuts[1], cuts[2]


def moved_by_centres(box: Box, source: Grid, target: Grid, margin_mm: Triple) -> Box:
    """``box`` of ``source``, whose first voxel's centre is that of ``target``, with a margin, as voxels of ``target``:
    from the centre of the box's first voxel to that of its last, whole voxels of margin, the last voxel left out. So
    the published PANORAMA baseline crops."""
    cuts = []
    for cut, a, b, n, margin in zip(box, source.spacing, target.spacing, target.shape, margin_mm, strict=True):
        beside = int(margin / b)
        low = max(0, int(np.floor(cut.start * a / b + 0.5)) - beside)
        high = min(n, int(np.floor((cut.stop - 1) * a / b + 0.5)) + beside)
        cuts.append(slice(low, max(high, low + 1)))
    return cuts[0], cuts[1], cuts[2]


def moved(box: Box, source: Grid, target: Grid, margin_mm: Triple) -> Box:
    """``box`` of ``source`` with a margin, as voxels of ``target`` and inside it."""
    cuts = []
    for cut, a, b, n, margin in zip(box, source.spacing, target.spacing, target.shape, margin_mm, strict=True):
        low = max(0, int(np.floor((cut.start * a - margin) / b)))
        high = min(n, int(np.ceil((cut.stop * a + margin) / b)))
        cuts.append(slice(low, max(high, low + 1)))
    return cuts[0], cuts[1], cuts[2]
