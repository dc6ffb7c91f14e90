"""A drug ordered by its SNOMED CT substance is known by it, as by ATC and RxNorm."""

from __future__ import annotations

import pytest
from story_house import House
from test_orders_as_sent import ATC, SNOMED, ordered, sign

FLUOROURACIL, IRINOTECAN, OXALIPLATIN = "387172005", "372538008", "395814003"
GEMCITABINE, NAB, CISPLATIN, CAPECITABINE = "386920008", "426653008", "387318005", "386906001"


@pytest.mark.parametrize(
    ("codes", "regimen"),
    [
        ((FLUOROURACIL, IRINOTECAN, OXALIPLATIN), "FOLFIRINOX ordered"),
        ((GEMCITABINE, NAB), "gemcitabine + nab-paclitaxel ordered"),
        ((GEMCITABINE, "387374002"), "gemcitabine + nab-paclitaxel ordered"),
        ((GEMCITABINE,), "gemcitabine ordered"),
    ],
)
def test_a_regimen_of_substances_is_that_regimen(house: House, codes: tuple[str, ...], regimen: str) -> None:
    (card,) = sign(house, *(ordered((SNOMED, code)) for code in codes))
    assert regimen in card["summary"]


def test_another_cancer_drug_makes_it_another_regimen(house: House) -> None:
    for other in (CISPLATIN, "386905002", "386918005", CAPECITABINE):
        assert sign(house, ordered((ATC, "L01BC05")), ordered((SNOMED, other))) == []


@pytest.mark.parametrize("code", [FLUOROURACIL, CAPECITABINE])
def test_a_fluoropyrimidine_brings_its_dose(house: House, code: str) -> None:
    (card,) = sign(house, ordered((SNOMED, code)), service="pancreas-dosing")
    assert card["summary"] == "No DPYD result on record before the first fluoropyrimidine"
