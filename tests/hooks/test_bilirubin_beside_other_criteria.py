"""Bilirubin leads a card on which another criterion holds, too: what that asks for where there is no jaundice stands
beside it, with its findings; and jaundice that nobody could look for is not called unrecorded."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House
from test_diabetes_known_before import RISE, TYPE_2
from test_diabetes_without_a_date import undated
from test_jaundice_by_bilirubin import PATIENT, QUIET, bilirubin, problem

THIN, PAIN = problem("89362005", days_ago=6), problem("21522001", days_ago=6)
SUBJECT = {"subject": {"reference": f"Patient/{QUIET.id}"}}


@pytest.mark.parametrize(
    ("language", "asked", "findings"),
    [
        (
            "en",
            "If not, consider a CT of the pancreas within 2 weeks (urgent ultrasound if CT can't be had).**",
            ("- Weight loss, since 17 Nov 2026", "- Abdominal pain, since 17 Nov 2026"),
        ),
        (
            "nl",
            "Zo nee, overweeg binnen 2 weken een CT van de alvleesklier (spoedecho als CT niet kan).**",
            ("- Gewichtsverlies, sinds 17 nov 2026", "- Buikpijn, sinds 17 nov 2026"),
        ),
    ],
)
def test_the_scan_that_is_due_without_jaundice_is_asked_for(
    house: House, language: str, asked: str, findings: tuple[str, ...]
) -> None:
    (card,) = house.cards_for("pancreas-risk", PATIENT, bilirubin(205), THIN, PAIN, language=language)
    assert card["summary"].startswith("Bilirubin")
    assert card["detail"].partition("\n\n")[0].endswith(f" {asked}")  # what an EHR shows of it at once
    assert [line for line in findings if line not in card["detail"].splitlines()] == []
    (alone,) = house.cards_for("pancreas-risk", PATIENT, bilirubin(205), THIN, language=language)
    assert asked not in alone["detail"]


def test_diabetes_that_may_be_older_is_told_so_there_too(house: House) -> None:
    new = (THIN, problem("44054006", days_ago=30), *(one | SUBJECT for one in RISE), undated(TYPE_2) | SUBJECT)
    (card,) = house.cards_for("pancreas-risk", PATIENT, bilirubin(205), *new)
    assert card["summary"].startswith("Bilirubin")
    assert "If not, consider a CT" in card["detail"]
    assert card["detail"].count("Diabetes is on record without a date: it may be older.") == 1


@pytest.mark.parametrize(
    ("language", "summary", "told", "never"),
    [
        (
            "en",
            "Bilirubin 205 umol/L at 68, problem list not read whole: if jaundice shows, refer on the suspected cancer "
            "pathway (NICE NG12)",
            "- Bilirubin 205 umol/L (18 Nov 2026). Whether jaundice, or a cause of it, is on record could not be read:",
            ("not recorded", "No jaundice is recorded"),
        ),
        (
            "nl",
            "Bilirubine 205 umol/L, 68 jaar, probleemlijst niet in zijn geheel gelezen: verwijs bij geelzucht met "
            "spoed (NICE NG12)",
            "- Bilirubine 205 umol/L (18 nov 2026). Of geelzucht of een oorzaak ervan is vastgelegd, kon niet worden",
            ("geen geelzucht vastgelegd", "Geelzucht is niet vastgelegd"),
        ),
    ],
)
def test_jaundice_that_could_not_be_looked_for_is_not_called_unrecorded(
    house: House, language: str, summary: str, told: str, never: tuple[str, ...]
) -> None:
    chart: list[dict[str, Any]] = [PATIENT, bilirubin(205), THIN, PAIN]
    (card,) = house.cards_for("pancreas-risk", *chart, cut="conditions", language=language)
    assert card["summary"] == summary
    assert len(summary) < 140
    assert told in card["detail"]
    assert [text for text in never if text in card["summary"] + card["detail"]] == []
