"""Patients whose story is in their images: generated CT studies, what a reader should find in each, and their records.

The bodies are phantoms of the demonstration network's own folder, made anew from a seed; no image of a person is near.
Seeds were chosen so that the network's answer on each is the one that the story is about.
"""

from __future__ import annotations

import importlib.util
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from cds.inference.registry import installed_folders
from hooks.stories.build import build
from hooks.stories.chart import Resource
from hooks.stories.story import Story

MODEL = "pancreas-ct-demo"
DESCRIPTION = "CT abdomen with contrast, generated phantom"
_INTERCEPT = -1024
_ORIGIN_MM = (-176.0, -176.0, -600.0)


@dataclass(frozen=True)
class Scan:
    """One CT study."""

    day: int
    """Days before today, negative."""
    seed: int
    lesion_mm: float | None = None
    """Radius; None: nothing to find."""
    pancreas: bool = True
    """False: another part of the body, under a name that promises the abdomen."""


@dataclass(frozen=True)
class Imaged:
    """A patient, the scans, the newest last, and what the card must then say."""

    story: Story
    scans: tuple[Scan, ...]
    tells: tuple[str, ...]
    """Words, in English, that the card holds once the newest scan has been dealt with; ``{day}`` is its day."""
    report: tuple[str, ...] = ()
    """Codes that the newest scan's structured report in the archive then holds."""
    stored: bool = True
    """Whether results come to lie beside the scan in the archive."""
    later: bool = False
    """The newest scan is not made yet when the demonstration begins."""


IMAGED: tuple[Imaged, ...] = (
    Imaged(
        Story(
            id="phantom-mass",
            given="Petra",
            age=66,
            sex="female",
            tells="Generated CT of the abdomen, not yet reported: a mass in the gland with a wide duct behind it.",
            height=167,
            studies="ct-abdomen@-1",
        ),
        (Scan(-1, 30, lesion_mm=12.0),),
        ("DEMONSTRATION", "Suspicion: high", "Read: the scan of {day}"),
        report=("SUSP_HIGH",),
    ),
    Imaged(
        Story(
            id="phantom-clear",
            given="Paul",
            age=58,
            sex="male",
            tells="Generated CT of the abdomen for pain that has gone: nothing to find, which is no reassurance.",
            height=182,
            studies="ct-abdomen@-2",
        ),
        (Scan(-2, 26),),
        ("DEMONSTRATION", "Suspicion: low", "Read: the scan of {day}"),
        report=("SUSP_LOW",),
    ),
    Imaged(
        Story(
            id="phantom-elsewhere",
            given="Els",
            age=71,
            sex="female",
            tells="Booked as CT of the abdomen, yet the gland is not in view: the answer is that there is none.",
            height=160,
            studies="ct-abdomen@-1",
        ),
        (Scan(-1, 23, pancreas=False),),
        ("DEMONSTRATION", "Could not be assessed", "That is no reassurance"),
        stored=False,
    ),
    Imaged(
        Story(
            id="phantom-response",
            given="Roos",
            age=63,
            sex="female",
            tells="Two generated CTs, before and after eight weeks of treatment: the mass has become smaller.",
            height=171,
            studies="ct-abdomen@-59 ct-abdomen@-3",
        ),
        (Scan(-59, 64, lesion_mm=18.0), Scan(-3, 64, lesion_mm=10.0)),
        ("DEMONSTRATION", "Suspicion: high", "Read: the scan of {day}", "RECIST 1.1: partial response"),
        report=("AI_PR",),
    ),
    Imaged(
        Story(
            id="phantom-today",
            given="Tom",
            age=69,
            sex="male",
            tells="On the table for his CT now: let the scanner send it, and watch the card go from waiting to read.",
            height=178,
            studies="ct-abdomen@0",
        ),
        (Scan(0, 43, lesion_mm=15.0),),
        ("DEMONSTRATION", "Suspicion: high", "Read: the scan of {day}"),
        report=("SUSP_HIGH",),
        later=True,
    ),
)


