"""What is stored of one analysis, in units, and its way into a row of the ledger and back.

Lengths in mm, volumes in mL, positions in the patient's LPS system (mm; x to the left, y to the back, z to the head).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Contact:
    """With one vessel class, as outlined; the grid's voxels bound what can be seen."""

    structure: str
    """Class name."""
    degrees: int
    """Largest share of a vessel's outline in one slice that touches the lesion, of 360, rounded to 10."""


@dataclass(frozen=True)
class Lesion:
    number: int
    """Within this analysis, from 1, the likeliest first."""
    likelihood: float
    """The network's own score, 0 to 1, and no probability: a bundle is calibrated for patients."""
    category: str
    """Where that score, calibrated as the patient's is, lies among the bundle's operating points: the likeliest lesion
    has the patient's category."""
    position: Point
    """Centre of mass."""
    offset: Point
    """From the organ's centre of mass; of the grid's where no organ is outlined."""
    volume_ml: float
    longest_mm: float
    """In one slice."""
    slice_uid: str
    """SOP Instance UID of the source slice nearest to where it is longest."""
    frame: int
    """Of that instance, from 1."""
    tracking_uid: str
    """The same in every analysis in which this lesion is found again."""
    tracking_id: str
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True)
class Findings:
    study_uid: str
    series_uid: str
    scanned: str
    """Day of the scan, YYYYMMDD; "" if not said."""
    model: str
    version: str
    sha256: str
    category: str
    """Of the patient: the bundle's suspicion category."""
    likelihood: float
    lesions: tuple[Lesion, ...]
    organ_ml: float | None = None
    """None: no class is the organ."""
    duct_mm: float | None = None
    """Widest inner diameter in a slice. None: no class is a duct; 0: none seen."""
    slice_mm: float = 0.0
    """Between the source's slices: what is shorter than twice this can't be measured."""
    contacts_assessed: tuple[str, ...] = ()
    """Vessel classes that were seen, touched or not."""
    cut_off: bool = False
    """The scan ends inside the organ: what is measured is of the part in view."""

    def stored(self) -> dict[str, Any]:
        """As JSON."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


def restored(raw: Any) -> Findings:
    """From ``Findings.stored``. Raises ValueError (msgspec.ValidationError) for what is not."""
    return msgspec.convert(raw, Findings)
