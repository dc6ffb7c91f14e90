"""Terminologies by both of their names: FHIR's system and DICOM's coding scheme designator (PS3.16, table 8-1)."""

from __future__ import annotations

SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "LN": "http://loinc.org",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
}
DESIGNATORS = {system: designator for designator, system in SYSTEMS.items()}
