"""Slim typed views of FHIR R4 resources: only the elements the record reads.

Reading is tolerant: unknown elements are skipped without cost. A Bundle is decoded in one pass; when anything in it
can't be, each resource is decoded by itself, so that one malformed entry is counted and left out (measured:
benchmarks/RESULTS.md). What this service *sends* is built and validated with fhir.resources.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec

from cds.half_characters import mended


class Coding(msgspec.Struct, gc=False):
    system: str | None = None
    code: str | None = None
    display: str | None = None
    extension: msgspec.Raw = msgspec.Raw(b"")


class CodeableConcept(msgspec.Struct, gc=False):
    coding: list[Coding] = []
    text: str | None = None


class Quantity(msgspec.Struct, gc=False):
    value: float | None = None
    comparator: str | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None


class Reference(msgspec.Struct, gc=False):
    reference: str | None = None
    display: str | None = None


class Period(msgspec.Struct, gc=False):
    start: str | None = None
    end: str | None = None


class Resource(msgspec.Struct, tag_field="resourceType", gc=False):
    id: str | None = None


class Patient(Resource):
    gender: str | None = None
    birthDate: str | None = None
    # as sent, like the languages: what is ill written there must not cost the day of birth
    deceasedBoolean: msgspec.Raw = msgspec.Raw(b"")
    deceasedDateTime: str | None = None
    communication: msgspec.Raw = msgspec.Raw(b"")

    @property
    def dead(self) -> bool | None:
        """None: something is said of it that says neither."""
        if self.deceasedDateTime:
            return True
        text = bytes(self.deceasedBoolean).strip(b' "').lower()
        return _TRUTHS.get(text)


_TRUTHS = {b"": False, b"null": False, b"false": False, b"true": True}
"""FHIR's own words, which some send as a text."""


class Component(msgspec.Struct, gc=False):
    code: CodeableConcept | None = None
    valueQuantity: Quantity | None = None
    valueCodeableConcept: CodeableConcept | None = None
    valueInteger: int | None = None
    valueString: str | None = None
    referenceRange: msgspec.Raw = msgspec.Raw(b"")


class Observation(Resource):
    status: str | None = None
    code: CodeableConcept | None = None
    subject: Reference | None = None
    effectiveDateTime: str | None = None
    effectiveInstant: str | None = None
    effectivePeriod: Period | None = None
    issued: str | None = None
    valueQuantity: Quantity | None = None
    valueCodeableConcept: CodeableConcept | None = None
    valueInteger: int | None = None
    valueString: str | None = None
    # as sent: an ill-written range must not cost the value, and those of results nobody asks for are never read
    referenceRange: msgspec.Raw = msgspec.Raw(b"")
    derivedFrom: list[Reference] = []
    component: list[Component] = []


class Condition(Resource):
    clinicalStatus: CodeableConcept | None = None
    verificationStatus: CodeableConcept | None = None
    code: CodeableConcept | None = None
    subject: Reference | None = None
    onsetDateTime: str | None = None
    onsetPeriod: Period | None = None
    # as sent: what is ill written there must not cost the condition
    onsetAge: msgspec.Raw = msgspec.Raw(b"")
    abatementDateTime: str | None = None
    recordedDate: str | None = None


class Medication(Resource):
    code: CodeableConcept | None = None
    form: msgspec.Raw = msgspec.Raw(b"")
    ingredient: msgspec.Raw = msgspec.Raw(b"")


class MedicationRequest(Resource):
    status: str | None = None
    intent: str | None = None
    doNotPerform: bool | None = None
    medicationCodeableConcept: CodeableConcept | None = None
    medicationReference: Reference | None = None
    subject: Reference | None = None
    authoredOn: str | None = None
    identifier: msgspec.Raw = msgspec.Raw(b"")
    priorPrescription: msgspec.Raw = msgspec.Raw(b"")
    contained: list[msgspec.Raw] = []
    dosageInstruction: msgspec.Raw = msgspec.Raw(b"")
    extension: msgspec.Raw = msgspec.Raw(b"")
    modifierExtension: msgspec.Raw = msgspec.Raw(b"")


