"""An order that no code here tells is named by its code on every card that it keeps from being written."""

from __future__ import annotations

import pytest
from story_house import House
from test_orders_as_sent import ATC, RXNORM, SNOMED, ordered, sign

CAPECITABINE, FLUOROURACIL = (ordered((SNOMED, code)) for code in ("7000001", "7000002"))


@pytest.mark.parametrize(
    ("language", "one", "both"),
    [
        (
            "en",
            "One order could not be read, as no code here tells its drug: SNOMED CT 7000001. Check it.",
            "2 orders could not be read, as no code here tells their drug: SNOMED CT 7000001 and SNOMED CT 7000002",
        ),
        (
            "nl",
            "Eén voorschrift was niet te lezen, omdat geen code hier het middel vertelt: SNOMED CT 7000001.",
            "2 voorschriften waren niet te lezen, omdat geen code hier het middel vertelt: SNOMED CT 7000001 en",
        ),
    ],
)
def test_the_dosing_card_names_the_orders_it_could_not_read(house: House, language: str, one: str, both: str) -> None:
    (card,) = sign(house, CAPECITABINE, service="pancreas-dosing", language=language)
    assert one in card["detail"]
    (card,) = sign(house, CAPECITABINE, FLUOROURACIL, service="pancreas-dosing", language=language)
    assert both in card["detail"]


def test_what_is_told_is_a_plain_code_and_only_where_an_order_stands_in_the_way(house: House) -> None:
    (card,) = sign(house, ordered((SNOMED, "[a](http://b)")), service="pancreas-dosing")
    assert "](" not in card["detail"] and "no code here" not in card["detail"]
    (card,) = sign(house, ordered((ATC, "L01BC06")), CAPECITABINE, service="pancreas-dosing")
    assert card["summary"] == "No DPYD result on record before the first fluoropyrimidine"


@pytest.mark.parametrize(
    ("language", "summary", "said"),
    [
        ("en", "No survival estimate: an order could not be read", "No drug of a first-line regimen was read."),
        (
            "nl",
            "Geen overlevingsschatting: een voorschrift was niet te lezen",
            "Er is geen middel van een eerstelijnsschema gelezen.",
        ),
    ],
)
def test_where_no_drug_was_read_no_sign_stands_for_one(house: House, language: str, summary: str, said: str) -> None:
    (card,) = sign(house, CAPECITABINE, language=language)
    assert card["summary"] == summary and said in card["detail"] and "–" not in card["detail"].partition(said)[0]
    assert "SNOMED CT 7000001" in card["detail"]


def test_a_product_of_rxnorm_that_nothing_names_may_be_the_drug_that_is_asked_for(house: House) -> None:
    """Of RxNorm the ingredients are known here: that the dose has no card must not be for want of a name."""
    (card,) = sign(house, ordered((RXNORM, "1736781")), service="pancreas-dosing")
    assert card["summary"] == "Could not be assessed: DPYD and fluoropyrimidine dose (CPIC)"
    assert "One order could not be read, as no code here tells its drug: RxNorm 1736781." in card["detail"]
    assert sign(house, ordered((RXNORM, "104894"), text="ondansetron 8 mg"), service="pancreas-dosing") == []
