"""A real CT from Orthanc through the worker and back: SEG and SR, read by others, lie in millimetres on what was seen.

The test's network calls a lesion whatever is brighter than 100 HU, so what it must outline is known from the source.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from ct_samples import folder, needs_samples
from ct_series import stored
from dicom_checks import complaints
from dicom_standard import faults
from highdicom.sr import srread
from numpy.typing import NDArray
from orthanc import Orthanc
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from study_archive import SEG, SR, at_orthanc, objects
from study_house import Build, House
from study_scene import STUDY, graph, manifest

pytestmark = [pytest.mark.system, needs_samples]
BRIGHT_HU = 100.0


@pytest.fixture
def source() -> list[Dataset]:
    """Its anonymiser emptied every name, and no archive takes a nameless image. Where it lies is untouched."""
    found = [pydicom.dcmread(path) for path in sorted(folder("upper_abdomen_contrast").glob("CT.*"))]
    for ds in found:
        ds.SOPClassUID, ds.SOPInstanceUID = (
            ds.file_meta.MediaStorageSOPClassUID,
            ds.file_meta.MediaStorageSOPInstanceUID,
        )
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.StudyID, ds.PatientID = STUDY, f"{STUDY}.1", "1", "SAMPLE"
    return found


@pytest.fixture
def house(build: Build, orthanc: Orthanc, source: list[Dataset]) -> House:
    orthanc.store(stored(ds) for ds in source)
    [stage] = manifest(sha256=hashlib.sha256(graph()).hexdigest())["runtime"]["volume"]["stages"]
    model = {
        "stages": [stage | {"spacing": [2.0, 4.0, 4.0]}],
        # the sample is four centimetres long
        "studies": {"shortest_mm": 30.0},
    }
    return build(model=model, pacs=at_orthanc(orthanc), imaging={"write_pacs": True})


def hu(ds: Dataset) -> NDArray[np.float64]:
    return np.asarray(ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept))


def places(plane: Dataset, rows: int, columns: int) -> NDArray[np.float64]:
    """[rows, columns, 3] mm of each pixel's centre (PS3.3 C.7.6.2.1.1)."""
    along, down = np.array(plane.ImageOrientationPatient, float).reshape(2, 3)
    apart_down, apart_along = (float(mm) for mm in plane.PixelSpacing)
    r, c = np.mgrid[:rows, :columns]
    corner = np.array(plane.ImagePositionPatient, float)
    return np.asarray(corner + c[..., None] * apart_along * along + r[..., None] * apart_down * down)


def test_a_real_scan_is_assessed_and_its_outline_lies_on_the_source(
    house: House, orthanc: Orthanc, source: list[Dataset]
) -> None:
    house.ask(why="hand")
    job = house.work()
    assert job is not None and job.state == "done" and job.result is not None, job
    assert job.result["outcome"] == "assessed", job.result
    made = objects(orthanc)
    seg = hd.seg.Segmentation.from_dataset(made[SEG])
    shared = seg.SharedFunctionalGroupsSequence[0]
    by_uid = {str(ds.SOPInstanceUID): ds for ds in source}
    outlined: dict[int, list[NDArray[np.float64]]] = {}
    bright, mirrored = [], []
    for item, layer in zip(seg.PerFrameFunctionalGroupsSequence, seg.pixel_array, strict=True):
        image = by_uid[str(item.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID)]
        plane = Dataset()
        plane.ImagePositionPatient = item.PlanePositionSequence[0].ImagePositionPatient
        plane.ImageOrientationPatient = shared.PlaneOrientationSequence[0].ImageOrientationPatient
        plane.PixelSpacing = shared.PixelMeasuresSequence[0].PixelSpacing
        own, real = places(plane, *layer.shape), places(image, image.Rows, image.Columns)
        assert np.abs(own - real).max() < 0.01, "mm"
        number = int(item.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        outlined.setdefault(number, []).append(own[layer > 0])
        bright.append(hu(image)[layer > 0])
        mirrored.append(hu(image)[:, ::-1][layer > 0])
    # outlined is what is bright in the source, and it would not be were left and right exchanged
    assert np.median(np.concatenate(bright)) > BRIGHT_HU
    assert (np.concatenate(bright) > BRIGHT_HU / 2).mean() > 0.8
    assert (np.concatenate(mirrored) > BRIGHT_HU / 2).mean() < 0.6
    centres = np.array([np.concatenate(points).mean(axis=0) for points in outlined.values()])
    for lesion in job.result["findings"]["lesions"]:
        assert np.linalg.norm(centres - lesion["position"], axis=1).min() < 4.0


def test_the_report_and_the_outline_agree_on_volumes_for_a_reader_of_its_own(
    house: House,
    orthanc: Orthanc,
    source: list[Dataset],
) -> None:
    house.ask(why="hand")
    house.work()
    made = objects(orthanc)
    seg = hd.seg.Segmentation.from_dataset(made[SEG])
    along, across = (float(mm) for mm in seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing)
    apart = abs(float(source[1].ImagePositionPatient[2]) - float(source[0].ImagePositionPatient[2]))
    ml: dict[str, float] = {}
    for number in seg.segment_numbers:
        frames = [
            layer
            for item, layer in zip(seg.PerFrameFunctionalGroupsSequence, seg.pixel_array, strict=True)
            if item.SegmentIdentificationSequence[0].ReferencedSegmentNumber == number
        ]
        uid = str(seg.get_segment_description(number).tracking_uid)
        ml[uid] = sum(int(layer.sum()) for layer in frames) * along * across * apart / 1000
    groups = srread(_bytes(made[SR])).content.get_volumetric_roi_measurement_groups()
    assert groups
    for group in groups:
        said = [m for m in group.get_measurements() if m.name.value == "118565006"]
        assert said and float(said[0].value) == pytest.approx(ml[str(group.tracking_uid)], rel=0.25, abs=0.2)


@pytest.mark.parametrize("kind", [SEG, SR])
def test_what_came_back_is_as_the_standard_says(house: House, orthanc: Orthanc, kind: str, tmp_path: Path) -> None:
    house.ask(why="hand")
    house.work()
    content = _bytes(objects(orthanc)[kind]).getvalue()
    assert faults(content, tmp_path) == []
    said = complaints(content, tmp_path)
    # the source's own code of the procedure, passed on as it was
    assert [complaint for complaint in said if "<SECTRA>" not in complaint] == []


def _bytes(ds: Dataset) -> DicomBytesIO:
    content = DicomBytesIO()
    pydicom.dcmwrite(content, ds, enforce_file_format=True)
    content.seek(0)
    return content
