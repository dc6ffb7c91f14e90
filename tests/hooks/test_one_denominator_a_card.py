"""The detail of a risk card tells chances of as many people, and the headline's as the headline told it: "4 in 100"
above "360 in 10,000" are two risks to who reads quickly."""

from __future__ import annotations

import re
from typing import Any

import pytest
from story_house import House
from test_bilirubin_and_a_guideline_not_asked import fail
from test_diabetes_known_before import PATIENT, SCORED, THIN, problem
from test_jaundice_by_bilirubin import PATIENT as QUIET
from test_jaundice_by_bilirubin import problem as of_quiet

_CHANCE = re.compile(r"\d[\d.,]* (?:in|op de) [\d.,]*\d")
_ABOUT = {"en": "about", "nl": "ongeveer"}
_OF = re.compile(r"\d[\d.,]* (?:in|op de) ([\d.,]*\d)")


def totals(text: str) -> set[str]:
    return set(_OF.findall(text))


def symptoms() -> list[dict[str, Any]]:
    return [of_quiet(code, days_ago=6) for code in ("21522001", "89362005", "64379006")]


@pytest.mark.parametrize("language", ["en", "nl"])
def test_a_headline_with_a_risk_and_what_stands_below_it(house: House, language: str) -> None:
    (card,) = house.cards_for("pancreas-risk", QUIET, *symptoms(), language=language)
    told = _CHANCE.findall(card["summary"])
    assert len(told) == 1 and card["detail"].count(f" (about {told[0]})".replace("about", _ABOUT[language])) == 1
    assert len(totals(card["detail"].replace(told[0], ""))) == 1


@pytest.mark.parametrize("language", ["en", "nl"])
@pytest.mark.parametrize("beside", [(), (problem(THIN, "2026-10-20"),)])
def test_a_card_of_the_score_has_one_way_of_telling_a_chance(
    house: House, language: str, beside: tuple[dict[str, Any], ...]
) -> None:
    (card,) = house.cards_for("pancreas-risk", PATIENT, *SCORED, *beside, language=language)
    assert "END-PAC" in card["detail"] and len(totals(card["summary"] + card["detail"])) == 1


@pytest.mark.parametrize("language", ["en", "nl"])
@pytest.mark.parametrize("asked", [True, False])
def test_a_headline_of_either_sex_is_of_as_many_as_both(
    house: House, monkeypatch: pytest.MonkeyPatch, language: str, asked: bool
) -> None:
    if not asked:
        fail(monkeypatch)
    sexless = {key: value for key, value in QUIET.items() if key != "gender"}
    (card,) = house.cards_for("pancreas-risk", sexless, *symptoms(), language=language)
    assert len(totals(card["summary"] + card["detail"])) == 1, card["summary"] + card["detail"]
