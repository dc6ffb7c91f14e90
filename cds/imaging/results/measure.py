"""Findings in units: lesions, organ, duct and contact with vessels, measured on the network's own grid.

The grid's voxels are where the outlines were drawn; the labels on the source's slices are the same outlines, sampled.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cds.imaging.frames import Frame
from cds.imaging.geometry import directions
from cds.imaging.results.author import Author
from cds.imaging.results.findings import Contact, Findings, Lesion, Point
from cds.imaging.results.geometry import grid_affine
from cds.imaging.results.uids import Uids
from cds.imaging.volume import Matrix, Volume
from cds.inference.volumes.analyse import Assessed
from cds.inference.volumes.bundle import Bundle
from cds.inference.volumes.candidates import Candidate, longest_in_slice
from cds.inference.volumes.grid import Grid

Mask = NDArray[np.bool_]
_FINER = 4
"""Parts of a voxel to which a duct's edge is interpolated."""
_SPECK_VOXELS = 10
_SHORTEST_OUTLINE = 4
"""Voxels of a vessel's outline in a slice below which a share of it means nothing."""


def measured(
    assessed: Assessed,
    volume: Volume,
    bundle: Bundle,
    author: Author,
    *,
    study_uid: str,
    series_uid: str,
    scanned: str = "",
) -> Findings:
    """``scanned``: day of the scan, YYYYMMDD."""
    affine, legend = grid_affine(assessed, volume), bundle.legend
    uids = Uids.of((frame.sop_uid for frame in volume.frames), author.sha256, author.version)
    organ = _mask(assessed, (*legend.named("organ"), *legend.named("duct"))) if legend.named("organ") else None
    anchor = _centre(organ if organ is not None and organ.any() else np.ones(assessed.grid.shape, bool), affine)
    vessels = {name: mask for name in legend.named("vessel") if (mask := _mask(assessed, (name,))).any()}
    lesions = [
        _lesion(number, candidate, assessed.grid, affine, volume.frames, bundle, uids, anchor, vessels)
        for number, candidate in enumerate(assessed.found.candidates, start=1)
    ]
    ducts = legend.named("duct")
    return Findings(
        study_uid=study_uid,
        series_uid=series_uid,
        scanned=scanned,
        model=author.model,
        version=author.version,
        sha256=author.sha256,
        category=assessed.category,
        likelihood=assessed.likelihood,
        lesions=tuple(lesions),
        organ_ml=float(organ.sum()) * assessed.grid.voxel_ml if organ is not None else None,
        duct_mm=max(duct_width(assessed, name) for name in ducts) if ducts else None,
        slice_mm=volume.spacing[0],
        contacts_assessed=tuple(vessels),
        cut_off=assessed.cut_off,
    )


def _lesion(
    number: int,
    candidate: Candidate,
    grid: Grid,
    affine: Matrix,
    frames: Sequence[Frame],
    bundle: Bundle,
    uids: Uids,
    anchor: Matrix,
    vessels: dict[str, Mask],
) -> Lesion:
    centre = _world(affine, candidate.centre)
    layers = np.flatnonzero(candidate.mask.any(axis=(1, 2)))
    longest = max(layers, key=lambda z: longest_in_slice(candidate.mask[z : z + 1], grid))
    frame = _nearest(frames, _world(affine, (float(longest), *candidate.centre[1:])))
    touched = [Contact(name, degrees) for name, mask in vessels.items() if (degrees := contact(candidate.mask, mask))]
    return Lesion(
        number=number,
        likelihood=candidate.likelihood,
        category=bundle.category(bundle.likelihood_of(candidate.likelihood)),
        position=_point(centre),
        offset=_point(centre - anchor),
        volume_ml=float(candidate.mask.sum()) * grid.voxel_ml,
        longest_mm=longest_in_slice(candidate.mask, grid),
        slice_uid=frame.sop_uid,
        frame=frame.number,
        tracking_uid=uids.uid(f"lesion-{number}"),
        tracking_id=f"Lesion {uids.id('lesions')[:6]}-{number}",
        contacts=tuple(touched),
    )


def duct_width(assessed: Assessed, name: str) -> float:
    """mm: diameter of the largest circle that fits into the class in one slice; 0 where the class is nowhere.

    A duct is a few voxels wide, so its edge is taken where its probability meets that of its strongest rival,
    interpolated between voxels; whole voxels would be off by one.
    """
    index = assessed.classes.index(name)
    labels, count = ndimage.label(assessed.chances.argmax(axis=0) == index, np.ones((3, 3, 3), bool))
    if not count:
        return 0.0
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    kept = np.isin(labels, np.flatnonzero(sizes > _SPECK_VOXELS))
    widest = 0.0
    spacing = [mm / _FINER for mm in assessed.grid.spacing[1:]]
    for z in np.flatnonzero(kept.any(axis=(1, 2))):
        rows, columns = (np.flatnonzero(kept[z].any(axis=axis)) for axis in (1, 0))
        near = (slice(max(0, rows[0] - 2), rows[-1] + 3), slice(max(0, columns[0] - 2), columns[-1] + 3))
        chances = assessed.chances[:, z][(slice(None), *near)]
        lead = chances[index] - np.delete(chances, index, axis=0).max(axis=0)
        lead = np.where(ndimage.binary_dilation(kept[z][near], iterations=2), lead, -1.0)
        inside = np.pad(ndimage.zoom(lead, _FINER, order=1, grid_mode=True, mode="nearest") > 0, 1)
        depth = float(ndimage.distance_transform_edt(inside, sampling=spacing).max())
        widest = max(widest, 2 * depth - float(np.mean(spacing)))
    return widest


def contact(lesion: Mask, vessel: Mask) -> int:
    """Degrees of 360, to 10: of a vessel's outline in one slice the share that touches the lesion, the largest."""
    largest = 0.0
    cross = ndimage.generate_binary_structure(2, 1)
    for z in np.flatnonzero(lesion.any(axis=(1, 2)) & vessel.any(axis=(1, 2))):
        beside = ndimage.binary_dilation(lesion[z], cross)
        labels, count = ndimage.label(vessel[z])
        for number in range(1, count + 1):
            own = labels == number
            outline = own & ~ndimage.binary_erosion(own, cross)
            if int(outline.sum()) >= _SHORTEST_OUTLINE:
                largest = max(largest, float((outline & beside).sum() / outline.sum()))
    return round(largest * 36) * 10


def _mask(assessed: Assessed, names: Sequence[str]) -> Mask:
    wanted = [assessed.classes.index(name) for name in names if name in assessed.classes]
    return np.asarray(np.isin(assessed.chances.argmax(axis=0), wanted))


def _centre(mask: Mask, affine: Matrix) -> Matrix:
    z, y, x = ndimage.center_of_mass(mask)
    return _world(affine, (z, y, x))


def _world(affine: Matrix, index: Sequence[float]) -> Matrix:
    found: Matrix = (affine @ [*index, 1.0])[:3]
    return found


def _point(at: Matrix) -> Point:
    """To a hundredth of a millimetre: more is noise."""
    x, y, z = (round(float(v), 2) for v in at)
    return x, y, z


def _nearest(frames: Sequence[Frame], place: Matrix) -> Frame:
    normal = directions(frames[0])[2]
    return min(frames, key=lambda frame: abs(float((np.asarray(frame.position) - place) @ normal)))
