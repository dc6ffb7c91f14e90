"""Generated CT: a body with organs, its slices as DICOM datasets, and the bytes a PACS would store.

``phantom()`` gives HU, ``slices_of(hu)`` the datasets of a well-made series, which a test then spoils; ``stored(ds)``
the bytes. Nothing here comes from a patient.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    HTJ2K,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

PATIENT = "GENERATED-1"
HU = NDArray[np.int16]
# HU of (liver, spleen and kidney, aorta, portal vein) by phase; muscle, fat and bone hardly change
ENHANCEMENT = {
    "native": (55, 45, 40, 40),
    "arterial": (70, 120, 320, 90),
    "portal": (110, 125, 150, 170),
    "delayed": (90, 100, 105, 105),
}


def phantom(
    slices: int = 20, size: int = 64, phase: str = "portal", noise: float = 8.0, seed: int = 1, wide_mm: float = 340.0
) -> HU:
    """[slices, size, size] HU: air, an elliptic body with fat, muscle, spine, liver, spleen, kidneys, aorta, vein."""
    rng = np.random.default_rng(seed)
    liver, organ, aorta, portal = ENHANCEMENT[phase]
    y, x = np.mgrid[:size, :size] * (400.0 / size) - 200.0
    y, x = y * wide_mm / 340.0, x * wide_mm / 340.0
    hu = np.full((slices, size, size), -1000.0, np.float32)
    for z in range(slices):
        t = z / max(1, slices - 1) - 0.5

        def blob(cx: float, cy: float, rx: float, ry: float, t: float = t) -> NDArray[np.bool_]:
            found: NDArray[np.bool_] = ((x - cx - 10 * t) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1
            return found

        for where, value in (
            (blob(0, 0, 165, 115), -100),
            (blob(0, 0, 145, 97), 50),
            (blob(0, 10, 128, 84), -90),
            (blob(-62, -8, 62 - 20 * abs(t), 62), liver),
            (blob(92, 15, 26, 36), organ),
            (blob(-58, 62, 24, 20), organ),
            (blob(60, 62, 24, 20), organ),
            (blob(10, 8, 9, 8), portal),
            (blob(8, 42, 11, 11), aorta),
            (blob(0, 74, 21, 20), 210),
            (blob(0, 74, 16, 15), 160),
        ):
            hu[z][where] = value
    hu += rng.normal(0, noise, hu.shape).astype(np.float32) if noise else 0
    return np.clip(np.rint(hu), -1024, 3071).astype(np.int16)


def slices_of(
    hu: HU,
    *,
    spacing: tuple[float, float, float] = (3.0, 5.0, 5.0),
    origin: tuple[float, float, float] = (-160.0, -170.0, -100.0),
    orientation: Sequence[float] = (1, 0, 0, 0, 1, 0),
    positions: Sequence[Sequence[float]] | None = None,
    study_uid: str | None = None,
    series_uid: str | None = None,
    intercept: float = -1024,
    slope: float = 1,
    **elements: Any,
) -> list[Dataset]:
    """One dataset a slice, uncompressed, well made; ``elements`` are set on each. Feet to head unless told."""
    study_uid, series_uid = study_uid or generate_uid(), series_uid or generate_uid()
    reference = generate_uid()
    normal = np.cross(orientation[:3], orientation[3:])
    found = []
    for index, one in enumerate(hu):
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = CTImageStorage
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid()
        ds.PatientID, ds.PatientName, ds.PatientSex, ds.PatientBirthDate = PATIENT, "Generated^One", "O", "19600101"
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study_uid, series_uid, reference
        ds.StudyID, ds.AccessionNumber, ds.ReferringPhysicianName = "1", "A1", ""
        ds.StudyDate, ds.StudyTime = "20260105", "100000"
        ds.AcquisitionDate, ds.AcquisitionTime = "20260105", "100110"
        ds.Modality, ds.SeriesNumber, ds.InstanceNumber = "CT", 2, index + 1
        ds.SeriesDescription, ds.BodyPartExamined = "Abdomen portal venous 3.0", "ABDOMEN"
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.Manufacturer, ds.KVP, ds.ConvolutionKernel = "Generator", "120", "B30f"
        ds.AcquisitionNumber, ds.SliceThickness = 1, spacing[0]
        ds.PixelSpacing = [spacing[1], spacing[2]]
        ds.ImageOrientationPatient = list(orientation)
        place = positions[index] if positions is not None else np.array(origin) + normal * spacing[0] * index
        ds.ImagePositionPatient = [round(float(v), 6) for v in place]
        ds.PositionReferenceIndicator = ""
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = intercept, slope, "HU"
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.Rows, ds.Columns = one.shape
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
        for keyword, value in elements.items():
            setattr(ds, keyword, value)
        put_hu(ds, one)
        found.append(ds)
    return found


def put_hu(ds: Dataset, hu: HU) -> None:
    """Store HU through the dataset's own slope and intercept."""
    values = np.rint((hu.astype(np.float64) - float(ds.RescaleIntercept)) / float(ds.RescaleSlope))
    if ds.PixelRepresentation == 0:
        values = np.clip(values, 0, (1 << ds.BitsStored) - 1)
    kind = "<i2" if ds.PixelRepresentation else "<u2"
    ds.PixelData = values.astype(kind).tobytes()
    ds["PixelData"].VR = "OW"


