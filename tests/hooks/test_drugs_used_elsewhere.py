"""What is ordered beside a regimen for the skin, the eye or another disease makes it no other regimen."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House
from test_orders_as_sent import ATC, GEMCITABINE, ordered, sign

CREAM = ordered((ATC, "L01BC02"), text="fluorouracil")
ON_THE_SKIN = {"dosageInstruction": [{"route": {"coding": [{"system": "http://snomed.info/sct", "code": "6064005"}]}}]}
METHOTREXATE = ordered((ATC, "L01BA01"), text="methotrexaat 10 mg 1x per week")


def standing(order: dict[str, Any], on: str = "2026-11-22") -> dict[str, Any]:
    return order | {"id": f"standing-{on}", "status": "active", "authoredOn": on}


def test_a_cream_is_neither_a_partner_nor_an_earlier_line(house: House) -> None:
    assert sign(house, GEMCITABINE, CREAM) == []  # given nothing of its route it is another regimen
    cream = CREAM | ON_THE_SKIN
    for drafted, beside in (
        ((GEMCITABINE, cream), ()),
        ((GEMCITABINE,), (standing(cream),)),
        ((GEMCITABINE,), (standing(cream, "2026-10-10"),)),
    ):
        (card,) = sign(house, *drafted, beside=beside)
        assert "gemcitabine ordered" in card["summary"] and "fluorouracil" not in card["detail"]
    (card,) = sign(house, GEMCITABINE, beside=(standing(CREAM, "2026-10-10"),))
    assert "has fluorouracil of 10 Oct 2026, which is taken for earlier treatment" in card["detail"]


@pytest.mark.parametrize("code", ["L01BA01", "L01AA01", "L01FG01", "L01XX35"])
def test_a_drug_for_another_disease_in_the_same_days_is_told_of(house: House, code: str) -> None:
    drug = ordered((ATC, code), text="een middel")
    for drafted, beside in (((GEMCITABINE, drug), ()), ((GEMCITABINE,), (standing(drug),))):
        (card,) = sign(house, *drafted, beside=beside)
        assert "gemcitabine ordered" in card["summary"]
        assert "One drug ordered with this cycle is used in cancer and in other diseases: een middel." in card["detail"]
        (card,) = sign(house, *drafted, beside=beside, language="nl")
        assert "Eén geneesmiddel dat bij deze kuur is voorgeschreven" in card["detail"]


def test_such_a_drug_hides_neither_words_nor_a_partner(house: House) -> None:
    (card,) = sign(house, METHOTREXATE, ordered(text="gemcitabine"))
    assert "an order could not be read" in card["summary"]
    assert sign(house, METHOTREXATE, GEMCITABINE, ordered((ATC, "L01XA01"))) == []  # with cisplatin
    assert sign(house, METHOTREXATE) == []
