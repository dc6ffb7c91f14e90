"""A stack of slices as one upright, evenly spaced volume in the patient's millimetres.

Geometry comes from positions and directions alone. Gantry tilt is the angle between the line through the slices'
origins and their normal, not the tag that states it, whose sign differs between vendors. What can't be made even
without inventing anatomy is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cds.imaging.frames import Frame
from cds.imaging.geometry import directions, places
from cds.imaging.pixels import AIR, Slab
from cds.imaging.reasons import Note, Reason, Remark, Unusable
from cds.imaging.stacks import FEWEST, MOST_MISSING, Stack

_AXIAL = 0.85
"""Least cosine between the normal and the body's axis; a gantry tilts by 30 degrees (0.87) at most."""
_TILT_DEG = 0.5
_OFF_LINE_MM = 1.0
_UNEVEN = 0.05
"""Of the spacing."""
_WIDEST_GAP_MM = 10.0
_LONGEST_MM = 3_000.0
"""Of a volume: a table moves 2 m."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Volume:
    hu: NDArray[np.int16]
    """[slices, rows, columns], HU: slices to the head, rows to the back, columns to the patient's left."""
    affine: Matrix
    """4x4, (slice, row, column, 1) to mm in LPS."""
    frames: tuple[Frame, ...]
    """The source slices, from the feet to the head."""
    filled: tuple[int, ...] = ()
    """Indices of slices that lie in a gap and were made from their neighbours: no finding may rest on them."""
    remarks: tuple[Remark, ...] = ()

    @property
    def spacing(self) -> tuple[float, float, float]:
        """mm between slices, rows, columns."""
        slices, rows, columns = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(slices), float(rows), float(columns)

    @property
    def coverage_mm(self) -> float:
        """Along the body's axis, first to last slice."""
        return abs(float(self.affine[2, 0])) * (len(self.hu) - 1)

    def world(self, index: tuple[float, float, float]) -> NDArray[np.float64]:
        """(3,) mm in LPS of (slice, row, column)."""
        found: NDArray[np.float64] = (self.affine @ [*index, 1.0])[:3]
        return found

    def filled_between(self, first: int, last: int) -> bool:
        """Whether any of these slices (inclusive) was made from its neighbours."""
        return any(first <= index <= last for index in self.filled)


def build(stack: Stack) -> Volume:
    """Raises Unusable: the stack's own reason, too-few-slices, not-axial, no-geometry, no-extent, scattered-slices,
    gap, missing-slices."""
    if stack.refused is not None:
        raise Unusable(stack.refused)
    if len(stack.slices) < FEWEST:
        raise Unusable(Reason.TOO_FEW_SLICES, f"({len(stack.slices)})")
    frames = tuple(one.frame for one in stack.slices)
    along_columns, along_rows, normal = directions(frames[0])
    if abs(normal[2]) < _AXIAL:
        raise Unusable(Reason.NOT_AXIAL, f"(normal {np.round(normal, 2).tolist()})")
    where = places(frames)
    if where[-1] - where[0] > _LONGEST_MM:
        raise Unusable(Reason.NO_GEOMETRY, f"({where[-1] - where[0]:.0f} mm long)")
    lean = _lean(frames, where, normal)
    remarks = [*stack.remarks, *_remarks(frames)]
    grid, filled, uneven = _grid(where)
    remarks += uneven
    angle = math.degrees(math.atan(float(np.linalg.norm(lean))))
    upright = angle > _TILT_DEG
    middle = float(where.mean())
    row_mm, column_mm = frames[0].spacing
    # a first slice of the upright volume lies where the middle of the leaning one would have put it
    origin = np.array(frames[0].position) + (lean * (middle - where[0]) if upright else 0.0)
    if upright:
        remarks.append(Remark(Note.TILT, f"{angle:.1f} deg"))

    @lru_cache(maxsize=2)
    def straight(index: int) -> Slab:
        hu = stack.slices[index].hu
        if not upright:
            return hu
        move = lean * (where[index] - middle)
        return moved(hu, float(move @ along_rows) / row_mm, float(move @ along_columns) / column_mm)

    hu = _laid(straight, where, grid)
    step = float(grid[1] - grid[0])
    affine = np.eye(4)
    affine[:3, 0] = normal * step if upright else (normal + lean) * step
    affine[:3, 1] = along_rows * row_mm
    affine[:3, 2] = along_columns * column_mm
    affine[:3, 3] = origin
    return _canonical(Volume(hu, affine, frames, filled, tuple(dict.fromkeys(remarks))))


def _remarks(frames: tuple[Frame, ...]) -> list[Remark]:
    found = []
    if (count := len({frame.frame_of_reference for frame in frames})) > 1:
        found.append(Remark(Note.FRAMES_OF_REFERENCE, str(count)))
    if len({(frame.slope, frame.intercept) for frame in frames}) > 1:
        found.append(Remark(Note.RESCALE_VARIES))
    return found


