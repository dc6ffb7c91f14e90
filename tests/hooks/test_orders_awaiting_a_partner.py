"""A part of a regimen is signed, and its partners stand in the chart on a day that nobody knows: that is no silence."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House, untold
from test_orders_as_sent import ATC, FOLFIRINOX, GEMCITABINE, NAB, UNREAD, ordered, sign
from test_orders_dated_ahead import standing

from hooks import stories

FLUOROURACIL, LEUCOVORIN, IRINOTECAN, OXALIPLATIN = FOLFIRINOX
UNPLACED = "No survival estimate: which orders belong to this cycle is not clear"


def chart(*orders: dict[str, Any], on: str | None = None) -> tuple[dict[str, Any], ...]:
    return tuple(standing(order, on, f"standing-{n}") for n, order in enumerate(orders))


@pytest.mark.parametrize(
    ("drafted", "beside"),
    [
        ((FLUOROURACIL,), chart(OXALIPLATIN, IRINOTECAN)),
        ((OXALIPLATIN,), chart(FLUOROURACIL, IRINOTECAN)),
        ((OXALIPLATIN,), chart(FLUOROURACIL, LEUCOVORIN, IRINOTECAN, on="2026-12-01")),
        ((FLUOROURACIL, LEUCOVORIN), chart(ordered(text="mFOLFIRINOX"))),
        ((FLUOROURACIL, OXALIPLATIN), chart(ordered((ATC, "L01CE02"), text="Onivyde, geen liposomaal"))),
        ((NAB,), chart(GEMCITABINE)),
    ],
)
def test_a_part_of_a_regimen_whose_partners_have_no_day_brings_a_card(
    house: House, drafted: tuple[dict[str, Any], ...], beside: tuple[dict[str, Any], ...]
) -> None:
    (card,) = sign(house, *drafted, beside=beside)
    assert card["summary"] == UNPLACED and card["indicator"] == "info"
    assert "ordered without a day, or for a day after this cycle" in card["detail"]
    assert "That is no first-line regimen here on its own" in card["detail"]
    (card,) = sign(house, *drafted, beside=beside, language="nl")
    assert "welke voorschriften bij deze kuur horen, is niet duidelijk" in card["summary"]
    assert "zonder datum, of voor een dag na deze kuur" in card["detail"]
    # without the cancer, or without the partners, it is none of our business
    untold(house)
    assert sign(house, *drafted, beside=beside, story=stories.story("no-complaints")) == []
    assert sign(house, *drafted) == []
    assert ("pancreas-survival", "unrecognised-regimen") in untold(house)


def test_the_partners_are_named(house: House) -> None:
    beside = chart(IRINOTECAN, OXALIPLATIN | {"medicationCodeableConcept": {"text": "oxaliplatine"}})
    (card,) = sign(house, FLUOROURACIL, beside=beside)
    assert "Read: fluorouracil. That" in card["detail"]
    assert "2 cancer drugs are ordered without a day, or for a day after this cycle: irinotecan and" in card["detail"]
    assert "oxaliplatine. If they are part of this treatment" in card["detail"]


def test_beside_an_order_that_could_not_be_read_they_are_named_too(house: House) -> None:
    foreign = OXALIPLATIN | {"subject": {"reference": "Patient/another"}}
    story = stories.story("two-labs")
    orders = [FLUOROURACIL, foreign]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": order} for order in orders]}
    asked = house.ask(story, "order-sign", "en", chart(OXALIPLATIN, IRINOTECAN), draftOrders=bundle)
    (card,) = asked["pancreas-first-line"]
    assert card["summary"] == UNREAD and "2 cancer drugs are ordered without a day" in card["detail"]


@pytest.mark.parametrize(
    ("drafted", "beside"),
    [
        ((FLUOROURACIL,), chart(OXALIPLATIN)),  # FOLFOX
        ((FLUOROURACIL,), chart(GEMCITABINE, NAB)),
        ((LEUCOVORIN,), chart(FLUOROURACIL, OXALIPLATIN, IRINOTECAN)),
        ((ordered((ATC, "L01XA01")), FLUOROURACIL), chart(OXALIPLATIN, IRINOTECAN)),  # with cisplatin
    ],
)
def test_what_makes_up_no_regimen_here_brings_none(
    house: House, drafted: tuple[dict[str, Any], ...], beside: tuple[dict[str, Any], ...]
) -> None:
    assert sign(house, *drafted, beside=beside) == []


def test_a_partner_that_is_signed_off_is_not_awaited(house: House) -> None:
    beside = chart(OXALIPLATIN, IRINOTECAN)
    assert sign(house, FLUOROURACIL, beside[0] | {"status": "stopped"}, beside=beside) == []
