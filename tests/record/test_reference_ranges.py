"""The laboratory's reference range is kept with its result where it is plainly the patient's, and costs no value."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from cds.fhir.decoding import decode
from cds.record.concepts import Concept
from cds.record.facts import Fact, ReferenceRange
from cds.record.reading import Reader
from cds.record.vocabulary import Vocabulary

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LOINC = "http://loinc.org"
MEANING = "http://terminology.hl7.org/CodeSystem/referencerange-meaning"


def concept(code: str, **more: Any) -> Concept:
    codes = [{"system": LOINC, "code": code}]
    return Concept.model_validate({"resource": "Observation", "label": {"en": "x"}, "codes": codes, **more})


VOCABULARY = Vocabulary(
    {
        "ca19-9": concept("83084-4", unit="U/mL"),
        "glucose": concept("2345-7", unit="mg/dL", molar_mass=180.156),
        "hba1c": concept(
            "4548-4",
            unit="%",
            conversions=[{"unit": "mmol/mol", "factor": 0.09148, "offset": 2.152, "source": "NGSP"}],
        ),
    }
)


def fact(ranges: Any, code: str = "83084-4", value: float = 412, unit: str = "U/mL", within: str = "") -> Fact:
    """``within``: the result is a component with this code's Observation around it."""
    result = {
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "valueQuantity": {"value": value, "unit": unit},
        "referenceRange": ranges,
    }
    panel = {"code": {"coding": [{"system": LOINC, "code": within}]}, "component": [result]}
    sent = {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2026-11-01",
    } | (panel if within else result)
    reader = Reader(VOCABULARY, "p1", NOW, UTC)
    reader.read(decode(json.dumps(sent).encode()).resources)
    [found] = next(iter(reader.finish().facts.values()))
    return found


def q(value: Any, unit: str | None = "U/mL", **more: Any) -> dict[str, Any]:
    return {"value": value} | ({"unit": unit} if unit else {}) | more


def normal(**more: Any) -> dict[str, Any]:
    return {"type": {"coding": [{"system": MEANING, "code": "normal"}]}, "high": q(37), **more}


@pytest.mark.parametrize(
    ("sent", "low", "high"),
    [
        ([{"low": q(0), "high": q(37)}], 0, 37),
        ([{"high": q(37)}], None, 37),
        ([{"low": q(5)}], 5, None),
        ([{"low": q(0, None), "high": q(37, None)}], 0, 37),  # in the value's unit
        ([{"low": q("0"), "high": q("37.5")}], 0, 37.5),
        ([{"low": {"unit": "U/mL"}, "high": q(37)}], None, 37),
        ({"high": q(37)}, None, 37),
        ([{"high": q(37000, "U/L")}], None, 37),
    ],
)
def test_limits_are_read(sent: Any, low: float | None, high: float | None) -> None:
    kept = fact(sent).reference_range
    assert kept is not None
    assert (kept.low, kept.high) == (low, high)
    assert kept.written == (low, high)


def test_a_component_has_its_own_range() -> None:
    kept = fact([{"high": q(37)}], within="24331-1").reference_range
    assert kept is not None and kept.high == 37


def test_a_range_is_converted_with_its_value_and_kept_as_sent_beside() -> None:
    kept = fact([{"low": q(4, "mmol/L"), "high": q(6, "mmol/L")}], "2345-7", 7.0, "mmol/L").reference_range
    assert kept is not None
    assert [kept.low, kept.high] == pytest.approx([72.06, 108.09], abs=0.01)
    assert kept.written == (4, 6)


def test_a_range_in_another_unit_than_its_value_is_told_in_the_values() -> None:
    kept = fact([{"low": q(72.0624, "mg/dL"), "high": q(6.0, "mmol/L")}], "2345-7", 7.0, "mmol/L").reference_range
    assert kept is not None
    assert list(kept.written) == pytest.approx([4.0, 6.0])
    offset = fact([{"high": q(6.0, "%")}], "4548-4", 48, "mmol/mol").reference_range
    assert offset is not None
    assert offset.written[1] == pytest.approx(42.06, abs=0.01)


