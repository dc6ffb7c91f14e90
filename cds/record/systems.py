"""Code systems under every address they arrive under, and ICD-10's codes in every way they are written."""

from __future__ import annotations

import re
from functools import lru_cache

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
ICD_10 = "http://hl7.org/fhir/sid/icd-10"
ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
SKS = "urn:oid:1.2.208.176.2.4"
"""The Danish health classification; its diagnoses are those of ICD-10 behind a D: DJ44 is J44."""
GERMAN = frozenset({"http://fhir.de/CodeSystem/bfarm/icd-10-gm", "http://fhir.de/CodeSystem/dimdi/icd-10-gm"})
"""ICD-10-GM, Germany's ICD-10, under its address of now and its older one."""
NO_PROBLEMS = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
"""The International Patient Summary's: none known, or nothing known of any."""

# Code systems under the OIDs and old addresses some servers still send (HL7 Terminology, "External code systems"; the
# Dutch ones as in Nictiz' tables of code systems). What has no address of its own, such as the G-Standaard's tables
# (urn:oid:2.16.840.1.113883.2.4.4.10 and its like) and DHD's thesaurus, keeps its OID.
SYSTEMS = {
    "urn:oid:2.16.840.1.113883.6.1": LOINC,
    "urn:oid:2.16.840.1.113883.6.96": SNOMED,
    "urn:oid:2.16.840.1.113883.6.3": ICD_10,
    "urn:oid:2.16.840.1.113883.6.90": ICD_10_CM,
    "urn:oid:2.16.840.1.113883.6.88": RXNORM,
    "urn:oid:2.16.840.1.113883.6.73": ATC,
    "https://loinc.org": LOINC,
    "https://snomed.info/sct": SNOMED,
    "https://www.nlm.nih.gov/research/umls/rxnorm": RXNORM,
    "https://www.whocc.no/atc": ATC,
    "http://hl7.org/fhir/sid/icd-10-nl": ICD_10,
    "urn:oid:2.16.840.1.113883.6.3.2": ICD_10,
    **dict.fromkeys(GERMAN, ICD_10),
    SKS: ICD_10,
    "urn:oid:2.16.840.1.113883.2.4.4.31.1": "http://hl7.org/fhir/sid/icpc-1-nl",
    "urn:oid:2.16.840.1.113883.2.4.4.30.45": (
        "https://referentiemodel.nhg.org/tabellen/nhg-tabel-45-diagnostische-bepalingen"
    ),
}
HIERARCHICAL = frozenset({ICD_10, ICD_10_CM, ATC})
"""Systems whose codes hold their parents' as a beginning."""

_BARE_OID = re.compile(r"[0-2](?:\.\d+){3,}", re.ASCII)
_ICD = re.compile(r"([A-Z]\d[0-9A-Z])\.?([0-9A-Z]*)[.\s+*!#\u2020]*", re.ASCII)
_SKS = re.compile(r"D([A-Z]\d.*)", re.ASCII)


@lru_cache(maxsize=1024)  # asked for each code of a record, of few systems
def canonical_system(system: str) -> str:
    """Also of an OID without what makes it an address, of SNOMED CT named with its edition, and of one that ends in a
    slash, as no address here does."""
    system = system.rstrip("/")
    found = SYSTEMS.get(system)
    if found is not None:
        return found
    if system.startswith(SNOMED + "/"):
        return SNOMED
    return SYSTEMS.get(f"urn:oid:{system}", system) if _BARE_OID.fullmatch(system) else system


def canonical_code(system: str, code: str) -> str:
    """As this service's concepts write it. ``system``: as sent. Classifications are sent without their dot (K831), in
    small letters, and with the signs of the two axes behind them (E11.3+)."""
    canonical = canonical_system(system)
    if canonical not in (ICD_10, ICD_10_CM):
        return code
    written = code.strip().upper()
    if system.removeprefix("urn:oid:") == SKS.removeprefix("urn:oid:"):
        diagnosis = _SKS.fullmatch(written)
        if diagnosis is None:  # of another of its tables
            return code
        written = diagnosis[1]
    found = _ICD.fullmatch(written)
    if found is None:
        return code
    return f"{found[1]}.{found[2]}" if found[2] else found[1]
