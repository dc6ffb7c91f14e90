"""What somebody proposed, or a patient may take one day, was neither ordered nor given: it hides no card."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House
from test_orders_as_sent import ATC, FOLFIRINOX, GEMCITABINE, NAB, ordered, sign

CAPECITABINE = ordered((ATC, "L01BC06"), status="active", authoredOn="2025-10-15", id="cape")


def proposed(order: dict[str, Any], on: str, number: int = 0) -> dict[str, Any]:
    return order | {"id": f"proposed-{number}", "status": "active", "intent": "proposal", "authoredOn": on}


def dosing(house: House, before: dict[str, Any]) -> list[str]:
    return [card["summary"] for card in sign(house, *FOLFIRINOX, beside=(before,), service="pancreas-dosing")]


def test_a_proposed_fluoropyrimidine_was_not_ordered_before(house: House) -> None:
    untested = ["No DPYD result on record before the first fluoropyrimidine"]
    assert dosing(house, proposed(CAPECITABINE, "2025-10-15")) == untested
    assert dosing(house, CAPECITABINE) == []  # ordered


@pytest.mark.parametrize("on", ["2026-11-22", "2026-10-15"])
def test_a_regimen_that_was_proposed_is_neither_ordered_beside_nor_an_earlier_line(house: House, on: str) -> None:
    before = tuple(proposed(order, on, number) for number, order in enumerate(FOLFIRINOX))
    (card,) = sign(house, GEMCITABINE, NAB, beside=before)
    assert card["summary"].startswith("Prognosis information available")


def test_a_proposal_that_is_signed_is_an_order(house: House) -> None:
    (card,) = sign(house, *(order | {"intent": "proposal"} for order in FOLFIRINOX))
    assert "FOLFIRINOX ordered" in card["summary"]
