"""Which relatives count, for what, and what one patient's list can't say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cds.fhir.decoding import decode
from cds.fhir.queries import plan
from cds.record.concepts import Concept
from cds.record.facts import Record
from cds.record.features import Feature, extract
from cds.record.inputs import Input
from cds.record.reading import Reader
from cds.record.vocabulary import Vocabulary

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SNOMED = "http://snomed.info/sct"
ROLES = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
ILL, OTHER = "363418001", "363406005"


def _concept(**relatives: Any) -> Concept:
    content = {"resource": "FamilyMemberHistory", "label": {"en": "x"}, "codes": [{"system": SNOMED, "code": ILL}]}
    return Concept.model_validate({**content, "relatives": relatives})


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary(
        {
            "first": _concept(degree="first"),
            "second": _concept(degree="second"),
            "any": _concept(degree="any"),
            "kindred": _concept(degree="first", kindred=True),
        }
    )


def relative(role: str, code: str = ILL, onset: Any = None, **more: Any) -> dict[str, Any]:
    condition: dict[str, Any] = {"code": {"coding": [{"system": SNOMED, "code": code}]}}
    if onset is not None:
        condition["onsetAge"] = {"value": onset, "code": "a", "system": "http://unitsofmeasure.org"}
    return {
        "resourceType": "FamilyMemberHistory",
        "status": "completed",
        "patient": {"reference": "Patient/p1"},
        "relationship": {"coding": [{"system": ROLES, "code": role}]},
        "condition": [condition],
    } | more


def read(vocabulary: Vocabulary, *relatives: dict[str, Any]) -> Record:
    reader = Reader(vocabulary, "p1", NOW, UTC)
    entries = [{"resource": {"id": f"f{n}"} | r} for n, r in enumerate(relatives, start=1)]
    reader.read(decode(json.dumps({"resourceType": "Bundle", "entry": entries}).encode()).resources)
    return reader.finish()


def asked(record: Record, concept: str, reduce: str) -> Feature:
    spec = Input.model_validate({"name": "x", "label": {"en": "x"}, "concepts": [concept], "reduce": reduce})
    return extract([spec], record, {concept: "FamilyMemberHistory"})[0]


@pytest.mark.parametrize(
    ("role", "degree"),
    [("MTH", "first"), ("NSIB", "first"), ("DAU", "first"), ("PRN", "first"), ("MAUNT", "second"), ("HBRO", "second")],
)
def test_a_blood_relative_counts_by_degree(vocabulary: Vocabulary, role: str, degree: str) -> None:
    record = read(vocabulary, relative(role))
    counts = {name: asked(record, name, "count").value for name in ("first", "second", "any")}
    assert counts == {"first": 0.0, "second": 0.0, "any": 1.0} | {degree: 1.0}
    assert record.of("any")[0].source == "FamilyMemberHistory/f1"


@pytest.mark.parametrize("role", ["MTHINLAW", "STPMTH", "CHLDADOPT", "ADOPTF", "PRNFOST", "SPS", "FAMMEMB", "COUSN"])
def test_no_blood_relative_or_one_of_unknown_degree_counts_for_nothing(vocabulary: Vocabulary, role: str) -> None:
    assert not read(vocabulary, relative(role)).facts


def test_another_illness_or_a_record_that_does_not_stand_counts_for_nothing(vocabulary: Vocabulary) -> None:
    assert not read(vocabulary, relative("MTH", OTHER)).facts
    assert not read(vocabulary, relative("MTH", status="entered-in-error")).facts
    assert not read(vocabulary, relative("MTH", status="health-unknown")).facts


def test_another_patient_s_family_is_not_this_one_s(vocabulary: Vocabulary) -> None:
    record = read(vocabulary, relative("MTH", patient={"reference": "Patient/p2"}))
    assert not record.facts
    assert record.foreign == 1


def test_the_youngest_onset_is_known_though_family_histories_bear_no_date(vocabulary: Vocabulary) -> None:
    record = read(vocabulary, relative("MTH", onset=67), relative("BRO", onset=49), relative("SIS"))
    assert asked(record, "first", "lowest").value == 49.0
    assert asked(record, "first", "count").value == 3.0


def test_of_a_relative_who_died_with_it_the_age_at_death_bounds_the_onset(vocabulary: Vocabulary) -> None:
    (fact,) = read(vocabulary, relative("MTH", deceasedAge={"value": 70, "unit": "years"})).of("first")
    assert (fact.value, fact.comparator, fact.original) == (70.0, "<=", "<=70 a")


@pytest.mark.parametrize("onset", [-3, 140])
def test_an_age_that_cannot_be_is_no_age(vocabulary: Vocabulary, onset: float) -> None:
    (fact,) = read(vocabulary, relative("MTH", onset=onset)).of("first")
    assert fact.value is None


def test_two_codes_for_one_relative_s_illness_count_once(vocabulary: Vocabulary) -> None:
    twice = relative("MTH", onset=60)
    twice["condition"] = [*twice["condition"], relative("MTH", onset=58)["condition"][0]]
    (fact,) = read(vocabulary, twice).of("first")
    assert fact.value == 58.0


@pytest.mark.parametrize(
    ("roles", "members"),
    [
        (("MTH",), 0),
        (("MTH", "FTH"), 0),  # not each other's blood
        (("MTH", "SIS"), 2),
        (("BRO", "SIS"), 2),
        (("SON", "DAU"), 2),
        (("MTH", "DAU"), 0),
        (("MTH", "MAUNT"), 1),  # the aunt is no first-degree relative of the patient
        (("MTH", "MGRMTH"), 1),
        (("MTH", "PAUNT"), 0),
        (("MTH", "AUNT"), 0),  # of which side was not said
        (("SIS", "MAUNT"), 0),
        (("MAUNT", "MGRMTH"), 0),
    ],
)
def test_a_kindred_needs_relatives_who_are_certain_to_be_first_degree_to_each_other(
    vocabulary: Vocabulary, roles: tuple[str, ...], members: int
) -> None:
    record = read(vocabulary, *(relative(role) for role in roles))
    assert len(record.of("kindred")) == members


def test_such_a_concept_is_asked_for_by_one_search(vocabulary: Vocabulary) -> None:
    (_, query) = plan(["first", "kindred"], vocabulary)
    assert (query.key, query.template) == (
        "family",
        "FamilyMemberHistory?patient={{context.patientId}}&_count=100",
    )


def test_a_concept_of_family_history_says_whose() -> None:
    with pytest.raises(ValueError, match="relatives"):
        Concept.model_validate({"resource": "FamilyMemberHistory", "label": {"en": "x"}})
