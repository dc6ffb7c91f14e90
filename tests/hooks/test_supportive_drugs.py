"""What is given beside a treatment is no line of it: leucovorin and premedication, in words, take no estimate away."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House, untold
from test_orders_as_sent import ATC, FOLFIRINOX, GEMCITABINE, RXNORM, UNREAD, ordered, sign

from hooks import stories, supportive

FLUOROURACIL, LEUCOVORIN, IRINOTECAN, OXALIPLATIN = FOLFIRINOX
SUPPORT = ("ondansetron 8 mg", "Dexamethason 8 mg iv", "leucovorin 400 mg/m2", "calciumfolinaat 50 mg/ml")


@pytest.mark.parametrize("text", SUPPORT)
@pytest.mark.parametrize("coding", [(), ((RXNORM, "104894"),), (("urn:oid:2.16.840.1.113883.2.4.4.1", "1"),)])
def test_premedication_in_words_takes_no_estimate_away(
    house: House, text: str, coding: tuple[tuple[str, str], ...]
) -> None:
    (card,) = sign(house, GEMCITABINE, ordered(*coding, text=text))
    assert "gemcitabine ordered" in card["summary"]
    assert "One of the orders could not be read: no code here tells the drug." in card["detail"]


@pytest.mark.parametrize(
    "orders",
    [
        [LEUCOVORIN],
        [LEUCOVORIN, ordered(text="ondansetron 8 mg")],
        [LEUCOVORIN, ordered(text="study drug XYZ")],
        [ordered(text="Leucovorin 50 mg"), ordered(text="dexamethasone 8 mg")],
        [FLUOROURACIL, ordered(text="ondansetron 8 mg")],
        [ordered((ATC, code)) for code in ("A04AD12", "H02AB02", "V03AF01")],
    ],
)
def test_they_alone_bring_no_card(house: House, orders: list[dict[str, Any]]) -> None:
    assert sign(house, *orders) == []


def test_leucovorin_with_a_code_hides_no_regimen_in_words(house: House) -> None:
    (card,) = sign(house, LEUCOVORIN, ordered(text="5-FU 400 mg/m2"), ordered(text="Eloxatin"), ordered(text="Campto"))
    assert card["summary"] == UNREAD and "fluorouracil, oxaliplatin, and irinotecan" in card["detail"]


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("ondansetron 8 mg", True),
        ("Premedicatie: dexamethason 8 mg", True),
        ("premed. ondansetron", True),
        # a pattern that tried each way to part these would not end
        ("premed" * 2_000 + " zzz", False),
        ("2 ML ondansetron 2 MG/ML Injection [Zofran]", True),
        ("ondansetron/dexamethason", True),
        ("dexamethasone and ondansetron before chemo", True),
        ("ondansetron voor FOLFIRINOX", True),
        ("Folinezuur 400 mg/m2", True),
        ("ondansetron + study drug", False),
        ("dexamethason en cisplatine", False),
        ("dexamethason met studiemiddel", False),
        ("ondansetron/XYZ", False),
        ("dexamethason 8 mg, gemcitabine 1000 mg/m2", False),
        ("chemo protocol 12 (ondansetron)", False),
        ("study drug XYZ", False),
        ("", False),
        # behind a comma may stand another drug, or how this one is given
        ("mesna, ifosfamide", False),
        ("mesna 400 mg; ifosfamide 2 g/m2", False),
        ("Mesna 400 mg,ifosfamide 2 g", False),
        ("mesna. Ifosfamide 2 g/m2", False),
        ("ondansetron: studiemiddel", False),
        ("dexamethason 8 mg, daratumumab", False),
        ("dexamethasone, 20 mg, lenalidomide 25 mg", False),
        ("ondansetron 8 mg, 2x daags, bij misselijkheid", True),
        ("ondansetron 8 mg; dexamethason 8 mg", True),
        ("ondansetron 8 mg, dexamethason 8 mg iv, 30 min voor chemo", True),
        ("Ondansetron, tablet 8 mg", True),
        ("dexamethason 4 mg, 's ochtends bij het eten", True),
        ("leucovorin 400 mg/m2, infusion over 2 hours, before 5-FU", True),
        ("filgrastim 0,5 ml sc, vanaf dag 5", True),
        ("paracetamol 1000 mg, max. 4 keer per dag, zo nodig bij koorts", True),
    ],
)
def test_a_text_that_names_another_drug_too_is_not_of_these(text: str, alone: bool) -> None:
    assert supportive.alone([text]) is alone
    assert not supportive.alone([text, "study drug"]) and not supportive.alone([])


PRODUCT = ordered((RXNORM, "1736781"))


def test_an_order_known_by_a_product_code_alone_is_told_with_its_code(house: House) -> None:
    untold(house)
    for orders in (
        [PRODUCT],
        [PRODUCT, LEUCOVORIN],
        [PRODUCT, ordered(text="ondansetron 8 mg")],
        [PRODUCT, GEMCITABINE],
    ):
        (card,) = sign(house, *orders)
        assert card["summary"] == UNREAD and "1 of the orders could not be read" in card["detail"]
        assert "of which nobody here knows the drug: RxNorm 1736781." in card["detail"]
    (card,) = sign(house, PRODUCT, ordered(("urn:oid:2.16.840.1.113883.6.88", "583218")), language="nl")
    assert "waarvan hier niemand het middel kent: RxNorm 1736781 en RxNorm 583218." in card["detail"]


@pytest.mark.parametrize(
    ("coding", "told"),
    [(("http://hl7.org/fhir/sid/ndc", "0143-9890-05"), "NDC 0143-9890-05"), (("urn:x", "[a](http://b)"), "")],
)
def test_a_code_that_is_no_plain_word_is_not_told(house: House, coding: tuple[str, str], told: str) -> None:
    (card,) = sign(house, ordered(coding))
    assert card["summary"] == UNREAD and ("nobody here knows the drug" in card["detail"]) is bool(told)
    assert told in card["detail"] and "](" not in card["detail"].partition("Read:")[0]


def test_a_product_code_is_nobodys_business_where_no_cancer_is(house: House) -> None:
    assert sign(house, PRODUCT, story=stories.story("no-complaints")) == []
