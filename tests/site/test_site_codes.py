"""A proposal for a local code is a question with a reason; it takes effect when a person has answered it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cds.fhir import resources as fhir
from cds.inference import registry
from cds.record.vocabulary import Vocabulary, read_concept_map
from cds.site.codes import Codes, concept_map, coverage

LAB = "urn:oid:1.2.3.4.5"


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return registry.load(registry.installed_folders()).vocabulary


def result(code: str, display: str, unit: str | None, system: str = LAB) -> fhir.Observation:
    quantity = None if unit is None else fhir.Quantity(value=5.0, unit=unit)
    coding = fhir.Coding(system=system, code=code, display=display)
    return fhir.Observation(code=fhir.CodeableConcept(coding=[coding]), valueQuantity=quantity)


def found(vocabulary: Vocabulary, *results: fhir.Observation) -> Codes:
    return coverage([results], vocabulary, "en")


@pytest.mark.parametrize(
    ("display", "unit", "concept"),
    [
        ("Bilirubine totaal", "umol/l", "bilirubin-total"),
        ("CRP", "mg/l", "crp"),
        ("C-reactief proteïne", "mg/L", "crp"),
        ("Trombocyten", "10^9/l", "platelets"),
        ("CA 19-9", "kE/l", "ca19-9"),
        ("HbA1c", "mmol/mol", "hba1c"),
        ("Albumine", "g/l", "albumin"),
        # of another material, of another kind, of nothing that is read
        ("Albumine urine", "g/l", ""),
        ("Glucose liquor", "mmol/l", ""),
        ("Albumine", "kE/l", ""),
        ("Bilirubine totaal", "10^9/l", ""),
        ("Troponine T", "ng/l", ""),
        ("Lengte", "mmol/l", ""),
        ("", "mg/l", ""),
    ],
)
def test_a_name_and_a_unit_together_are_a_reason_to_ask(
    vocabulary: Vocabulary, display: str, unit: str, concept: str
) -> None:
    [unknown] = found(vocabulary, result("X1", display, unit)).unknown.values()
    assert unknown.proposed == concept
    assert bool(unknown.because) is bool(concept)


def test_a_proposal_has_no_effect_until_somebody_agrees(vocabulary: Vocabulary, tmp_path: Path) -> None:
    proposed = concept_map(found(vocabulary, result("BILT", "Bilirubine totaal", "umol/l")), vocabulary)
    path = tmp_path / "codes.json"
    path.write_text(json.dumps(proposed), encoding="utf-8")
    assert read_concept_map(path).targets == {}
    [target] = proposed["group"][0]["element"][0]["target"]
    assert "Is it" in target["comment"] and "write equivalent" in target["comment"]
    target["equivalence"] = "equivalent"
    path.write_text(json.dumps(proposed), encoding="utf-8")
    assert read_concept_map(path).targets == {(LAB, "BILT"): ("http://loinc.org", "1975-2")}


def test_the_map_is_fhir(vocabulary: Vocabulary) -> None:
    from fhir.resources.R4B.conceptmap import ConceptMap

    made = concept_map(
        found(vocabulary, result("BILT", "Bilirubine totaal", "umol/l"), result("TNT", "Troponine T", "ng/l")),
        vocabulary,
    )
    assert ConceptMap.model_validate(made).status == "draft"


def test_a_known_code_in_a_unit_nobody_knows_is_told_with_that_unit(vocabulary: Vocabulary) -> None:
    loinc = "http://loinc.org"
    codes = found(
        vocabulary,
        result("1975-2", "Bilirubin", "umol/L", loinc),
        result("1975-2", "Bilirubin", "furlongs", loinc),
        result("1975-2", "Bilirubin", None, loinc),
    )
    one = codes.known["bilirubin-total"]
    assert one.count == 3
    assert dict(one.units) == {"umol/L": 1, "furlongs": 1}
    assert dict(one.refused) == {("furlongs", "unit-unknown"): 1}


def test_results_without_a_code_are_counted(vocabulary: Vocabulary) -> None:
    bare = fhir.Observation(code=fhir.CodeableConcept(text="Hb"))
    codes = found(vocabulary, bare, fhir.Observation())
    assert codes.uncoded == 2
    assert not codes.unknown


def test_parts_of_a_panel_are_looked_at_one_by_one(vocabulary: Vocabulary) -> None:
    part = fhir.Component(
        code=fhir.CodeableConcept(coding=[fhir.Coding(system="http://loinc.org", code="1975-2")]),
        valueQuantity=fhir.Quantity(value=1.0, unit="mg/dL"),
    )
    panel = fhir.Observation(code=fhir.CodeableConcept(coding=[fhir.Coding(system=LAB, code="P")]), component=[part])
    codes = found(vocabulary, panel)
    assert set(codes.known) == {"bilirubin-total"}
    assert set(codes.unknown) == {(LAB, "P")}
