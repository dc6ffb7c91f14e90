"""A code is the same code under every address its system has, and however a classification's code is written."""

from __future__ import annotations

import pytest

from cds.record.concepts import Concept
from cds.record.systems import ICD_10, ICD_10_CM, SNOMED, canonical_code, canonical_system
from cds.record.vocabulary import SiteCodes, Vocabulary

GERMAN, SKS = "http://fhir.de/CodeSystem/bfarm/icd-10-gm", "urn:oid:1.2.208.176.2.4"


def concept(*codes: str, **more: object) -> Concept:
    listed = [{"system": system, "code": code} for code in codes for system in (ICD_10, ICD_10_CM)]
    return Concept.model_validate({"resource": "Condition", "label": {"en": "x"}, "codes": listed, **more})


@pytest.fixture
def vocabulary() -> Vocabulary:
    excluded = [{"system": ICD_10, "code": "C25.4"}]
    return Vocabulary({"cholestasis": concept("K83.1"), "cancer": concept("C25*", exclude=excluded)})


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (ICD_10, "K83.1"),
        (ICD_10, "K831"),
        (ICD_10, "k83.1"),
        (ICD_10_CM, " K83.1 "),
        (ICD_10, "K83.1\u2020"),
        (ICD_10, "K83.1+"),
        (GERMAN, "K83.1"),
        ("http://fhir.de/CodeSystem/dimdi/icd-10-gm", "K83.1"),
        ("2.16.840.1.113883.6.3", "K83.1"),
        (SKS, "DK831"),
        (SKS, "DK83.1"),
    ],
)
def test_a_problem_is_found_however_its_code_is_written(vocabulary: Vocabulary, system: str, code: str) -> None:
    assert vocabulary.names(system, code) == ("cholestasis",)


@pytest.mark.parametrize(
    ("system", "code"),
    [(ICD_10, "K83"), (ICD_10, "K83.10"), (SKS, "K831"), (SKS, "ALAL02"), ("urn:site", "K83.1"), (ICD_10, "K83.1x-")],
)
def test_another_code_is_another(vocabulary: Vocabulary, system: str, code: str) -> None:
    assert vocabulary.names(system, code) == ()


def test_an_excluded_code_is_so_without_its_dot(vocabulary: Vocabulary) -> None:
    assert vocabulary.names(ICD_10, "C250") == ("cancer",)
    assert vocabulary.names(ICD_10, "C254") == ()


def test_a_hospital_may_map_codes_written_so(vocabulary: Vocabulary, tmp_path: object) -> None:
    vocabulary.add_site_codes(SiteCodes(path=tmp_path, targets={(SKS, "DR999"): (ICD_10, "K83.1")}, units={}))  # type: ignore[arg-type]
    assert vocabulary.names(SKS, "DR999") == ("cholestasis",)


@pytest.mark.parametrize(
    "system",
    [
        "http://snomed.info/sct/11000146104",
        "http://snomed.info/sct/",
        "2.16.840.1.113883.6.96",
        "https://snomed.info/sct",
    ],
)
def test_snomed_ct_is_known_with_its_edition_and_by_its_number_alone(system: str) -> None:
    assert canonical_system(system) == SNOMED


@pytest.mark.parametrize("system", ["http://snomed.info/sctx", "1.2", "2.16.840.1.1.99", "SNOMED", ""])
def test_what_is_not_known_stays_as_it_is(system: str) -> None:
    assert canonical_system(system) == system


def test_codes_of_other_systems_are_left_alone() -> None:
    assert canonical_code("urn:oid:2.16.840.1.113883.6.73", "L01BC05") == "L01BC05"
    assert canonical_code(SNOMED, "18165001") == "18165001"
