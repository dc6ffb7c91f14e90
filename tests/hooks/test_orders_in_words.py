"""A regimen ordered in words alone or under a brand: no estimate rests on a text, and silence is no answer."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House, untold
from test_orders_as_sent import ATC, GEMCITABINE, NAB_TEXT, RXNORM, UNREAD, ordered, sign

from hooks import stories

GPK = "urn:oid:2.16.840.1.113883.2.4.4.1"


@pytest.mark.parametrize(
    ("text", "bound"),
    [("Taxol", False), ("Apealea 60 mg", False), ("nab-paclitaxel, geen Taxol", True), ("paclitaxel 125 mg/m2", True)],
)
def test_paclitaxel_under_a_brand_without_albumin_is_not_taken_for_the_form_with(
    house: House, text: str, bound: bool
) -> None:
    (card,) = sign(house, GEMCITABINE, ordered((ATC, "L01CD01"), text=text))
    if bound:
        assert "gemcitabine + nab-paclitaxel ordered" in card["summary"]
        return
    assert card["summary"] == UNREAD and "1 of the orders could not be read" in card["detail"]
    assert "under a brand that is not bound to albumin" in card["detail"]
    (card,) = sign(house, GEMCITABINE, ordered((ATC, "L01CD01"), text=text), language="nl")
    assert "onder een merk dat niet aan albumine is gebonden" in card["detail"]


@pytest.mark.parametrize(
    ("orders", "count", "named"),
    [
        (
            [ordered(text=drug) for drug in ("Eloxatin", "Campto", "5-FU")],
            3,
            "oxaliplatin, irinotecan, and fluorouracil",
        ),
        ([ordered((GPK, "1"), text="mFOLFIRINOX kuur 1")], 1, "fluorouracil, irinotecan, and oxaliplatin"),
        ([ordered(text="mFOLFIRINOX kuur 1")], 1, "fluorouracil, irinotecan, and oxaliplatin"),
        ([ordered(text="Gemzar 1000 mg/m2"), ordered(text="ondansetron 8 mg")], 1, "gemcitabine"),
        (
            [ordered((RXNORM, "1736781"), text="gemcitabine 38 MG/ML Injection"), NAB_TEXT],
            2,
            "gemcitabine and paclitaxel",
        ),
        ([ordered(text="Onivyde"), ordered(text="geen oxaliplatin")], 1, "irinotecan"),
    ],
)
def test_a_regimen_ordered_in_words_alone_gets_no_estimate_and_is_not_passed_over(
    house: House, orders: list[dict[str, Any]], count: int, named: str
) -> None:
    (card,) = sign(house, *orders)
    assert card["summary"] == UNREAD
    assert (
        f"{count} of the orders could not be read" in card["detail"]
        and "No drug of a first-line regimen was read." in card["detail"]
    )
    assert f"which is not enough for an estimate: {named}." in card["detail"]
    (card,) = sign(house, *orders, language="nl")
    assert "voor een schatting niet genoeg is: " in card["detail"]
    assert sign(house, *orders, story=stories.story("no-complaints")) == []  # no cancer: none of our business


@pytest.mark.parametrize(
    "texts",
    [
        ("ondansetron 8 mg voor FOLFIRINOX",),
        ("stop gemcitabine",),
        ("gemcitabine", "cisplatine"),  # none of ours, as with their codes
        ("Xeloda 500 mg",),
    ],
)
@pytest.mark.parametrize("codings", [(), ((GPK, "1"),)])  # a code that nobody here knows tells no more
def test_words_that_order_no_regimen_of_ours_bring_no_card(
    house: House, texts: tuple[str, ...], codings: tuple[tuple[str, str], ...]
) -> None:
    untold(house)
    assert sign(house, *(ordered(*codings, text=text) for text in texts)) == []
    assert ("pancreas-survival", "drugs-not-told") in untold(house)
