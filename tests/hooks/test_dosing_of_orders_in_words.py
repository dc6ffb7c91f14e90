"""A drug that is ordered in words alone brings the dosing advice that its code brings, and the card says so."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House
from test_orders_as_sent import ATC, RXNORM, ordered, sign

from hooks import stories

GSTANDARD = "urn:oid:2.16.840.1.113883.2.4.4.10"
VARIANT = stories.story("dpyd-variant")
READ = "Read from the text of an order, as no code here tells its drug: "


def advice(house: House, *orders: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    return sign(house, *orders, service="pancreas-dosing", **more)


def referring(display: str, **more: Any) -> dict[str, Any]:
    order = ordered(**more)
    del order["medicationCodeableConcept"]
    return order | {"medicationReference": {"reference": "Medication/elsewhere", "display": display}}


def contained(text: str) -> dict[str, Any]:
    product = {"resourceType": "Medication", "id": "m", "code": {"text": text}}
    return referring("") | {"medicationReference": {"reference": "#m"}, "contained": [product]}


@pytest.mark.parametrize(
    ("order", "drug"),
    [
        (ordered(text="5-FU 2400 mg/m2 46h"), "fluorouracil"),
        (ordered(text="Xeloda 1500 mg 2dd"), "capecitabine"),
        (ordered(text="FOLFIRINOX kuur 1"), "fluorouracil"),
        (ordered(text="mFOLFIRINOX"), "fluorouracil"),
        (ordered(text="NALIRIFOX"), "fluorouracil"),
        (ordered((GSTANDARD, "123"), text="capecitabine tablet 500 mg"), "capecitabine"),
        (ordered((RXNORM, "1736781"), text="fluorouracil 50 MG/ML Injection"), "fluorouracil"),
        (referring("fluorouracil 50 mg/ml"), "fluorouracil"),
        (contained("Xeloda 500 mg"), "capecitabine"),
    ],
)
def test_a_fluoropyrimidine_in_words_brings_the_dose_its_code_brings(
    house: House, order: dict[str, Any], drug: str
) -> None:
    (coded,) = advice(house, ordered((ATC, "L01BC02")), story=VARIANT)
    card = advice(house, order, story=VARIANT)[0]
    assert card["summary"] == coded["summary"] and card["indicator"] == "warning"
    assert f"{READ}{drug}. Check the order." in card["detail"] and READ not in coded["detail"]
    card = advice(house, order, story=VARIANT, language="nl")[0]
    assert f"omdat geen code hier het middel vertelt: {drug}. Controleer" in card["detail"]


@pytest.mark.parametrize(
    ("order", "both"),
    [
        (ordered(text="Campto 180 mg/m2"), False),
        (ordered(text="irinotecan liposomal (Onivyde)"), False),
        (ordered((GSTANDARD, "123"), text="irinotecan 20 mg/ml"), False),
        (referring("irinotecan"), False),
        (ordered(text="FOLFIRINOX kuur 1"), True),
        (ordered(text="NALIRIFOX"), True),
    ],
)
def test_irinotecan_in_words_brings_the_dose_its_code_brings(house: House, order: dict[str, Any], both: bool) -> None:
    codes = ["L01BC02", "L01CE02"] if both else ["L01CE02"]
    *_, coded = advice(house, *(ordered((ATC, code)) for code in codes), story=VARIANT)
    *others, card = advice(house, order, story=VARIANT)
    assert card["summary"] == coded["summary"] and card["indicator"] == coded["indicator"]
    assert f"{READ}" in card["detail"] and "irinotecan" in card["detail"].partition(READ)[2]
    assert len(others) == both  # and no card that the other model could not be asked


@pytest.mark.parametrize(
    "order",
    [
        ordered(text=" "),
        ordered(text="\u00a0\n"),
        ordered(text="-"),
        ordered((GSTANDARD, " "), text=" "),
        referring(" "),
        contained(" "),
    ],
)
def test_an_order_that_is_called_nothing_could_not_be_read(house: House, order: dict[str, Any]) -> None:
    nothing = referring("")
    del nothing["medicationReference"]["display"]
    unread, told = (advice(house, one, story=VARIANT) for one in (nothing, order))
    assert unread and [c["summary"] for c in told] == [c["summary"] for c in unread]
    assert [c["detail"] for c in told] == [c["detail"] for c in unread]


def test_a_fluoropyrimidine_in_words_without_a_result_says_so(house: House) -> None:
    (card,) = advice(house, ordered(text="5FU bolus"))
    assert card["summary"] == "No DPYD result on record before the first fluoropyrimidine"


@pytest.mark.parametrize(
    "text",
    ["stop 5-FU", "no capecitabine", "geen Xeloda", "5-FU cream", "5-FU crème", "5-FU 5% cremor", "Efudix 5%",
     "ondansetron 8 mg voor FOLFIRINOX", "gemcitabine 1000 mg/m2"],
)  # fmt: skip
def test_what_is_denied_or_put_on_the_skin_brings_none(house: House, text: str) -> None:
    assert advice(house, ordered(text=text), story=VARIANT) == []


def test_a_cream_that_only_a_reference_names_brings_none(house: House) -> None:
    assert advice(house, referring("5-FU cream 5%"), story=VARIANT) == []


@pytest.mark.parametrize(
    ("order", "written"),
    [
        (ordered((ATC, "L01BC03")), False),
        (ordered((ATC, "L01BC53")), False),
        (ordered((RXNORM, "4582")), False),
        (ordered(text="S-1 40 mg/m2 2dd"), True),
        (ordered(text="Teysuno 15 mg"), True),
        (ordered(text="UFT 300 mg/m2"), True),
        (ordered(text="SOX kuur 1"), True),
        (ordered((GSTANDARD, "123"), text="tegafur/gimeracil/oteracil"), True),
    ],
)
def test_tegafur_brings_the_variant_on_record_and_no_dose(house: House, order: dict[str, Any], written: bool) -> None:
    (card,) = advice(house, order, story=VARIANT)
    assert card["summary"].startswith("DPYD variant on record (activity score 1): tegafur") and (
        card["indicator"] == "warning"
    )
    assert "EMA (2020)" in card["detail"] and "50%" not in card["detail"] and "specialist" in card["detail"]
    assert (f"{READ}tegafur. Check the order." in card["detail"]) is written
    (card,) = advice(house, order, story=VARIANT, language="nl")
    assert card["summary"] == "DPYD-variant vastgelegd (activiteitsscore 1): dit enzym breekt tegafur af"
    (card,) = advice(house, order)
    assert card["summary"] == "No DPYD result on record before tegafur"


def test_a_dose_of_plain_irinotecan_is_told_to_be_that(house: House) -> None:
    """Nobody ordering the liposomal form must read it as a dose of that."""
    (card,) = advice(house, ordered((ATC, "L01CE02"), text="Onivyde 4,3 mg/ml"), story=VARIANT)
    assert "All this is of plain irinotecan: no dose of the liposomal form was checked here." in card["detail"]
