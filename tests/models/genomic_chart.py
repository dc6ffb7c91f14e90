"""Small charts of genomic results, read as a hospital's would be."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from cds.fhir.decoding import decode
from cds.inference.registry import Registry
from cds.record.facts import Record
from cds.record.reading import Reader

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LOINC, HGNC = "http://loinc.org", "http://www.genenames.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CANCER = {
    "resourceType": "Condition",
    "id": "c1",
    "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "C25.0"}]},
    "onsetDateTime": "2026-10-01",
}


def observation(code: str, value: dict[str, Any], *components: dict[str, Any], system: str = LOINC) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": system, "code": code}]},
        "effectiveDateTime": "2026-11-01",
        "component": list(components),
        **value,
    }


def coded(code: str, system: str = LOINC) -> dict[str, Any]:
    return {"valueCodeableConcept": {"coding": [{"system": system, "code": code}]}}


def component(code: str, answer: str, system: str = LOINC) -> dict[str, Any]:
    return {"code": {"coding": [{"system": LOINC, "code": code}]}, **coded(answer, system)}


def gene(hgnc: str) -> dict[str, Any]:
    return component("48018-6", hgnc, HGNC)


def genotype(text: str) -> dict[str, Any]:
    return observation("84413-4", {"valueCodeableConcept": {"text": text}})


def variant(*components: dict[str, Any], present: bool = True) -> dict[str, Any]:
    return observation("69548-6", coded("LA9633-4" if present else "LA9634-2"), *components)


def order(rxnorm: str, *, status: str = "draft") -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "status": status,
        "intent": "order",
        "medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": rxnorm}]},
        "authoredOn": "2026-11-20",
    }


def read(registry: Registry, *resources: dict[str, Any], drafts: tuple[dict[str, Any], ...] = ()) -> Record:
    record = _read(registry, resources, drafts=False)
    record.drafts = _read(registry, drafts, drafts=True)
    return record


def _read(registry: Registry, resources: tuple[dict[str, Any], ...], *, drafts: bool) -> Record:
    reader = Reader(registry.vocabulary, "p1", NOW, UTC, drafts=drafts)
    entries = []
    for number, resource in enumerate(resources, start=1):
        entries.append({"resource": {"id": f"r{number}", "subject": {"reference": "Patient/p1"}} | resource})
    reader.read(decode(json.dumps({"resourceType": "Bundle", "entry": entries}).encode()).resources)
    return reader.finish()
