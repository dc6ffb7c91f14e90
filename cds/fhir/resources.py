"""Slim typed views of FHIR R4 resources: only the elements the record reads. Unknown ones are skipped without cost.

What this service *sends* is built and validated with fhir.resources.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
"""What decoding raises for JSON that is none, or not of the form that was asked for."""


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
    stage: msgspec.Raw = msgspec.Raw(b"")
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
