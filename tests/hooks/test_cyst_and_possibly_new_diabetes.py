"""New diabetes makes a cyst's card; where the record says it may be older, so does the card of either guideline."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House
from test_diabetes_known_before import DIABETES, HBA1C, PATIENT, TYPE_2, problem, result
from test_diabetes_without_a_date import undated

from cds.cards import by_manifest

CYST = problem("cyst", "2024-01-10") | {"code": {"coding": [{"system": "urn:cds:finding", "code": "ipmn"}]}}
SIZE = result(HBA1C, 15, "2026-10-30") | {
    "id": "cyst-size",
    "code": {"coding": [{"system": "urn:cds:finding", "code": "cyst-size"}]},
    "valueQuantity": {"value": 15, "unit": "mm", "system": "http://unitsofmeasure.org", "code": "mm"},
}
RISE = (result(HBA1C, 6.3, "2026-02-01"), result(HBA1C, 6.6, "2026-09-28"))
CHART = (PATIENT, CYST, SIZE, *RISE)
ONCE = (result(HBA1C, 6.6, "2020-05-01"), result(HBA1C, 5.6, "2021-05-01"))
HEADLINES = {
    "ipmn-european-2018": "Pancreatic cyst: relative indication for surgery (European guideline 2018)",
    "ipmn-kyoto-2024": "Pancreatic cyst with worrisome features (Kyoto guideline 2024)",
}
FOUND = "HbA1c first at 6.5% (48 mmol/mol) or more: 6.6 % (28 Sep 2026), earlier 6.3 % (1 Feb 2026)"

DOUBTS = [
    (
        (undated(TYPE_2),),
        "",
        "Diabetes is on record without a date: it may be older.",
        "Diabetes staat zonder datum vastgelegd en bestaat mogelijk al langer.",
    ),
    (
        ONCE,
        "",
        "HbA1c 6.6 % (1 May 2020), lower since: diabetes may be older.",
        "HbA1c 6,6 % (1 mei 2020), daarna lager: mogelijk al langer diabetes.",
    ),
    (
        (problem(DIABETES, "2012-03-01", "resolved"),),
        "",
        "Diabetes of 2012 is on record as resolved: this may be the same.",
        "Diabetes van 2012 staat vastgelegd als niet meer actueel: mogelijk is dit dezelfde aandoening.",
    ),
    (
        (),
        "conditions",
        "Older diabetes could not be ruled out: the problem list was not read whole.",
        "Dat er al langer diabetes is, kon niet worden uitgesloten: de probleemlijst is niet in zijn geheel gelezen.",
    ),
]


@pytest.fixture(params=list(HEADLINES))
def guideline(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The only model that has a card here: of the two the heavier would lead it."""
    found, model = by_manifest.findings, str(request.param)
    monkeypatch.setattr(by_manifest, "findings", lambda case, ids: found(case, [id for id in ids if id == model]))
    return model


def lines(card: dict[str, Any], heading: str) -> list[str]:
    section = card["detail"].partition(f"**{heading}**\n")[2].partition("\n\n")[0]
    return [line.removeprefix("- ") for line in section.splitlines()]


def test_new_diabetes_that_nothing_speaks_against_brings_no_doubt(house: House, guideline: str) -> None:
    (card,) = house.cards_for("pancreas-care", *CHART)
    assert card["summary"] == HEADLINES[guideline]
    assert lines(card, "Why") == [FOUND]


@pytest.mark.parametrize(("beside", "cut", "english", "dutch"), DOUBTS)
def test_where_it_may_be_older_the_card_says_so(
    house: House, guideline: str, beside: tuple[dict[str, Any], ...], cut: str, english: str, dutch: str
) -> None:
    (card,) = house.cards_for("pancreas-care", *CHART, *beside, cut=cut)
    assert card["summary"] == f"{HEADLINES[guideline]}: diabetes may be older"
    assert lines(card, "Why") == [FOUND, english]
    (card,) = house.cards_for("pancreas-care", *CHART, *beside, cut=cut, language="nl")
    assert card["summary"].endswith(f"{guideline[-4:]}): mogelijk al langer diabetes")
    assert lines(card, "Waarom")[1:] == [dutch]


