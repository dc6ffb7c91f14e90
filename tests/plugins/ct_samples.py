"""Real CT samples, which are not part of this repository.

``CDS_CT_SAMPLES`` names their folder; below it, folders called gantrytilting, sliceincrement, notavolume, slicecount,
sliceorientation (the dicom2nifti project's failing cases), upper_abdomen_contrast (a DICOM series) and trunk_native
(a NIfTI volume), at any depth.
"""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cds.imaging.fetch import Series, read_series
from cds.imaging.instance import read
from cds.imaging.pacs import Limits

SAMPLES = os.environ.get("CDS_CT_SAMPLES", "")
needs_samples = pytest.mark.skipif(not SAMPLES, reason="CDS_CT_SAMPLES does not name a folder of real CT samples")


def folder(name: str) -> Path:
    found = [path for path in sorted(Path(SAMPLES).rglob(name)) if path.is_dir()]
    if not found:
        pytest.skip(f"no folder {name} below CDS_CT_SAMPLES")
    return found[0]


def series_folders() -> list[Path]:
    """Every folder that holds a DICOM file."""
    return sorted({path.parent for path in Path(SAMPLES).rglob("*") if path.is_file() and _is_dicom(path)})


def volumes() -> list[Path]:
    """Every NIfTI volume of HU; segmentations are none, and what the dicom2nifti project expects is not all CT."""
    found = sorted(Path(SAMPLES).rglob("trunk_native/*.nii.gz"))
    return [path for path in found if "seg" not in path.name]


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def series_in(place: Path) -> Series:
    """Raises Unusable."""
    raw = [path.read_bytes() for path in sorted(place.iterdir()) if path.is_file() and path.suffix != ".gz"]
    first = read(raw[0])
    return read_series(raw, Limits(), first.study_uid, first.series_uid)


def nifti(path: Path) -> tuple[NDArray[np.float64], tuple[float, float, float]]:
    """([z, y, x] values, mm), z towards the head, y towards the back, x towards the left: the little of NIfTI-1 that
    samples need. Their axes run along the body's."""
    raw = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(raw, "<i2", 8, 40)[1:4]
    code, start = int(np.frombuffer(raw, "<i2", 1, 70)[0]), int(np.frombuffer(raw, "<f4", 1, 108)[0])
    x, y, z = np.frombuffer(raw, "<f4", 3, 80)
    slope, intercept = np.frombuffer(raw, "<f4", 2, 112)
    kind = {2: "u1", 4: "<i2", 8: "<i4", 16: "<f4"}[code]
    flat = np.frombuffer(raw, kind, int(np.prod(shape)), start).astype(np.float64) * (slope or 1) + intercept
    # its world is right-to-left, back-to-front and feet-to-head
    rows = np.frombuffer(raw, "<f4", 12, 280).reshape(3, 4)
    flips = [axis for axis, turned in ((0, rows[2, 2] < 0), (1, rows[1, 1] > 0), (2, rows[0, 0] < 0)) if turned]
    values = flat.reshape(shape, order="F").transpose(2, 1, 0)
    return np.flip(values, flips), (float(z), float(y), float(x))