class MedicationStatement(Resource):
    status: str | None = None
    medicationCodeableConcept: CodeableConcept | None = None
    medicationReference: Reference | None = None
    subject: Reference | None = None
    effectiveDateTime: str | None = None
    effectivePeriod: Period | None = None
    contained: list[msgspec.Raw] = []
    dosage: msgspec.Raw = msgspec.Raw(b"")


class MedicationAdministration(Resource):
    status: str | None = None
    medicationCodeableConcept: CodeableConcept | None = None
    medicationReference: Reference | None = None
    subject: Reference | None = None
    effectiveDateTime: str | None = None
    effectivePeriod: Period | None = None
    contained: list[msgspec.Raw] = []
    dosage: msgspec.Raw = msgspec.Raw(b"")


class Procedure(Resource):
    status: str | None = None
    code: CodeableConcept | None = None
    subject: Reference | None = None
    performedDateTime: str | None = None
    performedPeriod: Period | None = None


class ServiceRequest(Resource):
    status: str | None = None
    intent: str | None = None
    doNotPerform: bool | None = None
    code: CodeableConcept | None = None
    subject: Reference | None = None
    authoredOn: str | None = None
    occurrenceDateTime: str | None = None


class Series(msgspec.Struct, gc=False):
    modality: Coding | None = None
    bodySite: Coding | None = None
    description: str | None = None


class Identifier(msgspec.Struct, gc=False):
    system: str | None = None
    value: str | None = None


class ImagingStudy(Resource):
    identifier: list[Identifier] = []
    status: str | None = None
    description: str | None = None
    numberOfInstances: int | None = None
    subject: Reference | None = None
    started: str | None = None
    basedOn: list[Reference] = []
    modality: list[Coding] = []
    procedureCode: list[CodeableConcept] = []
    series: list[Series] = []


class RelativeCondition(msgspec.Struct, gc=False):
    code: CodeableConcept | None = None
    onsetAge: Quantity | None = None


class FamilyMemberHistory(Resource):
    status: str | None = None
    patient: Reference | None = None
    date: str | None = None
    relationship: CodeableConcept | None = None
    deceasedAge: Quantity | None = None
    condition: list[RelativeCondition] = []


class Issue(msgspec.Struct, gc=False):
    severity: str | None = None
    code: str | None = None


class OperationOutcome(Resource):
    issue: list[Issue] = []


class Link(msgspec.Struct, gc=False):
    relation: str | None = None
    url: str | None = None


_NOTHING, _NO_MATCH = msgspec.Raw(b""), ("include", "outcome")


class _Entry(msgspec.Struct, gc=False):
    resource: msgspec.Raw = _NOTHING
    search: Any = None


class _Search(msgspec.Struct, gc=False):
    mode: str | None = None


class Bundle(Resource):
    entry: list[_Entry | None] | None = []
    link: list[Link] = []
    total: Any = None


class _Head(msgspec.Struct, gc=False):
    resourceType: str


Clinical = (
    Patient
    | Observation
    | Condition
    | Medication
    | MedicationRequest
    | MedicationStatement
    | MedicationAdministration
    | Procedure
    | ServiceRequest
    | ImagingStudy
    | FamilyMemberHistory
)

KNOWN_TYPES = frozenset(t.__name__ for t in Clinical.__args__)


class _WholeEntry(msgspec.Struct, gc=False):
    resource: Clinical | OperationOutcome | msgspec.UnsetType = msgspec.UNSET
    search: _Search | None = None


class _WholeBundle(Resource, tag="Bundle"):
    """A Bundle in which every resource is of a type we read, and well-formed: as good as all of them."""

    entry: list[_WholeEntry] = []
    link: list[Link] = []
    total: Any = None