NAMED = {"ipmn-european-2018": "New-onset diabetes", "ipmn-kyoto-2024": "New-onset diabetes within a year"}
SAID = {
    "ipmn-european-2018": "Relative: new-onset diabetes.",
    "ipmn-kyoto-2024": "Worrisome: new-onset diabetes within a year.",
}


def test_so_do_the_criterion_and_its_sentence(house: House, guideline: str) -> None:
    (sure,) = house.cards_for("pancreas-care", *CHART)
    assert f"Found: {NAMED[guideline]}.\n" in sure["detail"]
    assert f"- {SAID[guideline]}\n" in sure["detail"]
    (card,) = house.cards_for("pancreas-care", *CHART, undated(TYPE_2))
    assert f"Found: {NAMED[guideline]} (diabetes may be older).\n" in card["detail"]
    assert f"- {SAID[guideline]} But diabetes may be older.\n" in card["detail"]
    (dutch,) = house.cards_for("pancreas-care", *CHART, undated(TYPE_2), language="nl")
    assert "(mogelijk al langer diabetes).\n" in dutch["detail"]
    assert ". Mogelijk al langer diabetes.\n" in dutch["detail"]


def test_beside_a_finding_that_is_sure_the_headline_is_too(house: House, guideline: str) -> None:
    """Both guidelines make a rise of CA 19-9 as heavy as new diabetes."""
    marker = SIZE | {
        "id": "marker",
        "code": {"coding": [{"system": "http://loinc.org", "code": "24108-3"}]},
        "valueQuantity": {"value": 90, "unit": "U/mL", "system": "http://unitsofmeasure.org", "code": "U/mL"},
    }
    (card,) = house.cards_for("pancreas-care", *CHART, marker, undated(TYPE_2))
    assert card["summary"] == HEADLINES[guideline]
    assert f"{NAMED[guideline]} (diabetes may be older)" in card["detail"]


def test_the_model_beside_is_marked_too(house: House) -> None:
    (card,) = house.cards_for("pancreas-care", *CHART, undated(TYPE_2))
    assert "New-onset diabetes within a year (diabetes may be older)" in lines(card, "What other models say of it")[0]


def test_what_the_doubt_tells_is_not_missing_as_well(house: House, guideline: str) -> None:
    (card,) = house.cards_for("pancreas-care", *CHART, cut="conditions")
    missing = lines(card, "What is missing")
    assert "Jaundice or cholestasis (could not be read)." in missing
    assert not any("diabetes" in line for line in missing)


def test_a_doubt_about_what_both_guidelines_found_is_told_once(house: House) -> None:
    (card,) = house.cards_for("pancreas-care", *CHART, undated(TYPE_2))
    assert len(lines(card, "What other models say of it")) == 1
    assert card["detail"].count("it may be older") == 1


def test_a_cyst_that_another_finding_makes_telling_brings_no_doubt(house: House, guideline: str) -> None:
    large = SIZE | {"valueQuantity": SIZE["valueQuantity"] | {"value": 42}}
    (card,) = house.cards_for("pancreas-care", PATIENT, CYST, large, undated(TYPE_2), cut="conditions")
    assert card["summary"] == HEADLINES[guideline]
    assert "lder" not in "".join(lines(card, "Why"))


def test_where_only_another_model_rests_on_it_the_doubt_stands_with_that_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    telling = by_manifest.telling
    monkeypatch.setattr(by_manifest, "telling", lambda p: telling(p) if p.manifest.id == "ipmn-kyoto-2024" else [])
    (card,) = house.cards_for("pancreas-care", *CHART, undated(TYPE_2))
    assert lines(card, "What other models say of it")[1:] == ["Diabetes is on record without a date: it may be older."]
