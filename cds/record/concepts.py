"""The vocabulary: clinical ideas and every code they arrive under.

Concepts are data (``vocabulary/*.yaml`` beside the models, or inside one model's manifest); a hospital's own codes
join them through one ConceptMap file, see ``cds.record.vocabulary``.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Text = dict[str, str]
"""Words by language tag: ``{"en": ..., "nl": ...}``."""


class Strict(BaseModel):
    """People write these files: an unknown key is a typing error, not an extension."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ConceptCode(Strict):
    system: str
    code: str
    display: str = ""


class Conversion(Strict):
    """``canonical = value * factor + offset`` for a unit that plain arithmetic can't reach."""

    unit: str
    factor: float
    offset: float = 0.0
    source: str


class Concept(Strict):
    """One clinical idea and every code it arrives under. Matched on system + code, never on display."""

    resource: Literal[
        "Observation",
        "Condition",
        "Medication",
        "Procedure",
        "ServiceRequest",
        "ImagingStudy",
        "FamilyMemberHistory",
        "Encounter",
        "answer",
    ]
    label: Text
    codes: tuple[ConceptCode, ...] = ()
    """A trailing ``*`` on an ICD-10 code takes its children too."""
    exclude: tuple[ConceptCode, ...] = ()
    unit: str | None = None
    """Canonical UCUM unit of the value; every accepted unit is converted to it."""
    molar_mass: float | None = None
    """g/mol: allows molar <-> mass conversion."""
    conversions: tuple[Conversion, ...] = ()
    plausible: tuple[float, float] | None = None
    """Values outside can't be true of a living patient and are refused."""
    derive: Literal["bmi"] | None = None
    source: str = ""
