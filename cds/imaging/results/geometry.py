"""From a network's grid to the voxels of the slices it was read from: who is which label, on the source's own pixels.

The way leads through the patient's millimetres, so that tilt, filled-in slices and turned images need no rule here.
Source slices are parallel to the grid's layers to within 0.002 of direction (``stacks``), hence each is interpolated
axis by axis; what that leaves out is linearised about the region's middle and stays below 0.3 mm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cds.imaging.frames import Frame
from cds.imaging.volume import Matrix, Volume
from cds.inference.volumes.analyse import Assessed
from cds.inference.volumes.legend import Legend

Array = NDArray[np.float32]
_HALF = 0.5
"""Share of a source voxel that a candidate must fill."""


@dataclass(frozen=True, eq=False)
class Segments:
    """Labels on the source's slices. A voxel has one label; a lesion's goes before a structure's."""

    labels: NDArray[np.uint8]
    """[frames, rows, columns]: 0, or the segment's number."""
    first: int
    """Index of the first of those frames among the source's."""
    structures: tuple[str, ...]
    """Class names of the segments 1, 2, ..."""
    lesions: int
    """Segments behind them, one a candidate."""

    def of_lesion(self, index: int) -> int:
        """Segment number of candidate ``index``, from 0."""
        return len(self.structures) + 1 + index


def grid_affine(assessed: Assessed, volume: Volume) -> Matrix:
    """4x4: (z, y, x, 1) of the assessed grid, voxel centres, to mm in LPS."""
    own, scan = np.asarray(assessed.grid.spacing), np.asarray(volume.spacing)
    into = np.eye(4)
    into[:3, :3] = np.diag(own / scan)
    into[:3, 3] = (np.asarray(assessed.origin_mm) + own / 2) / scan - 0.5
    found: Matrix = volume.affine @ into
    return found


def frame_affine(frame: Frame) -> Matrix:
    """4x3: (row, column, 1) to mm in LPS, homogeneous (DICOM PS3.3 C.7.6.2.1.1)."""
    found = np.zeros((4, 3))
    found[:3, 0] = np.asarray(frame.orientation[3:]) * frame.spacing[0]
    found[:3, 1] = np.asarray(frame.orientation[:3]) * frame.spacing[1]
    found[:3, 2] = frame.position
    found[3, 2] = 1
    return found


def segments(assessed: Assessed, volume: Volume, legend: Legend) -> Segments:
    """Structures of the legend where they are likeliest, and every candidate, on ``volume.frames``."""
    names = [name for name in legend.structures if name in assessed.classes]
    number_of = np.zeros(len(assessed.classes), np.uint8)
    for number, name in enumerate(names, start=1):
        number_of[assessed.classes.index(name)] = number
    # the volume took all slices to lie as the first does, pixel on pixel: rounding in their headers moves no outline
    first = volume.frames[0]
    frames = [replace(frame, orientation=first.orientation, spacing=first.spacing) for frame in volume.frames]
    affine = grid_affine(assessed, volume)
    labels = np.zeros((len(frames), *frames[0].size), np.uint8)
    for place, chances in _sampled(assessed.chances, affine, frames):
        labels[place] = number_of[chances.argmax(axis=0)]
    for index, candidate in reversed(list(enumerate(assessed.found.candidates))):
        _paint(labels, candidate.mask, len(names) + 1 + index, affine, frames)
    return _compact(labels, names, len(assessed.found.candidates))


_Place = tuple[int, slice, slice]


def _sampled(values: Array, affine: Matrix, frames: Sequence[Frame]) -> Iterator[tuple[_Place, Array]]:
    """``values`` [k, z, y, x] linearly at the voxel centres of every frame that meets the grid: [k, rows, columns]."""
    inverse = np.linalg.inv(affine)
    shape = values.shape[1:]
    for index, frame in enumerate(frames):
        to_grid = (inverse @ frame_affine(frame))[:3]
        along_rows = 1 + int(abs(to_grid[2, 0]) > abs(to_grid[1, 0]))
        along_columns = 3 - along_rows
        rows, columns = _meeting(to_grid, along_rows, along_columns, frame.size, shape)
        if not len(rows) or not len(columns):
            continue
        middle_row, middle_column = float(rows.mean()), float(columns.mean())
        depth = float(to_grid[0] @ [middle_row, middle_column, 1])
        if not -0.5 <= depth <= shape[0] - 0.5:
            continue
        at_rows = to_grid[along_rows, 0] * rows + to_grid[along_rows] @ [0, middle_column, 1]
        at_columns = to_grid[along_columns, 1] * columns + to_grid[along_columns] @ [middle_row, 0, 1]
        layer = _linear(values, np.array([depth]), 1)[:, 0]
        if along_rows == 2:
            layer = layer.transpose(0, 2, 1)
        found = _linear(_linear(layer, at_rows, 1), at_columns, 2)
        yield (index, slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)), found


