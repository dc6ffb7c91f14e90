"""Whether a condition stands, and how sure it is: by HL7's codes, by the Dutch zibs' lists, by Germany's mark on the
code, and by the day it ended."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import NamedTuple

import msgspec

from cds.fhir import resources as fhir
from cds.record import moments
from cds.record.systems import GERMAN, SNOMED, canonical_system

INACTIVE = frozenset({"inactive", "resolved", "remission"})
REFUTED = frozenset({"refuted", "entered-in-error"})
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
# the certainty of a diagnosis, an extension of its ICD-10-GM code: confirmed (G), suspected (V), excluded (A), and the
# state after it (Z)
_CERTAINTY = "/StructureDefinition/icd-10-gm-diagnosesicherheit"
_SURE = {"G": "confirmed", "V": "provisional", "A": "refuted", "Z": "confirmed"}


class Standing(NamedTuple):
    verification: str | None
    clinical: str | None


class _Extension(msgspec.Struct, gc=False):
    url: str = ""
    valueCoding: fhir.Coding | None = None
    valueCode: str | None = None


_extensions = msgspec.json.Decoder(list[_Extension])


def standing(condition: fhir.Condition, now: datetime, zone: tzinfo) -> Standing:
    """What is sent as a status counts before what only suggests one."""
    verification = _code(condition.verificationStatus, "condition-ver-status")
    clinical = _code(condition.clinicalStatus, "condition-clinical")
    mark = _mark(condition.code)
    if mark == "Z" or _ended(condition, now, zone):
        clinical = clinical or "resolved"
    return Standing(verification or _SURE.get(mark), clinical)


def _code(concept: fhir.CodeableConcept | None, system: str) -> str | None:
    """The code of HL7's own system (by its last segment); where that is not sent the one the Dutch list means, or else
    of whatever system comes first."""
    codings = concept.coding if concept else []
    own = next((c.code for c in codings if (c.system or "").endswith("/" + system)), None)
    dutch = (_DUTCH.get((canonical_system(c.system or ""), c.code or "")) for c in codings if own is None)
    return own or next((code for code in dutch if code), None) or next((c.code for c in codings if c.code), None)


def _mark(concept: fhir.CodeableConcept | None) -> str:
    for coding in concept.coding if concept is not None else ():
        sent = bytes(coding.extension)
        if not sent or coding.system not in GERMAN:
            continue
        try:
            extensions = _extensions.decode(sent)
        except fhir.UNREADABLE:
            continue
        for one in extensions:
            if one.url.endswith(_CERTAINTY):
                return (one.valueCoding.code if one.valueCoding else one.valueCode) or ""
    return ""


def _ended(condition: fhir.Condition, now: datetime, zone: tzinfo) -> bool:
    text = condition.abatementDateTime
    day = moments.parse(text, zone) if text else None
    return day is not None and day.earliest <= now
