"""An order that is being signed is one, whatever day it is dated: a cycle's later days are."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House, untold
from test_orders_as_sent import ATC, CAPECITABINE, FOLFIRINOX, GEMCITABINE, NAB, ordered, sign

CISPLATIN = ordered((ATC, "L01XA01"), text="cisplatine")
AHEAD = {"authoredOn": "2026-11-30"}


def test_a_partner_dated_ahead_is_part_of_the_regimen(house: House) -> None:
    (card,) = sign(house, GEMCITABINE, NAB | AHEAD)
    assert "gemcitabine + nab-paclitaxel ordered" in card["summary"]
    assert sign(house, GEMCITABINE, ordered((ATC, "L01XA01")) | AHEAD) == []  # with cisplatin
    (card,) = sign(house, GEMCITABINE | AHEAD)
    assert "gemcitabine ordered" in card["summary"]


def test_a_fluoropyrimidine_dated_ahead_is_advised_on(house: House) -> None:
    (advice,) = sign(house, CAPECITABINE | AHEAD, service="pancreas-dosing")
    assert "No DPYD result on record" in advice["summary"]


def standing(order: dict[str, Any], on: str | None, id: str = "standing", status: str = "active") -> dict[str, Any]:
    sent = {key: value for key, value in order.items() if key != "authoredOn"}
    return sent | {"id": id, "status": status} | ({"authoredOn": on} if on else {})


def test_a_standing_partner_of_the_day_after_tomorrow_is_of_this_cycle(house: House) -> None:
    untold(house)
    assert sign(house, GEMCITABINE, beside=(standing(CISPLATIN, "2026-11-25"),)) == []
    assert ("pancreas-survival", "unrecognised-regimen") in untold(house)
    (card,) = sign(house, GEMCITABINE, beside=(standing(NAB, "2026-11-25"),))
    assert "gemcitabine + nab-paclitaxel ordered" in card["summary"]
    for order in (standing(CISPLATIN, "2026-11-25", status="completed"), standing(GEMCITABINE, "2026-11-25")):
        (card,) = sign(house, GEMCITABINE, beside=(order,))
        assert "gemcitabine ordered" in card["summary"] and "without a day" not in card["detail"]
    # signed off beside it
    drafted = standing(CISPLATIN, "2026-11-25", status="stopped")
    (card,) = sign(house, GEMCITABINE, drafted, beside=(standing(CISPLATIN, "2026-11-25"),))
    assert "gemcitabine ordered" in card["summary"]


@pytest.mark.parametrize("on", [None, "2026-11-30"])
@pytest.mark.parametrize("partner", [CISPLATIN, ordered(text="cisplatine")])
def test_a_standing_order_without_a_day_or_of_a_later_one_is_named(
    house: House, partner: dict[str, Any], on: str | None
) -> None:
    orders = (standing(partner, on), standing(partner, on, "second"), standing(GEMCITABINE, on, "own"))
    (card,) = sign(house, GEMCITABINE, beside=orders)
    assert "gemcitabine ordered" in card["summary"]
    assert (
        "One cancer drug is ordered without a day, or for a day after this cycle: cisplatine. If it is part of this "
        "regimen, this estimate does not hold." in card["detail"]
    )
    both = (*orders, standing(CAPECITABINE, on, "other"))
    assert "2 cancer drugs are ordered without a day" in sign(house, GEMCITABINE, beside=both)[0]["detail"]
    (card,) = sign(house, GEMCITABINE, beside=orders, language="nl")
    assert "voor een dag na deze kuur: cisplatine. Hoort het bij dit schema" in card["detail"]
    assert "without a day" not in sign(house, GEMCITABINE, beside=orders[2:])[0]["detail"]
    # signed off beside it
    (card,) = sign(house, GEMCITABINE, orders[0] | {"status": "stopped"}, beside=orders[:1])
    assert "without a day" not in card["detail"]


def test_the_other_form_of_irinotecan_without_a_day_is_none_beside_it(house: House) -> None:
    irinotecan = standing(ordered((ATC, "L01CE02"), text="Onivyde"), None)
    assert "without a day" not in sign(house, *FOLFIRINOX, beside=(irinotecan,))[0]["detail"]
