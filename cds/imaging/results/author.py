"""Who made a result: the model, the version of the software around it, and where both say so."""

from __future__ import annotations

from dataclasses import dataclass

SCHEME = "99CDS"
"""Designator of this product's own codes in DICOM (PS3.3 §8.2: "99" marks a private scheme)."""
SYSTEM = "urn:cds:imaging"
"""The same codes' system in FHIR."""
IDENTIFIERS = "urn:cds:imaging:result"
"""System of the identifiers by which a FHIR server knows a result again."""


@dataclass(frozen=True)
class Author:
    model: str
    """Its id."""
    version: str
    sha256: str
    """Of the bundle: manifest and graphs."""
    software: str
    """Version of the product."""
    title: str = ""
    """The model's name for people; its id when empty."""
    manufacturer: str = "CDS"

    @property
    def name(self) -> str:
        return self.title or self.model
