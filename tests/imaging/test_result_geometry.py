"""Outlines lie where the anatomy lies: in the patient's millimetres, whatever the slices' direction and spacing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import highdicom as hd
import numpy as np
import pytest
from ct_findings import (
    AT,
    AUTHOR,
    CLASSES,
    DEMO,
    LESION,
    RADIUS,
    Scan,
    bundle,
    feet_first_prone,
    leaning,
    places,
    scan,
    scene,
    turned,
    upright,
)
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO

from cds.imaging.results.geometry import Segments, grid_affine, segments
from cds.imaging.results.measure import measured
from cds.imaging.results.objects import encoded
from cds.imaging.results.seg import segmentation
from cds.imaging.results.source import source

SERIES: dict[str, Callable[[], list[Dataset]]] = {
    "upright": upright,
    "turned about two axes": turned,
    "tilted gantry": leaning,
    "feet first, prone": feet_first_prone,
}


def points_of(found: Segments, one: Scan, number: int) -> NDArray[np.float64]:
    """[n, 3] mm of a segment's voxel centres, from the source's own headers."""
    by_uid = {str(ds.SOPInstanceUID): ds for ds in one.datasets}
    frames = one.volume.frames[found.first : found.first + len(found.labels)]
    return np.concatenate(
        [places(by_uid[f.sop_uid])[layer == number] for f, layer in zip(frames, found.labels, strict=True)]
    )


def truth(one: Scan, name: str) -> NDArray[np.float64]:
    shapes, taken, found = scene(), None, []
    for ds in one.datasets:
        points = places(ds)
        taken = np.zeros(points.shape[:-1], bool)
        for key, shape in shapes.items():
            if key == name:
                found.append(points[shape(points) & ~taken])
                break
            taken |= shape(points)
    return np.concatenate(found)


@pytest.fixture(scope="module", params=SERIES, ids=str)
def seen(request: pytest.FixtureRequest) -> Scan:
    return scan(datasets=SERIES[request.param]())


@pytest.fixture(scope="module")
def labelled(seen: Scan) -> Segments:
    return segments(seen.assessed, seen.volume, bundle().legend)


def test_each_structure_lies_where_it_was_painted(seen: Scan, labelled: Segments) -> None:
    assert labelled.structures == ("gland", "duct", "artery")
    for number, name in enumerate((*labelled.structures, "lesion"), start=1):
        own, real = points_of(labelled, seen, number), truth(seen, name)
        # the gland and the duct have the lesion cut out, so their own middle is compared, not the shape's
        assert np.linalg.norm(own.mean(axis=0) - real.mean(axis=0)) < 0.8, name


def test_the_outline_of_a_sphere_is_off_by_less_than_a_voxel(seen: Scan, labelled: Segments) -> None:
    own = points_of(labelled, seen, labelled.of_lesion(0))
    apart = np.linalg.norm(own - LESION, axis=1)
    assert apart.max() < RADIUS + 2.0
    assert len(own) * 2.0**3 == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.12)


def test_an_independent_reader_finds_the_segment_at_the_same_place(seen: Scan, labelled: Segments) -> None:
    """highdicom's own volume geometry, in LPS, from nothing but the stored bytes."""
    legend = bundle().legend
    findings = measured(
        seen.assessed, seen.volume, bundle(), AUTHOR, study_uid=seen.study_uid, series_uid=seen.series_uid
    )
    headers = source(seen.datasets, seen.volume.frames, seen.study_uid, seen.series_uid)
    made = segmentation(labelled, findings, headers, seen.volume.frames, legend, AUTHOR, DEMO, AT)
    assert made is not None
    read = hd.seg.Segmentation.from_dataset(dcmread(DicomBytesIO(encoded(made))))
    number = read.get_segment_numbers(tracking_uid=findings.lesions[0].tracking_uid)[0]
    own = []
    for item, layer in zip(read.PerFrameFunctionalGroupsSequence, np.atleast_3d(read.pixel_array), strict=True):
        if item.SegmentIdentificationSequence[0].ReferencedSegmentNumber != number:
            continue
        shared = read.SharedFunctionalGroupsSequence[0]
        plane = Dataset()
        plane.ImagePositionPatient = item.PlanePositionSequence[0].ImagePositionPatient
        plane.ImageOrientationPatient = shared.PlaneOrientationSequence[0].ImageOrientationPatient
        plane.PixelSpacing = shared.PixelMeasuresSequence[0].PixelSpacing
        plane.Rows, plane.Columns = read.Rows, read.Columns
        own.append(places(plane)[layer > 0])
    centre = np.concatenate(own).mean(axis=0)
    assert np.linalg.norm(centre - LESION) < 0.5
    # each frame names the very slice it lies on
    by_uid = {str(ds.SOPInstanceUID): ds for ds in seen.datasets}
    for item in read.PerFrameFunctionalGroupsSequence:
        image = item.DerivationImageSequence[0].SourceImageSequence[0]
        named = by_uid[str(image.ReferencedSOPInstanceUID)]
        own_place = item.PlanePositionSequence[0].ImagePositionPatient
        assert np.allclose(np.array(own_place, float), np.array(named.ImagePositionPatient, float), atol=1e-4)


