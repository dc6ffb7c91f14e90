"""From a lesion's probability map to candidates and one number for the patient.

Two ways, both of DIAGNijmegen/Report-Guided-Annotation. ``peaks`` (its "dynamic"): the highest peak, everything
connected that reaches a share of it, then the next peak outside. ``one-threshold`` (its "dynamic-fast", what the
container of DIAGNijmegen/PANORAMA_baseline, a950447, uses): that share of the highest peak cuts the whole map into
parts. A map of zeros gives no candidate and the likelihood 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cds.inference.volumes.bundle import Likelihood
from cds.inference.volumes.grid import Grid, bounding_box

Array = NDArray[np.float32]
_NEIGHBOURS = np.ones((3, 3, 3), bool)


@dataclass(frozen=True)
class Candidate:
    likelihood: float
    """The highest probability within it."""
    voxels: int
    volume_ml: float
    longest_mm: float
    """Greatest distance between two of its voxels in one slice, as RECIST measures."""
    centre: tuple[float, float, float]
    """z y x, in voxels of the map's grid."""
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class Found:
    likelihood: float
    candidates: tuple[Candidate, ...]
    """The likeliest first."""
    map: Array
    """The lesion's probability where lesions may lie, else 0."""


def find(chances: Array, classes: tuple[str, ...], rule: Likelihood, grid: Grid) -> Found:
    """``chances`` [classes, z, y, x] on ``grid``."""
    lesion = chances[classes.index(rule.of)]
    if rule.within:
        winners = chances.argmax(axis=0)
        own = np.isin(winners, [classes.index(name) for name in rule.within])
        # what binary dilation by such a block gives, an axis at a time and so in an eighth of the time
        near = ndimage.grey_dilation(own, rule.dilate, mode="constant", cval=0)
        lesion = np.where(near, lesion, 0.0)
    lesion = np.asarray(lesion, dtype=np.float32)
    way = _candidates if rule.way == "peaks" else _parts
    candidates = tuple(way(lesion, rule, grid))
    return Found(max((c.likelihood for c in candidates), default=0.0), candidates, lesion)


def _candidates(lesion: Array, rule: Likelihood, grid: Grid) -> list[Candidate]:
    # no peak and nothing that belongs to one lies below this, and a search costs as much as the part it looks through
    high = lesion > rule.lowest / rule.divide
    if not high.any():
        return []
    box = bounding_box(high)
    left = lesion[box].copy()
    beside = np.zeros(left.shape, bool)
    found: list[Candidate] = []
    while len(found) < rule.most:
        peak = float(left.max(initial=0.0))
        if peak < rule.lowest or peak <= 0:
            break
        labels, _ = ndimage.label(left > peak / rule.divide, _NEIGHBOURS)
        own = labels == labels[np.unravel_index(int(left.argmax()), left.shape)]
        left[own] = 0
        voxels = int(own.sum())
        # what touches a candidate is its faint rim; so does the published extraction see it
        if voxels > rule.smallest_voxels and not (own & beside).any():
            whole = np.zeros(lesion.shape, bool)
            whole[box] = own
            found.append(_measured(whole, peak, voxels, grid))
            beside |= ndimage.binary_dilation(own, _NEIGHBOURS)
    return found


def _parts(lesion: Array, rule: Likelihood, grid: Grid) -> list[Candidate]:
    peak = float(lesion.max(initial=0.0))
    if peak <= 0:
        return []
    labels, _ = ndimage.label(lesion >= np.float32(peak / rule.divide), _NEIGHBOURS)
    sizes = np.bincount(labels.ravel())
    tops = np.zeros(len(sizes), np.float32)
    np.maximum.at(tops, labels.ravel(), lesion.ravel())
    large = [n for n in range(1, len(sizes)) if sizes[n] > rule.smallest_voxels and tops[n] >= rule.lowest]
    large.sort(key=lambda n: -float(tops[n]))
    return [_measured(labels == n, float(tops[n]), int(sizes[n]), grid) for n in large[: rule.most]]


def _measured(mask: NDArray[np.bool_], peak: float, voxels: int, grid: Grid) -> Candidate:
    z, y, x = ndimage.center_of_mass(mask)
    return Candidate(peak, voxels, voxels * grid.voxel_ml, longest_in_slice(mask, grid), (z, y, x), mask)


def longest_in_slice(mask: NDArray[np.bool_], grid: Grid) -> float:
    """mm between the outer edges of the two voxels of one axial slice that are furthest apart; 0 for an empty mask."""
    longest = 0.0
    for layer in mask[mask.any(axis=(1, 2))]:
        edge = layer & ~ndimage.binary_erosion(layer)
        points = np.argwhere(edge) * np.asarray(grid.spacing[1:])
        if len(points) * float(np.hypot(*np.ptp(points, axis=0))) == 0:
            longest = max(longest, float(max(grid.spacing[1:])))
            continue
        apart = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
        longest = max(longest, float(apart.max()) + float(np.mean(grid.spacing[1:])))
    return longest
