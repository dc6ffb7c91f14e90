"""What a resource says of its drug: in a code of its own, or in a Medication that it refers to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cds.fhir import resources as fhir
from cds.fhir.decoding import decode

_NOT_TAKEN = frozenset({"entered-in-error", "cancelled", "not-done", "not-taken", "intended", "draft", "unknown"})


class _Ingredient(msgspec.Struct, gc=False):
    itemCodeableConcept: fhir.CodeableConcept | None = None
    isActive: bool | None = None


_ingredients = msgspec.json.Decoder(list[_Ingredient] | None)


def on_record(resource: Any) -> bool:
    """Whether it was ordered or taken, of what is no draft: a proposal is somebody's suggestion, which nobody needs to
    follow (FHIR R4, request-intent), and what is intended has not been taken (MedicationStatement.status)."""
    return resource.status not in _NOT_TAKEN and getattr(resource, "intent", None) != "proposal"


def drug(resource: Any, product: fhir.Medication | None) -> fhir.CodeableConcept:
    """Where there is neither a code of its own nor a Medication that has one, what that is made of, and what its
    reference calls the drug: of a formulation the name of what was compounded may tell, and its ingredient not."""
    if (own := resource.medicationCodeableConcept or (product.code if product else None)) is not None:
        return own
    reference = resource.medicationReference
    called = reference.display if reference else None
    made_of = _ingredient(product) or fhir.CodeableConcept()
    text = ": ".join(dict.fromkeys(filter(None, (called, made_of.text)))) or None
    return fhir.CodeableConcept(text=text, coding=made_of.coding)


def at_hand(resource: Any, product: fhir.Medication | None) -> bool:
    """Whether what a code could tell of its drug is here to be read."""
    if resource.medicationCodeableConcept is not None:
        return True
    return product is not None and (product.code is not None or _ingredient(product) is not None)


def _ingredient(product: fhir.Medication | None) -> fhir.CodeableConcept | None:
    """The one that is active of a Medication without a code, as of what a pharmacy compounds (FHIR R4,
    Medication.ingredient); None where there are several, or where it has no code or text of its own."""
    try:
        listed = (_ingredients.decode(product.ingredient) if product and product.ingredient else None) or []
    except fhir.UNREADABLE:
        return None
    active = [one.itemCodeableConcept for one in listed if one.isActive is not False]
    return active[0] if len(active) == 1 else None


def product(resource: Any, shared: Mapping[str, fhir.Medication]) -> fhir.Medication | None:
    """The Medication that it refers to. ``shared``: those sent beside it, by ``Type/id``; None where a reference leads
    nowhere, and where there is none."""
    reference = resource.medicationReference.reference if resource.medicationReference else None
    if not reference:
        return None
    if reference.startswith("#"):
        for raw in resource.contained:
            inner = decode(bytes(raw)).resources
            if inner and isinstance(inner[0], fhir.Medication) and inner[0].id == reference[1:]:
                return inner[0]
        return None
    return shared.get(relative(reference))


def relative(reference: str) -> str:
    """``Type/id``, of whatever server and version."""
    return "/".join(reference.split("/_history/")[0].split("/")[-2:])


def texts(concept: fhir.CodeableConcept) -> tuple[str, ...]:
    """All that a drug is called, each once. A blank or a dash calls it nothing."""
    told = (concept.text, *(c.display for c in concept.coding))
    return tuple(dict.fromkeys(text for text in told if text and any(map(str.isalnum, text))))
