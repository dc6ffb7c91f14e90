"""One patient, the queries a service would ask about them, and the few resources that answer."""

from __future__ import annotations

from typing import Any

from cds.fhir.queries import PATIENT, Query

OBSERVATIONS = Query(
    "observations",
    "Observation",
    "Observation?patient={{context.patientId}}&_count=250",
    asked=(frozenset({"4548-4", "17856-6"}), frozenset({"29463-7"})),
)
CONDITIONS = Query("conditions", "Condition", "Condition?patient={{context.patientId}}&_count=200")
MEDICATIONS = Query("medications", "MedicationRequest", "MedicationRequest?patient={{context.patientId}}")
ORDERS = Query("orders", "ServiceRequest", "ServiceRequest?patient={{context.patientId}}")
QUERIES = (PATIENT, OBSERVATIONS, CONDITIONS, MEDICATIONS, ORDERS)

PATIENT_1 = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1960-02-03"}


def observation(identity: int | str = 1, patient: str = "p1") -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"o{identity}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "4548-4"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": "2026-11-01",
        "valueQuantity": {"value": 6.7, "unit": "%", "code": "%", "system": "http://unitsofmeasure.org"},
    }


def condition(identity: int | str = 1, patient: str = "p1") -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": f"c{identity}",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "44054006"}]},
        "subject": {"reference": f"Patient/{patient}"},
    }
