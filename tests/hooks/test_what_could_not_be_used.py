"""A result in a form that can't be used is named on the risk card, as it was sent, once, and only while it matters."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import NOW, TODAY, House

from cds.cards.by_manifest import _speaks_of_it
from cds.inference.prediction import NotAssessed
from cds.record.facts import Record
from cds.record.moments import parse
from hooks import stories

WRONG = stories.story("wrong-unit")


def result(code: str, value: float, unit: str | None, day: str) -> dict[str, Any]:
    quantity = {"value": value} | ({"unit": unit} if unit else {})
    return {
        "resourceType": "Observation",
        "id": f"{code}-{day}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{WRONG.id}"},
        "effectiveDateTime": day,
        "valueQuantity": quantity,
    }


def bound(code: str, sign: str, value: float, unit: str, day: str) -> dict[str, Any]:
    made = result(code, value, unit, day)
    made["valueQuantity"]["comparator"] = sign
    return made


def detail(house: House, *beside: dict[str, Any], language: str = "en") -> str:
    (card,) = house.ask(WRONG, "patient-view", language, beside)["pancreas-risk"]
    return str(card["detail"])


def test_an_hba1c_in_grams_per_litre_is_named_although_no_model_asks_for_it(house: House) -> None:
    assert "Sent and could not be used: HbA1c (sent as 7.6 g/L, which is not a unit for it)." in detail(house)


def test_a_number_is_written_as_the_reader_writes_it(house: House) -> None:
    assert "HbA1c (aangeleverd als 7,6 g/L; dat is er geen eenheid voor)" in detail(house, language="nl")


def test_one_refused_glucose_is_one_entry_however_many_inputs_it_was_for(house: House) -> None:
    """The newest value, not the one of a year before; and the weight, which is on record, is not called missing."""
    told = detail(house)
    assert "END-PAC could not be worked out: fasting glucose (sent as 148, without a unit)." in told
    assert told.count("fasting glucose") == 1
    assert "change in weight" not in told


def test_a_usable_result_after_it_answers_it(house: House) -> None:
    assert "g/L" not in detail(house, result("4548-4", 6.1, "%", "2026-11-10"))


def test_a_usable_result_before_it_does_not(house: House) -> None:
    assert "7.6 g/L" in detail(house, result("4548-4", 5.4, "%", "2026-01-10"))


@pytest.mark.parametrize(
    ("code", "value", "unit", "told"),
    [
        ("24108-3", 812, None, "CA 19-9 (sent as 812, without a unit)"),
        ("1975-2", 4.1, "mg", "total bilirubin (sent as 4.1 mg, which is not a unit for it)"),
        ("2345-7", 0.004, "furlong", "glucose (sent as 0.004 furlong, which is not a unit for it)"),
    ],
)
def test_so_is_every_result_the_card_would_speak_of(
    house: House, code: str, value: float, unit: str | None, told: str
) -> None:
    assert told in detail(house, result(code, value, unit, "2026-11-10"))


def test_a_result_too_old_to_matter_is_left_alone(house: House) -> None:
    assert "CA 19-9" not in detail(house, result("24108-3", 812, None, "2025-11-10"))


HBA1C, FASTING, WEIGHT = "4548-4", "1558-6", "29463-7"
RISE = (result(FASTING, 98, "mg/dL", "2025-09-10"), bound(FASTING, ">", 500, "mg/dL", "2026-09-10"))
LOSS = (result(WEIGHT, 88, "kg", "2025-09-10"), result(WEIGHT, 79, "kg", "2026-09-10"))
THIN = {
    "resourceType": "Condition",
    "id": "thin",
    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "89362005"}]},
    "subject": {"reference": f"Patient/{WRONG.id}"},
    "recordedDate": "2026-11-01",
}


def of_someone(house: House, *chart: dict[str, Any], language: str = "en") -> list[dict[str, Any]]:
    patient = {"resourceType": "Patient", "id": WRONG.id, "gender": "male", "birthDate": "1955-03-02"}
    return house.cards_for("pancreas-risk", patient, *chart, language=language)


def test_a_result_above_what_the_analyser_measures_is_a_rise_and_shown_as_the_bound_it_is(house: House) -> None:
    rise = (result(HBA1C, 5.4, "%", "2025-09-10"), bound(HBA1C, ">=", 14, "%", "2026-09-10"))
    (card,) = of_someone(house, THIN, *rise)
    assert card["summary"].startswith("Weight loss and new-onset diabetes at 71")
    assert "more: >=14 % (10 Sep 2026), earlier 5.4 % (10 Sep 2025)" in card["detail"]


def test_beside_it_the_score_that_needs_the_number_says_so_once(house: House) -> None:
    (card,) = of_someone(house, THIN, *RISE, *LOSS)
    assert "END-PAC could not be worked out: fasting glucose at onset (known only as >500 mg/dL)." in card["detail"]
    assert "Sent and could not be used" not in card["detail"]


@pytest.mark.parametrize(
    ("language", "sent", "said"),
    [
        ("en", (*RISE, *LOSS), "Sent and could not be used: fasting glucose (known only as >500 mg/dL)."),
        ("nl", (*RISE, *LOSS), "Aangeleverd en niet bruikbaar: nuchtere glucose (alleen bekend als >500 mg/dL)."),
        (
            "en",
            (bound(HBA1C, ">", 5, "%", "2026-09-10"),),
            "Sent and could not be used: HbA1c (known only as >5 %).",
        ),
    ],
)
def test_where_nothing_else_speaks_a_bound_is_no_silence(
    house: House, language: str, sent: tuple[dict[str, Any], ...], said: str
) -> None:
    (card,) = of_someone(house, *sent, language=language)
    assert (card["indicator"], card.get("suggestions", [])) == ("info", [])
    assert said in card["detail"]


@pytest.mark.parametrize(
    ("language", "sent", "first"),
    [
        ("en", (*RISE, *LOSS), "A result at or above the diagnostic value could not be scored; this is no low risk."),
        ("nl", (*RISE, *LOSS), "Een uitslag op of boven de diagnostische waarde kon niet in de score worden"),
        ("en", (bound(HBA1C, ">", 5, "%", "2026-09-10"),), "What could be read meets no criterion"),
        ("en", (*RISE[:1], bound(FASTING, ">", 100, "mg/dL", "2026-09-10"), *LOSS), "What could be read meets no"),
    ],
)
def test_a_bound_beyond_the_diagnostic_value_is_not_nothing_alarming(
    house: House, language: str, sent: tuple[dict[str, Any], ...], first: str
) -> None:
    (card,) = of_someone(house, *sent, language=language)
    assert card["detail"].startswith(first)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param((bound(HBA1C, ">", 14, "%", "2026-09-10"),), id="high, and nothing lower before it"),
        pytest.param((bound(HBA1C, "<", 4.3, "%", "2026-09-10"),), id="low"),
        pytest.param((bound(HBA1C, ">", 5, "%", "2022-09-10"),), id="too old to matter"),
        pytest.param((RISE[1],), id="glucose, and nothing lower before it"),
    ],
)
def test_a_bound_no_answer_hangs_on_is_left_alone(house: House, sent: tuple[dict[str, Any], ...]) -> None:
    assert of_someone(house, *sent) == []


JAUNDICE = stories.story("cholestasis")


def of_the_marker(house: House, value: float, **more: Any) -> str:
    sent = result("24108-3", value, "U/mL", "2026-11-22")
    sent["subject"] = {"reference": f"Patient/{JAUNDICE.id}"}
    sent["valueQuantity"] |= more
    (card,) = house.ask(JAUNDICE, "patient-view", beside=(sent,))["pancreas-risk"]
    return "".join(line for line in card["detail"].splitlines() if "CA 19-9" in line)


def test_a_marker_that_is_not_raised_is_not_explained_away(house: House) -> None:
    """Low under jaundice it shows nothing, and "rises without cancer" would be said of a value that did not rise."""
    assert of_the_marker(house, 9.0) == ""
    assert of_the_marker(house, 60.0, comparator="<") == ""
    assert "in cholestasis it rises without cancer" in of_the_marker(house, 90.0)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "Largest diameter of the cyst (250 mm is outside the range that the model reads)"),
        ("nl", "Grootste diameter van de cyste (250 mm ligt buiten het bereik dat het model leest)"),
    ],
)
def test_a_size_no_cyst_has_is_named_where_the_rules_hang_on_it(house: House, language: str, said: str) -> None:
    """Left out in silence, it would look as if there were nothing to say of the cyst."""
    story = stories.story("ipmn-followup")
    newest = next(
        r
        for r in stories.build(story, TODAY)
        if r["resourceType"] == "Observation" and r["code"]["coding"][0]["code"] == "cyst-size"
    )
    wrong = {**newest, "id": "typed", "effectiveDateTime": "2026-11-20"}
    wrong["valueQuantity"] = {**newest["valueQuantity"], "value": 250}
    (card,) = house.ask(story, "patient-view", language, (wrong,))["pancreas-care"]
    assert said in card["detail"]
    assert not card.get("suggestions")


def test_an_age_the_rules_are_not_for_is_no_doubtful_number(house: House) -> None:
    """Else every child's chart would say that the Scottish criteria could not be read."""
    model = house.engine.models.models["scottish-referral"]
    child = Record(now=NOW, patient_id="p", birth=parse("2016-05-01"), male=False)
    child.arrange()
    found = model.assess(child)
    assert isinstance(found, NotAssessed)
    card = model.manifest.card
    assert card is not None
    assert not _speaks_of_it(found, card)
