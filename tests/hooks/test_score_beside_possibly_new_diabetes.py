"""END-PAC stands on cards that another finding leads, too: where its diabetes may be older, its own line says so."""

from __future__ import annotations

import re
from typing import Any

import pytest
from story_house import House
from test_diabetes_known_before import HBA1C, OVER, PATIENT, SCORED, THIN, TYPE_2, problem, result
from test_diabetes_without_a_date import undated

from hooks import risk_chances

JAUNDICE = problem("18165001", "2026-11-10")
BILIRUBIN = result(HBA1C, 205, "2026-11-10") | {
    "code": {"coding": [{"system": "http://loinc.org", "code": "14631-6"}]},
    "valueQuantity": {"value": 205, "unit": "umol/L", "system": "http://unitsofmeasure.org", "code": "umol/L"},
}
BAND = (
    "of those with this band about {} had pancreatic cancer within 3 years in Minnesota, where the score was made, "
    "and about {} and about {} in two other populations."
)
# beside the guideline's threshold alone, and beside the risk of the same age and sex
OF_100 = BAND.format("3.6 in 100", "2 in 100", "2.6 in 100")
OF_10_000 = BAND.format("360 in 10,000", "200 in 10,000", "260 in 10,000")
WITHOUT_DATE = "Diabetes is on record without a date: it may be older."


def score_line(card: dict[str, Any], likely: str = "How likely") -> str:
    section = card["detail"].partition(f"**{likely}**\n")[2].partition("\n\n")[0]
    (line,) = [one for one in section.splitlines() if one.startswith("- END-PAC ")]
    return str(line)


@pytest.mark.parametrize(
    ("beside", "cut", "doubt"),
    [
        ((), "", ""),
        ((undated(TYPE_2),), "", WITHOUT_DATE),
        ((OVER,), "", "Diabetes of 2012 is on record as resolved: this may be the same."),
        ((), "conditions", "Older diabetes could not be ruled out: the problem list was not read whole."),
    ],
)
def test_on_a_card_of_jaundice_the_doubt_stands_with_the_score(
    house: House, beside: tuple[dict[str, Any], ...], cut: str, doubt: str
) -> None:
    (card,) = house.cards_for("pancreas-risk", PATIENT, JAUNDICE, *SCORED, *beside, cut=cut)
    assert card["summary"].startswith("Jaundice at 68")
    told = f" It holds only for new diabetes. {doubt}" if doubt else ""
    assert score_line(card) == f"- END-PAC 10, high: {OF_100}{told}"


def test_so_it_does_on_a_card_of_bilirubin(house: House) -> None:
    (card,) = house.cards_for("pancreas-risk", PATIENT, BILIRUBIN, *SCORED, undated(TYPE_2))
    assert card["summary"].startswith("Bilirubin 205 umol/L at 68")
    assert score_line(card) == f"- END-PAC 10, high: {OF_100} It holds only for new diabetes. {WITHOUT_DATE}"


def test_it_is_said_in_dutch(house: House) -> None:
    (card,) = house.cards_for("pancreas-risk", PATIENT, JAUNDICE, *SCORED, undated(TYPE_2), language="nl")
    assert score_line(card, "Hoe waarschijnlijk").endswith(
        "De score geldt alleen bij nieuwe diabetes. "
        "Diabetes staat zonder datum vastgelegd en bestaat mogelijk al langer."
    )


def test_what_the_reasons_tell_already_is_not_told_again(house: House) -> None:
    for leading in ((), (problem(THIN, "2026-10-20"),)):
        (card,) = house.cards_for("pancreas-risk", PATIENT, *leading, *SCORED, undated(TYPE_2))
        assert "ossibly new diabetes" in card["summary"]
        assert card["detail"].count(WITHOUT_DATE) == 1
        assert score_line(card) == f"- END-PAC 10, high: {OF_10_000}"


def test_the_bands_figures_are_those_of_the_report_and_say_of_whom(house: House) -> None:
    """Where a score was made it does best: that figure alone would promise too much elsewhere."""
    manifest = house.engine.models["endpac"].manifest
    band = next(o for o in manifest.outputs if o.name == "band")
    assert re.findall(r"\b(\d+) (?:in 1,000|and)", band.category_says["high"]["en"]) == ["36", "20", "26"]
    (card,) = house.cards_for("pancreas-risk", PATIENT, *SCORED)
    assert re.findall(r"about (\d+) in 10,000", score_line(card)) == ["360", "200", "260"]
    assert [round(1000 * share) for share in risk_chances.HIGH_BAND] == [36, 20, 26]
    assert "in Minnesota" in score_line(card)


@pytest.mark.parametrize(
    ("beside", "cut", "older"),
    [
        ((), "", []),
        ((undated(TYPE_2),), "", ["diabetes"]),
        ((OVER,), "", ["diabetes"]),
        ((), "conditions", ["diabetes"]),
    ],
)
def test_the_ledgers_row_keeps_the_doubt_for_the_report(
    house: House, beside: tuple[dict[str, Any], ...], cut: str, older: list[str]
) -> None:
    """The score's own tests of the patient decide it, which a report can't ask again: the record is not at hand."""
    (card,) = house.cards_for("pancreas-risk", PATIENT, JAUNDICE, *SCORED, *beside, cut=cut)
    stored = house.engine.ledger.card(card["uuid"])
    assert stored is not None
    call = house.engine.ledger.call(stored.call_id)
    assert call is not None
    (row,) = [p.inputs["age_at_onset"] for p in call.predictions if p.model == "endpac"]
    assert row.get("older", []) == older
