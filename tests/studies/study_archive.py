"""Scans into a real archive, and what a worker put beside them."""

from __future__ import annotations

import io
from typing import Any

import pydicom
import requests
from ct_series import phantom, slices_of, stored
from orthanc import Orthanc
from study_scene import STUDY

SEG, SR = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.88.34"


def send(orthanc: Orthanc, study: str = STUDY, *, lift: int = 0, **elements: Any) -> None:
    """A scan of 30 slices; ``lift`` makes its bright organs brighter."""
    hu = phantom(30, 64)
    hu[hu > 90] += lift
    orthanc.store(stored(ds) for ds in slices_of(hu, study_uid=study, series_uid=f"{study}.1", **elements))


def at_orthanc(orthanc: Orthanc) -> dict[str, Any]:
    return {"url": orthanc.base, "user": orthanc.user, "password": orthanc.password}


def objects(orthanc: Orthanc, study: str = STUDY) -> dict[str, pydicom.Dataset]:
    """What is in the archive beside the images, by SOP class, as a reader of its own gets it."""
    found = {}
    rest = f"http://127.0.0.1:{orthanc.port}"
    asked = requests.Session()
    asked.auth = (orthanc.user, orthanc.password)
    for id in asked.get(f"{rest}/instances", timeout=30).json():
        ds = pydicom.dcmread(io.BytesIO(asked.get(f"{rest}/instances/{id}/file", timeout=30).content))
        if ds.StudyInstanceUID == study and ds.SOPClassUID in (SEG, SR):
            assert ds.SOPClassUID not in found, "stored twice"
            found[str(ds.SOPClassUID)] = ds
    return found