@pytest.mark.parametrize("align", ["corner", "centre"])
@pytest.mark.parametrize("spacing", [(3.3, 1.1, 1.7), (1.0, 3.1, 2.9), (2.0, 2.0, 2.0)])
def test_no_spacing_and_no_alignment_moves_anything(align: str, spacing: tuple[float, float, float]) -> None:
    one = scan(spacing=spacing, align=align)
    # where the probabilities themselves lie: no outline, no rounding to voxels
    lesion = one.assessed.chances[CLASSES.index("lesion")].astype(np.float64)
    middle = [float((lesion.sum(axis=tuple({0, 1, 2} - {k})) * np.arange(lesion.shape[k])).sum()) for k in range(3)]
    centre = grid_affine(one.assessed, one.volume) @ [*(np.array(middle) / lesion.sum()), 1]
    assert np.linalg.norm(centre[:3] - LESION) < 0.25
    found = segments(one.assessed, one.volume, bundle().legend)
    # an outline is off by what a voxel of grid and source allow
    outlined = points_of(found, one, found.of_lesion(0)).mean(axis=0)
    assert (np.abs(outlined - LESION) < np.maximum(spacing, 2.0)[::-1] / 3).all()


def test_a_candidate_smaller_than_the_slices_are_apart_does_not_vanish() -> None:
    thick = scan(datasets=upright(36))
    lesion = thick.assessed.found.candidates[0].mask
    z, y, x = np.argwhere(lesion)[len(np.argwhere(lesion)) // 2]
    tiny = np.zeros_like(lesion)
    tiny[z, y, x] = True
    candidate = thick.assessed.found.candidates[0].__class__(0.5, 1, 0.004, 1.3, (z, y, x), tiny)
    found = thick.assessed.found.__class__(0.5, (candidate,), thick.assessed.found.map)
    one = thick.assessed.__class__(**{**thick.assessed.__dict__, "found": found})
    labelled = segments(one, thick.volume, bundle().legend)
    assert (labelled.labels == labelled.of_lesion(0)).sum() == 1


def test_classes_without_a_legend_are_not_outlined() -> None:
    one = scan()
    found = segments(one.assessed, one.volume, bundle(legend=False).legend)
    assert (found.structures, found.lesions) == ((), 1)
    assert set(np.unique(found.labels)) == {0, 1}


def test_nothing_found_is_no_outline() -> None:
    one = scan(None)
    found = segments(one.assessed, one.volume, bundle(legend=False).legend)
    assert found.labels.size == 0


def test_what_headers_round_moves_no_outline() -> None:
    one = scan()
    askew = [
        replace(frame, orientation=(1.0, 0.0019, 0.0, -0.0019, 1.0, 0.0), spacing=(2.0035, 2.0035)) if n else frame
        for n, frame in enumerate(one.volume.frames)
    ]
    found = segments(one.assessed, replace(one.volume, frames=tuple(askew)), bundle().legend)
    same = np.array_equal(found.labels, segments(one.assessed, one.volume, bundle().legend).labels)
    assert same, "the volume took the slices pixel on pixel"
