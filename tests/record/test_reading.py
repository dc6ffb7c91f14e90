"""What counts as a fact, and what is refused with a reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cds.fhir.decoding import decode
from cds.record.concepts import Concept
from cds.record.facts import Record
from cds.record.reading import Reader
from cds.record.vocabulary import Vocabulary

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LOINC, SNOMED, ICD = "http://loinc.org", "http://snomed.info/sct", "http://hl7.org/fhir/sid/icd-10"


def _concept(resource: str, *codes: tuple[str, str], **more: Any) -> Concept:
    return Concept.model_validate(
        {"resource": resource, "label": {"en": "x"}, "codes": [{"system": s, "code": c} for s, c in codes], **more}
    )


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary(
        {
            "glucose": _concept(
                "Observation", (LOINC, "2345-7"), unit="mg/dL", molar_mass=180.156, plausible=[10, 2000]
            ),
            "systolic": _concept("Observation", (LOINC, "8480-6"), unit="mm[Hg]"),
            "body-weight": _concept("Observation", (LOINC, "29463-7"), unit="kg"),
            "body-height": _concept("Observation", (LOINC, "8302-2"), unit="cm"),
            "bmi": _concept("Observation", (LOINC, "39156-5"), unit="kg/m2", derive="bmi", plausible=[10, 80]),
            "nodes": _concept("Observation", (LOINC, "21893-3"), unit="1"),
            "tumour": _concept(
                "Condition", (ICD, "C25*"), (SNOMED, "363418001"), exclude=[{"system": ICD, "code": "C25.4"}]
            ),
            "other-tumour": _concept("Condition", (ICD, "C25.4"), (ICD, "C78.7*")),
            "drug": _concept("Medication", ("http://www.whocc.no/atc", "L01BC05")),
            "scan": _concept("ImagingStudy", (SNOMED, "818983003")),
        }
    )


def read(vocabulary: Vocabulary, *resources: dict[str, Any], **options: Any) -> Record:
    reader = Reader(vocabulary, "p1", NOW, UTC, **options)
    bundle = {"resourceType": "Bundle", "entry": [{"resource": r} for r in resources]}
    reader.read(decode(json.dumps(bundle).encode()).resources)
    return reader.finish()


def observation(code: str = "2345-7", value: Any = 120, unit: str | None = "mg/dL", **more: Any) -> dict[str, Any]:
    quantity = {"value": value} | ({"unit": unit} if unit else {})
    return {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2026-11-01",
        "valueQuantity": quantity,
    } | more


def condition(system: str = ICD, code: str = "C25.0", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": "c1",
        "code": {"coding": [{"system": system, "code": code}]},
        "subject": {"reference": "Patient/p1"},
        "onsetDateTime": "2026-10-01",
    } | more


def test_a_lab_becomes_a_fact_with_its_source_and_the_value_as_sent(vocabulary: Vocabulary) -> None:
    (fact,) = read(vocabulary, observation(value=7.0, unit="mmol/L")).of("glucose")
    assert fact.value == pytest.approx(126.1, abs=0.1)
    assert (fact.source, fact.original, fact.unit) == ("Observation/o1", "7 mmol/L", "mg/dL")


@pytest.mark.parametrize("unit", ["{#}", "1", None])
def test_a_count_is_shown_as_a_bare_number(vocabulary: Vocabulary, unit: str | None) -> None:
    (fact,) = read(vocabulary, observation("21893-3", 2, unit)).of("nodes")
    assert (fact.value, fact.original) == (2.0, "2")


def test_matching_is_on_the_code_whatever_the_display_says(vocabulary: Vocabulary) -> None:
    coding = {"system": LOINC, "code": "2345-7", "display": "Haemoglobin"}
    assert read(vocabulary, observation() | {"code": {"coding": [coding]}}).of("glucose")


def test_a_code_under_its_oid_is_the_same_code(vocabulary: Vocabulary) -> None:
    coding = {"system": "urn:oid:2.16.840.1.113883.6.1", "code": "2345-7"}
    assert read(vocabulary, observation() | {"code": {"coding": [coding]}}).of("glucose")


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (observation(unit=None), "unit-missing"),
        (observation(unit="g/L%"), "unit-unknown"),
        (observation(unit="U/mL"), "unit-unknown"),
        (observation(value=-5), "implausible"),
        (observation(value=99999), "implausible"),
        (observation(effectiveDateTime="2027-01-01"), "in-the-future"),
        (observation(effectiveDateTime=None), "no-date"),
        (observation(valueQuantity=None), "no-value"),
    ],
)
def test_a_doubtful_lab_is_refused_with_its_reason(
    vocabulary: Vocabulary, resource: dict[str, Any], reason: str
) -> None:
    record = read(vocabulary, resource)
    assert not record.of("glucose")
    assert [r.reason for r in record.refused] == [reason]


def test_a_spoilt_sample_is_not_told_in_place_of_a_value_that_cannot_be_used(vocabulary: Vocabulary) -> None:
    spoilt = {"id": "o2", "valueQuantity": None, "valueCodeableConcept": {"text": "haemolysed"}}
    later = observation(effectiveDateTime="2026-11-20") | spoilt
    record = read(vocabulary, observation(unit="g/L%", effectiveDateTime="2026-11-01"), later)
    assert [r.reason for r in record.refused] == ["unit-unknown", "no-value"]


def told(text: str, code: str = "2345-7") -> dict[str, Any]:
    return observation(code, valueQuantity=None, valueString=text)


@pytest.mark.parametrize(
    ("text", "comparator", "value", "original"),
    [
        ("> 1 200 mg/dL", ">", 1200, ">1200 mg/dL"),
        (">1200mg/dL", ">", 1200, ">1200 mg/dL"),
        ("> 1\u00a0200 mg/dL", ">", 1200, ">1200 mg/dL"),
        ("≥ 120 mg/dL", ">=", 120, ">=120 mg/dL"),
        ("<12.5 mg/dl", "<", 12.5, "<12.5 mg/dl"),
        # a bound that is rounded may no longer hold
        (">120.1234567 mg/dL", ">", 120.1234567, ">120.1234567 mg/dL"),
        ("12,5 mg/dL", None, 12.5, "12.5 mg/dL"),
        ("1234,125 mg/dL", None, 1234.125, "1234.12 mg/dL"),
        ("120 mg/dL", None, 120, "120 mg/dL"),
    ],
)
def test_a_number_sent_as_a_text_is_a_result(
    vocabulary: Vocabulary, text: str, comparator: str | None, value: float, original: str
) -> None:
    (fact,) = read(vocabulary, told(text)).of("glucose")
    assert (fact.comparator, fact.value, fact.original) == (comparator, value, original)


@pytest.mark.parametrize("flag", ["H", "HH", "(H)", "high", "hoog", "(Verhoogd)", "*"])
def test_a_laboratory_s_mark_behind_a_value_is_none_of_it(vocabulary: Vocabulary, flag: str) -> None:
    (fact,) = read(vocabulary, told(f"205 mg/dL {flag}")).of("glucose")
    assert (fact.value, fact.comparator) == (205, None)


@pytest.mark.parametrize(
    ("text", "shown"), [("1,205 mg/dL", "1,205"), ("> 205 see note", "> 205"), ("see note 205", ""), ("", "")]
)
def test_of_a_text_that_is_no_value_the_number_it_begins_with_is_shown(
    vocabulary: Vocabulary, text: str, shown: str
) -> None:
    (refused,) = read(vocabulary, told(text)).refused
    assert (refused.reason, refused.detail, refused.when is not None) == ("no-value", shown, bool(shown))


@pytest.mark.parametrize("text", ["3", "<3", " 3 "])
def test_a_text_without_a_unit_is_a_count_where_the_concept_is_one(vocabulary: Vocabulary, text: str) -> None:
    assert [f.value for f in read(vocabulary, told(text, "21893-3")).of("nodes")] == [3]


def test_a_text_without_a_unit_is_refused_as_a_quantity_without_one(vocabulary: Vocabulary) -> None:
    (refused,) = read(vocabulary, told("> 1200")).refused
    assert (refused.reason, refused.detail) == ("unit-missing", ">1200")


@pytest.mark.parametrize(
    "text",
    [
        "1,200 mg/dL",
        "1.200 mg/dL",
        "120 mg/dL (low)",
        "120 see note",
        "120 " + "0" * 100,
        "100-120",
        "-120",
        "1e2",
        "12 1",
        "neg",
        "٣",
        ">",
    ],
)
def test_a_text_that_says_more_or_may_be_two_numbers_is_none(vocabulary: Vocabulary, text: str) -> None:
    record = read(vocabulary, told(text))
    assert not record.of("glucose")
    assert [r.reason for r in record.refused] == ["no-value"]


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled", "registered", "unknown"])
def test_an_observation_that_does_not_stand_never_counts(vocabulary: Vocabulary, status: str) -> None:
    record = read(vocabulary, observation(status=status))
    assert not record.of("glucose")
    assert not record.refused


@pytest.mark.parametrize(
    "more",
    [
        {"verificationStatus": {"coding": [{"code": "refuted"}]}},
        {"verificationStatus": {"coding": [{"code": "entered-in-error"}]}},
    ],
)
def test_a_refuted_diagnosis_never_counts(vocabulary: Vocabulary, more: dict[str, Any]) -> None:
    assert not read(vocabulary, condition(**more)).of("tumour")


def test_an_inactive_condition_is_kept_but_marked(vocabulary: Vocabulary) -> None:
    (fact,) = read(vocabulary, condition(clinicalStatus={"coding": [{"code": "resolved"}]})).of("tumour")
    assert fact.status == "inactive"


def test_icd_children_match_and_excluded_ones_do_not(vocabulary: Vocabulary) -> None:
    assert read(vocabulary, condition(code="C25.9")).of("tumour")
    assert read(vocabulary, condition(code="C25")).of("tumour")
    assert not read(vocabulary, condition(code="C25.4")).of("tumour")
    assert not read(vocabulary, condition(code="C26.0")).of("tumour")


@pytest.mark.parametrize("system", [f"{ICD}/", "http://hl7.org/fhir/sid/icd-10-nl/"])
def test_a_slash_at_the_end_of_a_code_system_s_address_says_nothing(vocabulary: Vocabulary, system: str) -> None:
    assert read(vocabulary, condition(system=system)).of("tumour")


@pytest.mark.parametrize("address", ["https://www.whocc.no/atc", "http://www.whocc.no/atc/"])
def test_a_drug_s_code_system_is_known_by_its_other_addresses(vocabulary: Vocabulary, address: str) -> None:
    assert vocabulary.names(address, "L01BC05") == ("drug",)


def test_an_icd_code_without_its_point_is_that_code(vocabulary: Vocabulary) -> None:
    """Many systems store it so: C254 is the excluded one, not a further child."""
    assert read(vocabulary, condition(code="C259")).of("tumour")
    for code in ("C254", "C787", "C7871"):
        found = read(vocabulary, condition(code=code))
        assert found.of("other-tumour") and not found.of("tumour")


def test_another_patients_data_is_never_used(vocabulary: Vocabulary) -> None:
    stranger = observation(subject={"reference": "Patient/p2"})
    nobody = observation(subject=None)
    absolute = observation(subject={"reference": "https://ehr.example.org/fhir/Patient/p1/_history/3"})
    record = read(vocabulary, stranger, nobody, absolute)
    assert record.foreign == 2
    assert len(record.of("glucose")) == 1


def test_components_are_read(vocabulary: Vocabulary) -> None:
    panel = observation(
        code="85354-9",
        valueQuantity=None,
        component=[
            {"code": {"coding": [{"system": LOINC, "code": "8480-6"}]}, "valueQuantity": {"value": 140, "unit": "mmHg"}}
        ],
    )
    assert [f.value for f in read(vocabulary, panel).of("systolic")] == [140]


def test_bmi_is_worked_out_when_none_as_new_was_recorded(vocabulary: Vocabulary) -> None:
    record = read(
        vocabulary,
        observation("29463-7", 81, "kg"),
        observation("8302-2", 180, "cm", effectiveDateTime="2019"),
        observation("39156-5", 31, "kg/m2", effectiveDateTime="2020-01-01"),
    )
    assert record.of("bmi")[0].value == pytest.approx(25.0)


def test_a_draft_is_an_order_only_where_drafts_are_asked_for(vocabulary: Vocabulary) -> None:
    draft = {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "draft",
        "intent": "order",
        "medicationCodeableConcept": {"coding": [{"system": "http://www.whocc.no/atc", "code": "L01BC05"}]},
        "subject": {"reference": "Patient/p1"},
    }
    assert not read(vocabulary, draft).of("drug")
    assert read(vocabulary, draft, drafts=True).of("drug")


def test_a_drug_behind_a_reference_is_found(vocabulary: Vocabulary) -> None:
    medication = {
        "resourceType": "Medication",
        "id": "x1",
        "code": {"coding": [{"system": "http://www.whocc.no/atc", "code": "L01BC05"}]},
    }
    request = {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
    }
    shared = request | {"medicationReference": {"reference": "https://ehr.example.org/fhir/Medication/x1"}}
    contained = request | {"contained": [medication], "medicationReference": {"reference": "#x1"}}
    assert read(vocabulary, medication, shared).of("drug")
    assert read(vocabulary, contained).of("drug")


def test_a_malformed_resource_does_not_spoil_its_bundle() -> None:
    bundle = {
        "resourceType": "Bundle",
        "entry": [
            {"resource": {"resourceType": "Observation", "status": ["final"]}},
            {"resource": {"resourceType": "Practitioner", "id": "x"}},
            {"resource": {"resourceType": "FooType"}},
            {"resource": observation()},
            {"fullUrl": "urn:uuid:x"},
        ],
    }
    found = decode(json.dumps(bundle).encode())
    assert (len(found.resources), found.malformed, found.other) == (1, 1, 2)


def test_a_resolved_suspicion_stays_a_suspicion(vocabulary: Vocabulary) -> None:
    status = {
        "verificationStatus": {"coding": [{"code": "provisional"}]},
        "clinicalStatus": {"coding": [{"code": "resolved"}]},
    }
    (fact,) = read(vocabulary, condition(**status)).of("tumour")
    assert fact.provisional
    assert fact.status == "inactive"


def test_the_official_status_counts_beside_a_local_one(vocabulary: Vocabulary) -> None:
    official = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
    coding = [{"system": "https://local", "code": "R"}, {"system": official, "code": "refuted"}]
    assert not read(vocabulary, condition(verificationStatus={"coding": coding})).of("tumour")


def series(modality: str | None, site: str | None) -> dict[str, Any]:
    made: dict[str, Any] = {"uid": f"1.{modality}.{site}"}
    made |= {"modality": {"code": modality}} if modality else {}
    return made | ({"bodySite": {"system": SNOMED, "code": site}} if site else {})


ABDOMEN, HEAD = "818983003", "69536005"


@pytest.mark.parametrize(
    ("study", "modalities"),
    [
        ([series("CT", HEAD), series("US", ABDOMEN)], ("US",)),
        ([series("CT", ABDOMEN), series("US", HEAD)], ("CT",)),
        ([series("CT", ABDOMEN), series("US", ABDOMEN)], ("CT", "US")),
        ([series("CT", ABDOMEN), series("SR", None)], ("CT",)),
        # the region's series says nothing of its modality, and the study names two
        ([series("CT", HEAD), series(None, ABDOMEN)], ()),
    ],
)
def test_a_region_was_seen_by_what_its_own_series_was_taken_with(
    vocabulary: Vocabulary, study: list[dict[str, Any]], modalities: tuple[str, ...]
) -> None:
    resource = {
        "resourceType": "ImagingStudy",
        "id": "i1",
        "status": "available",
        "subject": {"reference": "Patient/p1"},
        "started": "2026-11-10",
        "modality": [{"code": "CT"}, {"code": "US"}],
        "series": study,
    }
    (fact,) = read(vocabulary, resource).of("scan")
    assert fact.modalities == modalities
    named = resource | {"procedureCode": [{"coding": [{"system": SNOMED, "code": ABDOMEN}]}]}
    (fact,) = read(vocabulary, named).of("scan")
    assert {"CT", "US"} <= set(fact.modalities), "what the study as a whole is called holds for all of it"


def test_a_study_of_one_modality_says_it_for_a_series_that_does_not(vocabulary: Vocabulary) -> None:
    study = {
        "resourceType": "ImagingStudy",
        "id": "i1",
        "status": "available",
        "subject": {"reference": "Patient/p1"},
        "started": "2026-11-10",
        "modality": [{"code": "CT"}],
        "series": [series(None, ABDOMEN)],
    }
    assert [f.modalities for f in read(vocabulary, study).of("scan")] == [("CT",)]


def test_a_number_in_words_is_no_coded_answer() -> None:
    coded = Vocabulary({"smoking": _concept("Observation", (LOINC, "72166-2"))})
    record = read(coded, told("20", "72166-2"))
    assert not record.of("smoking")
    assert [r.reason for r in record.refused] == ["no-value"]