def stored(ds: Dataset) -> bytes:
    """The file as a PACS keeps it (DICOM PS3.10)."""
    out = io.BytesIO()
    dcmwrite(out, ds, enforce_file_format=True)
    return out.getvalue()


def compressed(ds: Dataset, syntax: str) -> Dataset:
    """``ds`` with its pixels in ``syntax``; changed in place. Lossy JPEG as well, to be refused."""
    ds.file_meta.TransferSyntaxUID = syntax
    if syntax == DeflatedExplicitVRLittleEndian:
        return ds
    values = np.frombuffer(ds.PixelData, "<u2").reshape(ds.Rows, ds.Columns)
    frame = _encoded(values, syntax, int(ds.BitsStored))
    ds.PixelData = encapsulate([frame])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return ds


def _encoded(values: NDArray[np.uint16], syntax: str, bits: int) -> bytes:
    if syntax == RLELossless:
        return rle(values)
    if syntax == JPEGLSLossless:
        return bytes(imagecodecs.jpegls_encode(values))
    if syntax == JPEG2000Lossless:
        return bytes(imagecodecs.jpeg2k_encode(values, codecformat="j2k", reversible=True, level=0, bitspersample=bits))
    if syntax in (HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL):
        return bytes(imagecodecs.htj2k_encode(values, reversible=True))
    if syntax in (JPEGLossless, JPEGLosslessSV1):
        return bytes(imagecodecs.jpeg8_encode(values, lossless=True, predictor=1, bitspersample=bits))
    if syntax == JPEGExtended12Bit:
        return bytes(imagecodecs.jpeg8_encode(values, level=90, bitspersample=12))
    eight = (values >> (bits - 8)).astype(np.uint8)
    return bytes(imagecodecs.jpeg8_encode(eight, level=90))


def rle(values: NDArray[np.uint16]) -> bytes:
    """DICOM PS3.5 Annex G, with literal runs only: legal, if not small."""
    planes = [(values >> 8).astype(np.uint8).tobytes(), (values & 0xFF).astype(np.uint8).tobytes()]
    segments = []
    for plane in planes:
        runs = b"".join(
            bytes([len(plane[at : at + 128]) - 1]) + plane[at : at + 128] for at in range(0, len(plane), 128)
        )
        segments.append(runs + b"\0" * (len(runs) % 2))
    head = [2, 64, 64 + len(segments[0])] + [0] * 13
    return b"".join(n.to_bytes(4, "little") for n in head) + b"".join(segments)


def deflate_bomb(ds: Dataset, unpacked: int) -> bytes:
    """``ds`` deflated, with zeros behind it that unpack to ``unpacked`` bytes."""
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    plain = stored(ds)
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    head = stored(ds)
    meta_end = 144 + int.from_bytes(head[140:144], "little")
    plain_end = 144 + int.from_bytes(plain[140:144], "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(plain[plain_end:])
    block = bytes(1 << 20)
    for _ in range(unpacked >> 20):
        packed += packer.compress(block)
    return head[:meta_end] + packed + packer.flush()
