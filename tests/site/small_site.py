"""A site of one EHR behind a small server that a test may spoil."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ready_ledger import ready

from cds.settings import Settings, load

PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1960-01-01"}
KINDS = (
    *("Patient", "Observation", "Condition", "MedicationRequest", "MedicationAdministration", "ServiceRequest"),
    *("ImagingStudy", "Procedure", "FamilyMemberHistory"),
)


def _result(id: str, day: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {
            "coding": [
                # one code that each service's query for observations has
                {"system": "http://loinc.org", "code": "83084-4"},
                {"system": "http://loinc.org", "code": "1975-2"},
                {"system": "http://loinc.org", "code": "4548-4"},
                {"system": "http://loinc.org", "code": "89247-1"},
            ]
        },
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": day,
        "valueQuantity": {"value": 40, "unit": "U/mL", "system": "http://unitsofmeasure.org", "code": "U/mL"},
    }


OBSERVATIONS = [_result("o2", "2026-11-20"), _result("o1", "2026-10-01")]


def capability(*, without: tuple[str, ...] = (), search: dict[str, tuple[str, ...]] | None = None) -> dict[str, Any]:
    own = search or {}
    resources = [
        {"type": kind, "searchParam": [{"name": name} for name in own.get(kind, ("patient", "code"))]}
        for kind in KINDS
        if kind not in without
    ]
    return {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": [{"resource": resources}]}


def settings_for(folder: Path, base: str, *, fhir_settings: dict[str, Any] | None = None, **client: Any) -> Settings:
    empty = folder / "cds.toml"
    empty.touch()
    found = load(
        empty,
        data_dir=folder / "data",
        ledger_key="0123456789abcdef-of-the-site-tests",
        fhir={"retries": 0, **(fhir_settings or {})},
        clients={"ehr": {"issuer": base, "jwks": {"keys": []}, "fhir_servers": [base], **client}},
    )
    if not (folder / "data").exists():
        (folder / "data").mkdir()
        ready(found.ledger_url)
    return found
