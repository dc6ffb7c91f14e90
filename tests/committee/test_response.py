"""Clinicians who no longer do what cards propose are seen, in a hospital that accepts half of them or every tenth."""

from __future__ import annotations

from datetime import timedelta

import pytest
from committee_room import NOW

from cds.committee.burden import answered
from cds.committee.charter import Charter
from cds.ledger.response import GivenCard
from cds.measures.estimate import Estimate, NotEnough

CHARTER = Charter.model_validate({"name": "n", "author": "a", "approver": "b", "effective": "2026-01-01"})


def cards(accepted: int, of: int) -> list[GivenCard]:
    return [
        GivenCard(
            str(n), NOW - timedelta(days=1), f"p{n}", "u", "risk", False, "accepted" if n < accepted else None, None
        )
        for n in range(of)
    ]


@pytest.mark.parametrize(
    ("now", "before", "level"),
    [
        ((40, 100), (240, 600), "green"),
        ((25, 100), (240, 600), "green"),  # 25 of 100 may still be chance
        ((20, 100), (240, 600), "watch"),
        ((8, 100), (240, 600), "act"),
        ((0, 100), (240, 600), "act"),
        ((10, 100), (60, 600), "green"),
        ((12, 300), (200, 2000), "watch"),
        ((90, 100), (240, 600), "green"),
    ],
)
def test_the_share_that_is_accepted_is_held_against_what_it_was(
    now: tuple[int, int], before: tuple[int, int], level: str
) -> None:
    assert answered("m", cards(*now), cards(*before), CHARTER).level == level


def test_few_cards_or_a_hospital_that_never_answered_say_nothing() -> None:
    assert answered("m", cards(0, 20), cards(200, 400), CHARTER).result == NotEnough("cards", 20, 30)
    assert answered("m", cards(0, 200), cards(5, 10), CHARTER).result == NotEnough("cards", 10, 30)
    found = answered("m", cards(0, 200), cards(3, 400), CHARTER).result
    assert found == NotEnough("accepted cards in the baseline", 3, 20)


def test_nothing_accepted_any_more_has_an_upper_limit_all_the_same() -> None:
    found = answered("m", cards(0, 100), cards(240, 600), CHARTER).result
    assert isinstance(found, Estimate)
    assert (found.value, found.lower) == (0.0, 0.0) and 0.05 < found.upper < 0.2
