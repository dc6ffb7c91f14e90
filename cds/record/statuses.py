"""Codes of statuses, as HL7 and the Dutch information models send them."""

from __future__ import annotations

from cds.fhir import resources as fhir
from cds.record.vocabulary import SNOMED, canonical_system

# the status lists of the zib Problem 4.4, as Nictiz maps them to HL7's
_DUTCH = {
    (SNOMED, "410605003"): "confirmed",
    (SNOMED, "410516002"): "refuted",
    (SNOMED, "415684004"): "provisional",
    (SNOMED, "410590009"): "differential",
    (SNOMED, "55561003"): "active",
    (SNOMED, "73425007"): "inactive",
    ("http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "UNK"): "unconfirmed",
}


def code(concept: fhir.CodeableConcept | None, system: str) -> str | None:
    """The code of HL7's own system (by its last segment); where that is not sent the one the Dutch list means, or else
    of whatever system comes first."""
    codings = concept.coding if concept else []
    own = next((c.code for c in codings if (c.system or "").endswith("/" + system)), None)
    dutch = (_DUTCH.get((canonical_system(c.system or ""), c.code or "")) for c in codings if own is None)
    return own or next((found for found in dutch if found), None) or next((c.code for c in codings if c.code), None)
