"""What the ledger says a model was given, read again from the patient's FHIR: without the code that read it first."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from cds.record.inputs import Input, Reduce
from cds.record.vocabulary import Vocabulary

Resource = dict[str, Any]
_DATES = ("effectiveDateTime", "effectiveInstant", "onsetDateTime", "recordedDate", "authoredOn", "started")
_NOT_TRUE = {"refuted", "entered-in-error", "inactive", "resolved", "remission", "cancelled"}


def faults(spec: Input, snapshot: Mapping[str, Any], resources: Mapping[str, Resource], words: Vocabulary) -> list[str]:
    """Why ``snapshot`` does not follow from ``resources`` (by reference); empty when it does."""
    sources = [resources.get(reference) for reference in snapshot["from"]]
    read = [source for source in sources if source is not None]
    if len(read) < len(sources):
        return [f"{spec.name}: read from {snapshot['from']}, which is not all this patient's"]
    first = read[0]
    found = [f"{spec.name}: no code of its concepts in {r['id']}" for r in read if not _names(r, spec, words)]
    if found:
        return found
    if not any(first.get(name, "")[:10] == snapshot["date"] for name in _DATES):
        found.append(f"{spec.name}: {snapshot['date']} is no date of {first['id']}")
    value = snapshot["value"]
    if spec.reduce in (Reduce.presence, Reduce.new):
        holds = value == 1 and not _codes(first, "clinicalStatus", "verificationStatus") & _NOT_TRUE
    elif spec.reduce is Reduce.coded:
        answers = {name for name, number in spec.values.items() if number == value}
        codes = {code for answer in answers for _, code in words.codes_of(answer)}
        holds = bool(_codes(first, "valueCodeableConcept") & codes)
    elif spec.reduce is Reduce.first_at_least:
        holds = _crossed(spec, read) and abs(value - _age(resources, snapshot["date"])) < 0.01
    else:
        quantity = first["valueQuantity"]
        holds = spec.unit in (quantity.get("code"), quantity.get("unit")) and abs(quantity["value"] - value) < 1e-9
    return found if holds else [*found, f"{spec.name}: {value} does not follow from {[r['id'] for r in read]}"]


def _names(resource: Resource, spec: Input, words: Vocabulary) -> bool:
    concepts = [*spec.concepts, *(("body-weight",) if "bmi" in spec.concepts else ())]
    wanted = {code for concept in concepts for _, code in words.codes_of(concept)}
    open_ended = tuple(code.rstrip("*") for code in wanted if code.endswith("*"))
    return any(c in wanted or (open_ended and c.startswith(open_ended)) for c in _codes(resource, "code"))


def _codes(resource: Resource, *elements: str) -> set[str]:
    codings = (c for name in elements for c in resource.get(name, {}).get("coding", ()))
    return {coding["code"] for coding in codings if "code" in coding}


def _crossed(spec: Input, read: list[Resource]) -> bool:
    """The first is at the threshold or above; what stood before it is below, and earlier."""
    values = [resource["valueQuantity"]["value"] for resource in read]
    days = [resource["effectiveDateTime"] for resource in read]
    threshold = spec.threshold or 0.0
    return values[0] >= threshold and all(v < threshold for v in values[1:]) and days == sorted(days, reverse=True)


def _age(resources: Mapping[str, Resource], day: str) -> float:
    (patient,) = (r for r in resources.values() if r["resourceType"] == "Patient")
    return (date.fromisoformat(day) - date.fromisoformat(patient["birthDate"])).days / 365.25