@pytest.mark.parametrize(
    "sent",
    [
        [{"high": q(37, "furlong")}],
        [{"low": q(0), "high": q(37, "mg/dL")}],  # one limit that can't be converted costs both
        [{"high": q(37, "U/mL", code="U/L")}],  # of text and code one is wrong
        [{"low": q(37), "high": q(0)}],
        [{"low": q(0), "high": q(0)}],
        [{"high": q("37,5")}],
        [{"high": q("nan")}],
        [{"high": q(37, comparator="<")}],
        [{"high": [37]}],
        [{"low": {"value": {"value": 1}}}],
        [{"high": q(37)}, "0-37"],
        "0-37",
        [],
        [None],
        None,
        [{}],
    ],
)
def test_an_ill_written_range_costs_itself_and_never_the_value(sent: Any) -> None:
    found = fact(sent)
    assert found.reference_range is None
    assert (found.value, found.original) == (412, "412 U/mL")


MEN, OLD = {"appliesTo": [{"text": "male"}]}, {"age": {"low": {"value": 60, "unit": "a"}}}


@pytest.mark.parametrize(
    "sent",
    [
        [{"high": q(50), **MEN}, {"high": q(37)}],
        [{"high": q(37)}, {"high": q(90), **OLD}],
        [normal(), {"high": q(90)}],
        [{"high": q(90), "type": {"coding": [{"system": MEANING, "code": "treatment"}]}}, normal()],
        [normal(), {"high": q(90), "type": {"text": "critical"}}],
    ],
)
def test_of_several_the_one_for_everybody_is_taken(sent: Any) -> None:
    kept = fact(sent).reference_range
    assert kept is not None and kept.high == 37


@pytest.mark.parametrize(
    "sent",
    [
        [{"high": q(37), **MEN}, {"high": q(50), **OLD}],
        [{"high": q(37), **MEN}],
        [{"high": q(37)}, {"high": q(50)}],
        [normal(), normal(high=q(50))],
        [{"high": q(37), "type": {"coding": [{"system": MEANING, "code": "therapeutic"}]}}],
        [{"high": q(37), "type": {"coding": [{"system": "https://local", "code": "normal"}]}}],
    ],
)
def test_where_it_is_not_plain_which_is_the_patients_there_is_none(sent: Any) -> None:
    assert fact(sent).reference_range is None


@pytest.mark.parametrize("text", ["< 37", "0 - 37 U/mL", "0,5–1,2", "0 tot 37", "≤37 kU/L", "3.5-5.0 10*9/L"])
def test_a_range_in_words_is_kept_in_its_words(text: str) -> None:
    assert fact([{"text": text}]).reference_range == ReferenceRange(text=text)


@pytest.mark.parametrize(
    "text",
    ["negative", "37 for Mr Jansen", "0-37 Jansen", "see 1 Jan 1960 letter", "<b>37</b>", "9" * 40, "37 %{Jan}"],
)
def test_words_that_are_no_range_are_not_kept(text: str) -> None:
    assert fact([{"text": text}]).reference_range is None


def test_limits_say_more_than_words() -> None:
    kept = fact([{"high": q(37), "text": "0-40"}]).reference_range
    assert kept is not None and kept.text == ""


def test_a_value_on_a_limit_is_inside_however_it_was_converted() -> None:
    for tenths in range(30, 90):
        value = tenths / 10
        for limit in ({"low": q(value * 18.0156 * (1 + 1e-12), "mg/dL")}, {"high": q(value * (1 - 1e-12), "mmol/L")}):
            found = fact([limit], "2345-7", value, "mmol/L")
            assert found.value is not None and found.reference_range is not None
            assert found.reference_range.side(found.value) == ""


@pytest.mark.parametrize(("value", "side"), [(-0.1, "below"), (0, ""), (37, ""), (37.1, "above")])
def test_outside_is_beyond_a_limit_that_was_sent(value: float, side: str) -> None:
    assert ReferenceRange(low=0, high=37).side(value) == side
    assert ReferenceRange(text="0-37").side(value) == ""


def test_one_range_under_two_units_of_the_value_is_two() -> None:
    sent = [{"high": q(6, None)}]
    first, second = (fact(sent, "2345-7", 5, unit).reference_range for unit in ("mmol/L", "mg/dL"))
    assert first is not None and second is not None
    assert first.high == pytest.approx(108.09, abs=0.01)
    assert second.high == 6


def test_a_fact_survives_the_snapshot_and_one_kept_before_there_were_ranges_is_read() -> None:
    found = fact([{"low": q(0), "high": q(37)}])
    kept = msgspec.json.encode(found)
    assert msgspec.json.decode(kept, type=Fact) == found
    before = {name: value for name, value in json.loads(kept).items() if name != "reference_range"}
    assert msgspec.json.decode(json.dumps(before), type=Fact) == msgspec.structs.replace(found, reference_range=None)
