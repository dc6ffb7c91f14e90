"""Diabetes on the problem list without a date may be older than a rise: the card says so, or the ledger does."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House
from test_diabetes_known_before import BARELY, DIABETES, PATIENT, SCORED, THIN, TYPE_2, problem, told

LOST_WEIGHT = problem(THIN, "2026-10-20")
TYPE_1 = "46635009"


def undated(code: str, clinical: str = "active") -> dict[str, Any]:
    entry = problem(code, "undated", clinical)
    del entry["onsetDateTime"]
    return entry


@pytest.mark.parametrize(
    ("rise", "headline"),
    [
        ((LOST_WEIGHT, *BARELY), "Weight loss and possibly new diabetes at 68"),
        (SCORED, "Possibly new diabetes with END-PAC score"),
    ],
)
@pytest.mark.parametrize("clinical", ["active", "resolved"])
def test_beside_a_rise_it_makes_the_diabetes_possibly_new(
    house: House, rise: tuple[dict[str, Any], ...], headline: str, clinical: str
) -> None:
    (card,) = house.cards_for("pancreas-risk", PATIENT, *rise, undated(TYPE_2, clinical))
    assert card["summary"].startswith(headline)
    why = card["detail"].partition("**How likely**")[0]
    assert "- Diabetes is on record without a date: it may be older.\n" in why


def test_of_type_1_it_does_so_too_and_it_is_said_in_dutch(house: House) -> None:
    (card,) = house.cards_for("pancreas-risk", PATIENT, LOST_WEIGHT, *BARELY, undated(TYPE_1), language="nl")
    assert card["summary"].startswith("Gewichtsverlies en mogelijk nieuwe diabetes")
    assert "- Diabetes staat zonder datum vastgelegd en bestaat mogelijk al langer.\n" in card["detail"]


def test_where_it_alone_makes_a_new_entry_no_first_the_reason_is_kept(house: House) -> None:
    chart = (LOST_WEIGHT, problem(TYPE_2, "2026-10-01"), undated(DIABETES))
    assert told(house, *chart) == ([], {("pancreas-risk", f"known-before (Condition/{DIABETES}-undated)")})