def _lean(frames: tuple[Frame, ...], where: Matrix, normal: Matrix) -> Matrix:
    """(3,) mm sideways per mm along the normal, by least squares. Raises Unusable: no-extent, scattered-slices."""
    if where[-1] - where[0] < 0.1:
        raise Unusable(Reason.NO_EXTENT)
    up = where - where[0]
    positions = np.array([frame.position for frame in frames])
    sideways = positions - positions[0] - np.outer(up, normal)
    lean: Matrix = np.linalg.lstsq(up[:, None], sideways, rcond=None)[0][0]
    off = float(np.abs(sideways - np.outer(up, lean)).max())
    if off > _OFF_LINE_MM:
        raise Unusable(Reason.SCATTERED, f"({off:.1f} mm off)")
    return lean


def _grid(where: Matrix) -> tuple[Matrix, tuple[int, ...], list[Remark]]:
    """([slices] places of the even volume, indices that lie in gaps, remarks). Raises Unusable: gap, missing-slices."""
    steps = np.diff(where)
    nominal = float(np.median(steps))
    even = np.linspace(where[0], where[-1], len(where))
    if np.abs(steps - nominal).max() <= _UNEVEN * nominal and np.abs(where - even).max() <= _UNEVEN * nominal:
        return even, (), []
    widest = float(steps.max())
    if widest > _WIDEST_GAP_MM + 0.01:
        raise Unusable(Reason.GAP, f"({widest:.1f} mm)")
    multiples = np.round(steps / nominal)
    missing = int((multiples - 1).clip(0).sum())
    if missing and np.abs(steps / nominal - multiples).max() <= _UNEVEN:
        if multiples.max() - 1 > MOST_MISSING:
            raise Unusable(Reason.MISSING_SLICES, f"({int(multiples.max()) - 1} in a row)")
        remark = Remark(Note.INTERPOLATED, str(missing))
        grid = np.linspace(where[0], where[-1], len(where) + missing)
    else:
        if (where[-1] - where[0]) / nominal > 2 * len(where):
            # a few slices that lie apart among many that hardly do: most of the volume would be made up
            raise Unusable(Reason.GAP, f"({widest:.1f} mm)")
        remark = Remark(Note.SPACING, f"{steps.min():.2f}-{widest:.2f} mm")
        grid = np.arange(where[0], where[-1] + 1e-6, nominal)
    below = _below(grid, where)
    near = np.minimum(grid - where[below], where[below + 1] - grid) < _UNEVEN * nominal
    in_gap = (steps[below] > 1.5 * nominal) & ~near
    return grid, tuple(np.flatnonzero(in_gap).tolist()), [remark]


def _below(grid: Matrix, where: Matrix) -> NDArray[np.intp]:
    """[grid] index of the slice at or below each place, never the last one."""
    return np.clip(np.searchsorted(where, grid + 1e-6, side="right") - 1, 0, len(where) - 2)


def _laid(straight: Callable[[int], Slab], where: Matrix, grid: Matrix) -> NDArray[np.int16]:
    """[grid, rows, columns]: each slice from those above and below it."""
    hu = np.empty((len(grid), *straight(0).shape), np.int16)
    for index, (low, place) in enumerate(zip(_below(grid, where).tolist(), grid.tolist(), strict=True)):
        share = (place - where[low]) / (where[low + 1] - where[low])
        if share < _UNEVEN or share > 1 - _UNEVEN:
            hu[index] = straight(low + round(share))
        else:
            mixed = straight(low) * np.float32(1 - share) + straight(low + 1) * np.float32(share)
            hu[index] = np.rint(mixed)
    return hu


def moved(hu: NDArray[np.int16], rows: float, columns: float) -> NDArray[np.int16]:
    """The image shifted by fractions of a pixel, linear; air comes in from outside."""
    found = hu
    for axis, shift in ((0, rows), (1, columns)):
        whole = math.floor(shift)
        share = np.float32(shift - whole)
        near = _rolled(found, whole, axis)
        if share > 1e-4:
            near = np.rint(near * (1 - share) + _rolled(found, whole + 1, axis) * share).astype(np.int16)
        found = near
    return found


def _rolled(hu: NDArray[np.int16], by: int, axis: int) -> NDArray[np.int16]:
    size = hu.shape[axis]
    out = np.full_like(hu, AIR)
    if abs(by) < size:
        to, come = slice(max(by, 0), size + min(by, 0)), slice(max(-by, 0), size - max(by, 0))
        if axis == 0:
            out[to] = hu[come]
        else:
            out[:, to] = hu[:, come]
    return out


def _canonical(volume: Volume) -> Volume:
    """Rows to the back, columns to the left, by views: images of prone or turned patients read like all others."""
    hu, affine = volume.hu, volume.affine.copy()
    if abs(affine[0, 1]) > abs(affine[1, 1]):  # rows run across the body
        hu = hu.transpose(0, 2, 1)
        affine[:, [1, 2]] = affine[:, [2, 1]]
    for axis, towards in ((1, 1), (2, 0)):
        if affine[towards, axis] < 0:
            hu = np.flip(hu, axis)
            affine[:3, 3] += affine[:3, axis] * (hu.shape[axis] - 1)
            affine[:3, axis] *= -1
    return replace(volume, hu=hu, affine=affine)
