"""An order that is being signed is one, whatever day it is dated: a cycle's later days are."""

from __future__ import annotations

from story_house import House
from test_orders_as_sent import ATC, CAPECITABINE, GEMCITABINE, NAB, ordered, sign

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