_whole, _pieces = msgspec.json.Decoder(Clinical | _WholeBundle | OperationOutcome), msgspec.json.Decoder(Bundle)
_one, _head = msgspec.json.Decoder(Clinical | OperationOutcome), msgspec.json.Decoder(_Head)


@dataclass
class Decoded:
    """What one JSON value held."""

    resources: list[Any] = field(default_factory=list)
    is_bundle: bool = False
    outcome: OperationOutcome | None = None
    """An OperationOutcome at the top level: the query failed."""
    warnings: int = 0
    """OperationOutcomes among the entries: the server had something to say of the search."""
    malformed: int = 0
    """Resources of a known type that could not be read."""
    other: int = 0
    """Resources of types the record doesn't use."""
    next_url: str | None = None
    self_url: str | None = None
    total: int | None = None
    """How many the search found, on all pages; None when it doesn't say."""
    matches: int = 0
    """Entries that are here because the search found them, read or not; others were included for their sake."""
    readable: bool = True
    """False: not JSON, or not FHIR."""


def decode(raw: bytes) -> Decoded:
    """Never raises: what can't be read is counted in the result."""
    try:
        value = _whole.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _piecemeal(raw) if (whole := mended(raw)) is raw else decode(whole)
    found = Decoded()
    if isinstance(value, _WholeBundle):
        _read_search(value, found)
        for entry in value.entry:
            if entry.resource is not msgspec.UNSET:
                found.matches += entry.search is None or entry.search.mode not in _NO_MATCH
                _keep(entry.resource, found)
    elif isinstance(value, OperationOutcome):
        found.outcome = value
    else:
        _keep(value, found)
    return found


def _piecemeal(raw: bytes) -> Decoded:
    found, kind = Decoded(), _type_of(raw)
    if kind == "Bundle":
        try:
            _read_bundle(_pieces.decode(raw), found)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            found.readable = False
    elif kind is None or kind == "OperationOutcome":
        found.readable = False
    elif kind in KNOWN_TYPES:
        found.malformed = 1
    else:
        found.other = 1
    return found


def _read_search(bundle: Bundle | _WholeBundle, found: Decoded) -> None:
    found.is_bundle = True
    found.total = bundle.total if type(bundle.total) is int else None
    for link in bundle.link:
        if link.relation == "next":
            found.next_url = link.url
        elif link.relation == "self":
            found.self_url = link.url


def _read_bundle(bundle: Bundle, found: Decoded) -> None:
    _read_search(bundle, found)
    for entry in bundle.entry or ():
        if entry is None or not bytes(entry.resource):
            found.malformed += entry is None  # of whatever was to stand here
            continue
        found.matches += not isinstance(entry.search, dict) or entry.search.get("mode") not in _NO_MATCH
        try:
            value = _one.decode(entry.resource)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            if _type_of(bytes(entry.resource)) in KNOWN_TYPES:
                found.malformed += 1
            else:
                found.other += 1
            continue
        _keep(value, found)


def _keep(resource: Any, found: Decoded) -> None:
    if not isinstance(resource, OperationOutcome):
        found.resources.append(resource)
        if isinstance(resource, Patient) and resource.dead is None:
            found.malformed += 1  # kept, and told of: what else it says is good
    elif any(issue.severity in ("error", "fatal") for issue in resource.issue):
        found.warnings += 1


def _type_of(raw: bytes) -> str | None:
    try:
        return _head.decode(raw).resourceType
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def subject_of(resource: Any) -> str | None:
    """The id of the patient a resource is about; None when it doesn't say."""
    if isinstance(resource, Patient):
        return resource.id
    subject = resource.patient if isinstance(resource, FamilyMemberHistory) else getattr(resource, "subject", None)
    return None if subject is None or subject.reference is None else patient_in(subject.reference)


@lru_cache(maxsize=256)
def patient_in(reference: str) -> str | None:
    """Cached, because one call's resources all say the same."""
    kind, _, identifier = reference.split("/_history/")[0].rpartition("/")
    return identifier if kind.rpartition("/")[2] == "Patient" else None
