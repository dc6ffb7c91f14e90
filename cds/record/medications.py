"""What a resource says of its drug: in a code of its own, or in a Medication that it refers to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cds.fhir import resources as fhir


def drug(resource: Any, product: fhir.Medication | None) -> fhir.CodeableConcept:
    """Where there is neither a code of its own nor a Medication that has one, what its reference calls the drug."""
    reference = resource.medicationReference
    called = fhir.CodeableConcept(text=reference.display if reference else None)
    return resource.medicationCodeableConcept or (product.code if product else None) or called


def at_hand(resource: Any, product: fhir.Medication | None) -> bool:
    """Whether what a code could tell of its drug is here to be read."""
    return resource.medicationCodeableConcept is not None or (product is not None and product.code is not None)


def product(resource: Any, shared: Mapping[str, fhir.Medication]) -> fhir.Medication | None:
    """The Medication that it refers to. ``shared``: those sent beside it, by ``Type/id``; None where a reference leads
    nowhere, and where there is none."""
    reference = resource.medicationReference.reference if resource.medicationReference else None
    if not reference:
        return None
    if reference.startswith("#"):
        for raw in resource.contained:
            inner = fhir.decode(bytes(raw)).resources
            if inner and isinstance(inner[0], fhir.Medication) and inner[0].id == reference[1:]:
                return inner[0]
        return None
    return shared.get(relative(reference))


def relative(reference: str) -> str:
    """``Type/id``, of whatever server and version."""
    return "/".join(reference.split("/_history/")[0].split("/")[-2:])


def texts(concept: fhir.CodeableConcept) -> tuple[str, ...]:
    """All that a drug is called, each once."""
    return tuple(dict.fromkeys(text for text in (concept.text, *(c.display for c in concept.coding)) if text))