def _meeting(
    to_grid: Matrix, along_rows: int, along_columns: int, size: tuple[int, int], shape: tuple[int, ...]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of a frame whose centres lie in the grid, half a voxel of edge included."""
    found = []
    for axis, own in ((along_rows, 0), (along_columns, 1)):
        # the other index at its middle; its share is a few thousandths
        offset = to_grid[axis] @ ([0, size[1] / 2, 1] if own == 0 else [size[0] / 2, 0, 1])
        at = to_grid[axis, own] * np.arange(size[own]) + offset
        found.append(np.flatnonzero((at >= -0.5) & (at <= shape[axis] - 0.5)))
    return found[0], found[1]


def _linear(values: Array, at: Matrix, axis: int) -> Array:
    """``values`` at the places ``at`` along one axis; beyond the outer centres the last voxel goes on."""
    count = values.shape[axis]
    at = np.clip(at, 0, count - 1)
    low = np.clip(np.floor(at).astype(int), 0, max(count - 2, 0))
    shape = [1] * values.ndim
    shape[axis] = len(at)
    share = (at - low).astype(np.float32).reshape(shape)
    first = np.take(values, low, axis)
    return np.asarray(first + (np.take(values, np.minimum(low + 1, count - 1), axis) - first) * share)


def _paint(
    labels: NDArray[np.uint8], mask: NDArray[np.bool_], number: int, affine: Matrix, frames: Sequence[Frame]
) -> None:
    """A candidate between coarse slices would vanish; then its nearest source voxels are taken."""
    painted = False
    corner, inner = _cut(mask)
    moved = affine.copy()
    moved[:3, 3] = (affine @ [*corner, 1])[:3]
    for place, share in _sampled(inner[None].astype(np.float32), moved, frames):
        own = share[0] >= _HALF
        labels[place][own] = number
        painted = painted or bool(own.any())
    if not painted:
        for voxel in _nearest(mask, affine, frames):
            labels[voxel] = number


def _cut(mask: NDArray[np.bool_]) -> tuple[tuple[int, ...], NDArray[np.bool_]]:
    """(first index, the mask's part around what is set), one voxel of margin so that its edge fades outwards."""
    padded = np.pad(mask, 1)
    found = np.argwhere(padded)
    low, high = found.min(axis=0) - 1, found.max(axis=0) + 2
    part = padded[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    return tuple(int(a) - 1 for a in low), part


def _nearest(mask: NDArray[np.bool_], affine: Matrix, frames: Sequence[Frame]) -> Iterator[tuple[int, int, int]]:
    points = np.argwhere(mask)
    world = np.c_[points, np.ones(len(points))] @ affine.T
    inverses = [np.linalg.pinv(_full(frame)) for frame in frames]
    # (depth in mm, row, column) of every point in every frame
    seen = np.stack([world @ inverse.T for inverse in inverses])
    closest = np.abs(seen[:, :, 0]).mean(axis=1).argmin()
    rows, columns = np.rint(seen[closest, :, 1]).astype(int), np.rint(seen[closest, :, 2]).astype(int)
    size = frames[closest].size
    for row, column in zip(rows, columns, strict=True):
        if 0 <= row < size[0] and 0 <= column < size[1]:
            yield int(closest), int(row), int(column)


def _full(frame: Frame) -> Matrix:
    """4x4: (mm off the plane, row, column, 1) to mm in LPS."""
    flat = frame_affine(frame)
    normal = np.cross(np.asarray(frame.orientation[:3]), np.asarray(frame.orientation[3:]))
    return np.column_stack([[*normal, 0.0], flat])


def _compact(labels: NDArray[np.uint8], names: list[str], lesions: int) -> Segments:
    """Structures that are nowhere get no number; slices before the first and behind the last label are dropped."""
    present = np.bincount(labels.ravel(), minlength=len(names) + lesions + 1) > 0
    kept = [number for number in range(1, len(names) + 1) if present[number]]
    table = np.zeros(256, np.uint8)
    for new, old in enumerate([*kept, *range(len(names) + 1, len(names) + lesions + 1)], start=1):
        table[old] = new
    touched = np.flatnonzero(labels.any(axis=(1, 2)))
    first, last = (int(touched[0]), int(touched[-1])) if len(touched) else (0, -1)
    part = table[labels[first : last + 1]]
    return Segments(part, first, tuple(names[number - 1] for number in kept), lesions)