def record(imaged: Imaged, today: date) -> list[Resource]:
    """The patient's FHIR resources, all scans included, Patient first."""
    resources = build(imaged.story, today)
    for scan in imaged.scans:
        study = study_of(resources, scan, today)
        study["description"] = DESCRIPTION
        study["numberOfSeries"], study["numberOfInstances"] = 1, _phantom().SHAPE[0]
        for series in study["series"]:
            series |= {"description": DESCRIPTION, "numberOfInstances": _phantom().SHAPE[0]}
    return resources


def study_of(resources: list[Resource], scan: Scan, today: date) -> Resource:
    """The ImagingStudy resource of that scan."""
    day = (today + timedelta(days=scan.day)).isoformat()
    return next(
        r
        for r in resources
        if r["resourceType"] == "ImagingStudy" and r["started"].startswith(day) and r["status"] == "available"
    )


def study_uid(study: Resource) -> str:
    return str(study["identifier"][0]["value"]).removeprefix("urn:oid:")


def instances(imaged: Imaged, scan: Scan, today: date) -> Iterator[bytes]:
    """The study as a scanner would send it: one portal venous series, uncompressed, feet to head."""
    patient, study = build(imaged.story, today)[0], study_of(build(imaged.story, today), scan, today)
    made = _phantom().make(
        scan.seed, lesion=scan.lesion_mm is not None, lesion_mm=scan.lesion_mm, pancreas=scan.pancreas
    )
    for number, hu in enumerate(made.ct, start=1):
        yield _file(_slice(patient, study, number, hu, made.spacing))


def _slice(
    patient: Resource, study: Resource, number: int, hu: NDArray[np.int16], spacing: tuple[float, float, float]
) -> Dataset:
    uid, stamp = study_uid(study), str(study["started"])
    day, time = stamp[:10].replace("-", ""), stamp[11:19].replace(":", "")
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, f"{uid}.1.{number}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = uid, f"{uid}.1", f"{uid}.2"
    name = patient["name"][0]
    ds.PatientName, ds.PatientID = f"{name['family']}^{name['given'][0]}", patient["id"]
    ds.PatientBirthDate, ds.PatientSex = patient["birthDate"].replace("-", ""), patient["gender"][0].upper()
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = day
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = time
    ds.StudyID, ds.AccessionNumber, ds.ReferringPhysicianName = "1", study["id"][-16:], ""
    ds.Modality, ds.Manufacturer, ds.ManufacturerModelName = "CT", "Generated", "Phantom"
    ds.ImageType, ds.BurnedInAnnotation = ["ORIGINAL", "PRIMARY", "AXIAL"], "NO"
    ds.StudyDescription, ds.SeriesDescription = DESCRIPTION, "Portal venous 3.0"
    ds.BodyPartExamined, ds.ContrastBolusAgent, ds.KVP = "ABDOMEN", "none: generated", "120"
    ds.PatientPosition, ds.PositionReferenceIndicator, ds.ConvolutionKernel = "HFS", "", "B30f"
    ds.SeriesNumber, ds.AcquisitionNumber, ds.InstanceNumber = 2, 1, number
    ds.SliceThickness, ds.PixelSpacing = spacing[0], [spacing[1], spacing[2]]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.ImagePositionPatient = [_ORIGIN_MM[0], _ORIGIN_MM[1], _ORIGIN_MM[2] + spacing[0] * (number - 1)]
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = _INTERCEPT, 1, "HU"
    ds.WindowCenter, ds.WindowWidth = 60, 400
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = hu.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.add_new("PixelData", "OW", np.clip(hu.astype(np.int32) - _INTERCEPT, 0, 4095).astype("<u2").tobytes())
    return ds


def _file(ds: Dataset) -> bytes:
    """DICOM PS3.10."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    out = io.BytesIO()
    dcmwrite(out, ds, enforce_file_format=True)
    return out.getvalue()


@cache
def _phantom() -> Any:
    """The generator of the demonstration network's folder. Raises FileNotFoundError where that is not installed."""
    for folder in installed_folders():
        path = folder / MODEL / "phantom.py"
        if path.exists():
            spec = importlib.util.spec_from_file_location("pancreas_ct_phantom", path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = module  # its dataclasses look themselves up there
            spec.loader.exec_module(module)
            return module
    raise FileNotFoundError(f"{MODEL}/phantom.py is in no installed models folder")
