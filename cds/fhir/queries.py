"""Which FHIR queries a service needs, derived from the concepts its models and its own logic read.

One query a resource type, the same string serving as the published prefetch template and as the query we run when
the EHR did not send it. Only the common subset of CDS Hooks 2.0.1 ("Prefetch query restrictions") is used: instance
read; search by reference and token equality, ``_sort`` and ``_count``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cds.record.vocabulary import CONCEPT_SYSTEM, Vocabulary

PATIENT_TOKEN = "{{context.patientId}}"  # nosec B105 # a prefetch token


@dataclass(frozen=True)
class Query:
    key: str
    resource: str
    """FHIR resource type the answer holds."""
    template: str
    required: bool = False
    asked: tuple[frozenset[str], ...] = ()
    """The codes of each concept it asks for: a search that left all of one's out has not answered it."""

    def path(self, patient_id: str) -> str:
        return self.template.replace(PATIENT_TOKEN, patient_id)


# concept resource -> (prefetch key, resource type, page size) of each search it needs. Conditions are read whole:
# their code lists are open (children of ICD-10 chapters), and a site's problem list is short.
_SEARCHES: dict[str, tuple[tuple[str, str, int], ...]] = {
    "Condition": (("conditions", "Condition", 200),),
    "Medication": (
        ("medications", "MedicationRequest", 200),
        ("administrations", "MedicationAdministration", 200),
    ),
    "Procedure": (("procedures", "Procedure", 100),),
    "ServiceRequest": (("orders", "ServiceRequest", 100),),
    "ImagingStudy": (("imaging", "ImagingStudy", 100),),
    "FamilyMemberHistory": (("family", "FamilyMemberHistory", 100),),
}

PATIENT = Query("patient", "Patient", f"Patient/{PATIENT_TOKEN}", required=True)


def plan(concepts: Iterable[str], vocabulary: Vocabulary, *, studies: bool = False) -> tuple[Query, ...]:
    """The patient, the observations by code, and one search for each other resource type that is read; ``studies``:
    imaging studies whatever concept they show."""
    names = sorted(set(concepts))
    queries = [PATIENT]
    observed = {
        name: {f"{system}|{code}" for system, code in vocabulary.codes_of(name) if system != CONCEPT_SYSTEM}
        for name in _with_parts(names, vocabulary)
        if vocabulary.concepts[name].resource == "Observation"
    }
    if codes := sorted(set().union(*observed.values())):
        template = f"Observation?patient={PATIENT_TOKEN}&code={','.join(codes)}&_sort=-date&_count=250"
        asked = tuple({frozenset(c.partition("|")[2] for c in found): None for found in observed.values() if found})
        queries.append(Query("observations", "Observation", template, asked=asked))
    wanted = {vocabulary.concepts[name].resource for name in names} | ({"ImagingStudy"} if studies else set())
    queries.extend(
        Query(key, resource, f"{resource}?patient={PATIENT_TOKEN}&_count={count}")
        for kind, searches in _SEARCHES.items()
        if kind in wanted
        for key, resource, count in searches
    )
    return tuple(queries)


def _with_parts(names: list[str], vocabulary: Vocabulary) -> list[str]:
    """A derived concept needs what it is derived from."""
    parts = {"bmi": ("body-weight", "body-height")}
    found = list(names)
    for name in names:
        derived = vocabulary.concepts[name].derive
        found.extend(p for p in parts.get(derived or "", ()) if p in vocabulary.concepts and p not in found)
    return found
