"""The course over time: read with the reader's token, drawn with its doubts, complete as text, its gaps named."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from charted_house import TOKEN, House, MakeHouse
from service import TODAY

from cds.pages.report.timeline import Table, Timeline, timeline


def table(course: Timeline, label: str) -> Table:
    return next(t for t in course.tables if t.label == label)


def drawn(house: House, patient: str, language: str = "en") -> Timeline:
    return timeline(house.engine, house.session(patient), house.words(language))


def observed(number: int, patient: str, code: str, days: int, value: float, unit: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"extra-{number}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": (TODAY + timedelta(days=days)).isoformat(),
        "valueQuantity": {"value": value, "unit": unit},
        **more,
    }


def test_the_record_is_read_with_the_readers_own_token(house: House) -> None:
    drawn(house, "folfirinox-falling")
    assert set(house.tokens) == {f"Bearer {TOKEN}"}


def test_every_drawn_value_stands_in_a_table_with_unit_day_and_source(house: House) -> None:
    course = drawn(house, "folfirinox-falling")
    rows = table(course, "CA 19-9").rows
    assert [(row.value, row.unit) for row in rows] == [("410", "U/mL"), ("1,180", "U/mL"), ("2,140", "U/mL")]
    assert all(row.source.startswith("Observation/") and row.day for row in rows)
    assert course.svg is not None
    assert "2,140" in course.svg.markup
    assert course.gaps == ()


def test_both_layouts_fit_their_budget_and_hold_no_inline_style(house: House) -> None:
    course = drawn(house, "gbrca-olaparib")
    for svg in (course.svg, course.narrow):
        assert svg is not None
        assert len(svg.markup.encode()) <= 40_000
        assert "style=" not in svg.markup


def test_drugs_of_one_cycle_are_a_regimen_and_each_dose_a_row(house: House) -> None:
    course = drawn(house, "folfirinox-falling")
    assert course.svg is not None
    assert ">FOLFIRINOX<" in course.svg.markup
    doses = table(course, "Systemic treatment").rows
    assert {row.value for row in doses} == {"fluorouracil", "irinotecan", "oxaliplatin", "leucovorin (folinic acid)"}
    assert all(row.note in ("given", "ordered") for row in doses)


def test_obstructed_bile_shades_the_marker(house: House) -> None:
    course = drawn(house, "cholestasis")
    doubts = table(course, "CA 19-9").doubts
    assert any(doubt.startswith("raised bilirubin") for doubt in doubts)
    assert any(doubt.startswith("obstructed bile") for doubt in doubts)
    assert course.svg is not None
    assert 'data-part="shade"' in course.svg.markup


def test_response_marks_are_the_models_own_and_follow_the_policy(house: House) -> None:
    course = drawn(house, "folfirinox-falling")
    (mark,) = table(course, "CA 19-9").marks
    assert mark.endswith(": falling.")
    rising = drawn(house, "gemnab-rising")
    assert [m.rpartition(": ")[2] for m in table(rising, "CA 19-9").marks] == ["rising."]


def test_a_model_the_policy_does_not_enable_marks_nothing(make_house: MakeHouse, tmp_path: Any) -> None:
    from pathlib import Path

    import hooks

    text = (Path(hooks.__file__).parent / "policy.yaml").read_text(encoding="utf-8")
    policy = tmp_path / "policy.yaml"
    policy.write_text(text.replace("ca19-9-response: {enabled: true}", "ca19-9-response: {enabled: false}"))
    house = make_house(policy_file=policy)
    assert table(drawn(house, "folfirinox-falling"), "CA 19-9").marks == ()


def test_genomic_results_stand_as_reported_and_what_was_not_found_in_the_table(house: House) -> None:
    rows = [row.value for row in table(drawn(house, "dpyd-variant"), "Genomics").rows]
    assert any("∗1/∗2A" in row or "*1/*2A" in row for row in rows)
    assert len(rows) == len(set(rows))  # of four alleles that are asked for, one result
    found = drawn(house, "gbrca-olaparib")
    assert any("BRCA2" in row.value for row in table(found, "Genomics").rows)


def test_units_are_converted_as_the_record_does_and_what_was_sent_stays_visible(make_house: MakeHouse) -> None:
    """HbA1c 7.0% is 53 mmol/mol (NGSP master equation); bilirubin 3 mg/dL is 51 µmol/L (584.66 g/mol)."""
    house = make_house(
        observed(1, "no-labs-patient", "4548-4", -10, 7.0, "%"),
        observed(2, "no-labs-patient", "1975-2", -10, 3.0, "mg/dL"),
        {"resourceType": "Patient", "id": "no-labs-patient", "gender": "male", "birthDate": "1950-01-01"},
    )
    course = drawn(house, "no-labs-patient")
    (hba1c,) = table(course, "HbA1c").rows
    assert (hba1c.value, hba1c.unit, hba1c.original) == ("53", "mmol/mol", "7 %")
    (bilirubin,) = table(course, "Bilirubin").rows
    assert (bilirubin.value, bilirubin.unit, bilirubin.original) == ("51", "µmol/L", "3 mg/dL")


@pytest.mark.parametrize(
    ("language", "threshold", "laboratory"),
    [
        (
            "en",
            "Threshold: 34 µmol/L, not the laboratory's limit. Source: This product's choice:",
            "Reference of the laboratory, with the value of ",
        ),
        (
            "nl",
            "Drempel: 34 µmol/L, niet de grens van het laboratorium. Bron: Keuze van dit product:",
            "Referentie van het laboratorium, bij de waarde van ",
        ),
    ],
)
def test_a_threshold_is_not_called_usual_and_the_laboratory_s_own_limits_are_told(
    make_house: MakeHouse, language: str, threshold: str, laboratory: str
) -> None:
    patient = "no-labs-patient"
    sent = {"referenceRange": [{"low": {"value": 0.2, "unit": "mg/dL"}, "high": {"value": 1, "unit": "mg/dL"}}]}
    house = make_house(
        observed(1, patient, "1975-2", -3, 1.2, "mg/dL", **sent),
        observed(2, patient, "24108-3", -3, 30, "U/mL"),
        {"resourceType": "Patient", "id": patient, "gender": "male", "birthDate": "1950-01-01"},
    )
    course = drawn(house, patient, language)
    label = {"en": "Bilirubin", "nl": "Bilirubine"}[language]
    said = table(course, label).limits
    assert said.startswith(threshold) and laboratory in said
    assert said.endswith({"en": ": 3 to 17 µmol/L.", "nl": ": 3 tot 17 µmol/L."}[language])
    assert laboratory not in table(course, "CA 19-9").limits
    if language == "nl":
        sources = [one.limits.partition("Bron: ")[2] for one in course.tables]
        assert not any(word in source for source in sources for word in ("table 3", "from which", "is not read"))


@pytest.mark.parametrize(("language", "threshold", "limit"), [("en", "threshold", "limit"), ("nl", "drempel", "grens")])
def test_the_line_of_a_threshold_is_called_what_the_text_calls_it(
    make_house: MakeHouse, language: str, threshold: str, limit: str
) -> None:
    patient = "no-labs-patient"
    house = make_house(
        *(observed(n, patient, "1975-2", -30 * n, value, "mg/dL") for n, value in enumerate((3.0, 0.5), start=1)),
        *(observed(n, patient, "24108-3", -30 * n, value, "U/mL") for n, value in enumerate((300, 10), start=3)),
        {"resourceType": "Patient", "id": patient, "gender": "male", "birthDate": "1950-01-01"},
    )
    course = drawn(house, patient, language)
    for svg in (course.svg, course.narrow):
        assert svg is not None
        assert f">{threshold} 34<" in svg.markup and f">{limit} 37<" in svg.markup
        assert f">{limit} 34<" not in svg.markup


def test_what_can_t_be_believed_stands_in_the_table_with_its_reason_and_is_not_drawn(make_house: MakeHouse) -> None:
    house = make_house(
        observed(1, "odd-units", "24108-3", -10, 80, "furlongs"),
        observed(
            2, "odd-units", "24108-3", -5, 90, "U/mL", valueQuantity={"value": 90, "unit": "U/mL", "comparator": ">"}
        ),
        observed(3, "somebody-else", "24108-3", -4, 99999, "U/mL"),
        {"resourceType": "Patient", "id": "odd-units", "gender": "female", "birthDate": "1950-01-01"},
    )
    course = drawn(house, "odd-units")
    rows = table(course, "CA 19-9").rows
    assert [row.value for row in rows] == [">90", "–"]
    assert "not a unit for it" in rows[1].note
    assert course.svg is not None
    assert "furlongs" not in course.svg.markup
    assert "99" not in {row.value for row in rows}


def test_a_source_that_fails_is_named_and_the_rest_is_drawn(house: House) -> None:
    house.broken["MedicationAdministration"] = 403
    course = drawn(house, "folfirinox-falling")
    (gap,) = course.gaps
    assert gap.key == "administrations"
    assert gap.text == "Drugs given could not be read: the server refused."
    assert course.svg is not None


def test_an_empty_lane_whose_source_is_unread_does_not_say_that_there_is_nothing(house: House) -> None:
    house.broken["Procedure"] = 500
    course = drawn(house, "folfirinox-falling")
    assert course.svg is not None
    assert course.svg.markup.count("could not be read") == 1
    assert "nothing recorded" in course.svg.markup  # genomics, which were read


def test_a_record_that_can_t_be_read_at_all_is_said_and_nothing_raised(house: House) -> None:
    house.broken.update({k: 500 for k in ("Patient", "Observation", "Condition", "MedicationRequest", "Procedure",
                                          "MedicationAdministration", "ImagingStudy", "ServiceRequest")})  # fmt: skip
    course = drawn(house, "folfirinox-falling")
    assert course.svg is None
    assert course.undrawn == "Nothing of what could be read can be drawn."
    assert len(course.gaps) >= 7


def test_a_server_that_left_the_list_is_not_asked(house: House) -> None:
    course = timeline(
        house.engine, house.session("folfirinox-falling", fhir_server="https://elsewhere.example/fhir"), house.words()
    )
    assert [gap.code for gap in course.gaps] == ["CDS-403"]
    assert house.tokens == []


def test_a_client_whose_server_may_not_be_asked_is_not_asked(make_house: MakeHouse) -> None:
    house = make_house(client={"fhir_access": False})
    course = drawn(house, "folfirinox-falling")
    assert [gap.code for gap in course.gaps] == ["CDS-606"]
    assert house.tokens == []


def test_dutch_says_the_same(house: House) -> None:
    course = drawn(house, "folfirinox-falling", "nl")
    rows = table(course, "CA 19-9").rows
    assert rows[-1].value == "2.140"
    assert table(course, "Systemische behandeling").rows
    assert course.svg is not None
    assert ">okt<" in course.svg.markup


@pytest.mark.parametrize("language", ["en", "nl"])
def test_every_story_can_be_drawn(house: House, language: str) -> None:
    from hooks.stories import STORIES

    for story in STORIES:
        course = drawn(house, story.id, language)
        assert course.gaps == (), story.id
        # one of them has a record with nothing in it, and that is said
        assert (course.svg is not None) is not bool(course.undrawn), story.id
