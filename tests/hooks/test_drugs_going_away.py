"""A text may name a drug to say that it goes: replaced, paused, stopped. On a condition it stays what is ordered."""

from __future__ import annotations

import pytest
from story_house import House
from test_dosing_of_orders_in_words import VARIANT, advice
from test_orders_as_sent import ordered

from hooks import drug_names

FLUOROURACIL, CAPECITABINE, GEMCITABINE = {"fluorouracil"}, {"capecitabine"}, {"gemcitabine"}


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("vervang 5-FU door gemcitabine", GEMCITABINE),
        ("Vervang de huidige 5-FU 2400 mg/m2 door gemcitabine", GEMCITABINE),
        ("5-FU vervangen door gemcitabine", GEMCITABINE),
        ("5-FU wordt vervangen door gemcitabine 1000 mg/m2", GEMCITABINE),
        ("gemcitabine vervangt Xeloda", GEMCITABINE),
        ("gemcitabine ter vervanging van 5-FU", GEMCITABINE),
        ("replace fluorouracil with gemcitabine", GEMCITABINE),
        ("replacing 5-FU by gemcitabine", GEMCITABINE),
        ("fluorouracil replaced by gemcitabine", GEMCITABINE),
        ("gemcitabine replaces capecitabine", GEMCITABINE),
        ("gemcitabine in place of 5-FU", GEMCITABINE),
        ("switch from capecitabine to gemcitabine", GEMCITABINE),
        ("change 5-FU to gemcitabine", GEMCITABINE),
        ("van Xeloda naar gemcitabine", GEMCITABINE),
        ("zet Xeloda om naar gemcitabine", GEMCITABINE),
        ("wissel Xeloda naar gemcitabine", GEMCITABINE),
        ("vervang 5-FU door Xeloda", CAPECITABINE),
        ("replace gemcitabine with 5-FU", FLUOROURACIL),
        ("Xeloda pauzeren", set()),
        ("Xeloda: gepauzeerd.", set()),
        ("Xeloda pauzeren wegens diarree", set()),
        ("pauzeer Xeloda", set()),
        ("Xeloda staken", set()),
        ("capecitabine paused until further notice", set()),
        ("pause capecitabine", set()),
        ("stop capecitabine", set()),
        ("stop capecitabine.", set()),
        ("interrupt 5-FU", set()),
        ("suspend capecitabine", set()),
        ("suspend capecitabine in week 3", set()),
        ("suspend Xeloda, diarrhoea", set()),
    ],
)
def test_a_drug_that_goes_is_not_ordered(text: str, given: set[str]) -> None:
    assert set(drug_names.ordered(text)) == given


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("5-FU, stop bij diarree", FLUOROURACIL),
        ("Bij diarree capecitabine staken", CAPECITABINE),
        ("indien diarree 5-FU niet geven", FLUOROURACIL),
        ("5-FU discontinued at 46 hours", FLUOROURACIL),
        ("restart suspended capecitabine", CAPECITABINE),
        ("resume paused Xeloda", CAPECITABINE),
        ("interrupted schedule capecitabine", CAPECITABINE),
        ("5-FU 2400 mg/m2, stop if neutropenia", FLUOROURACIL),
        ("stop 5-FU bij diarree", FLUOROURACIL),
        ("stop 5-FU if neutropenia", FLUOROURACIL),
        ("bij diarree stop Xeloda", CAPECITABINE),
        ("if ANC < 1.0 hold capecitabine", CAPECITABINE),
        ("stop 5-FU na 46 uur", FLUOROURACIL),
        ("stop capecitabine on day 14", CAPECITABINE),
        ("pauzeer Xeloda bij koorts", CAPECITABINE),
        ("Xeloda pauzeren bij diarree", CAPECITABINE),
        ("capecitabine on hold if platelets < 75", CAPECITABINE),
        ("Xeloda staken bij diarree", CAPECITABINE),
        ("Xeloda, pauze na 14 dagen", CAPECITABINE),
        ("Xeloda 1500 mg 14 dagen, 7 dagen pauze", CAPECITABINE),
        ("vervang 5-FU pomp door verpleegkundige", FLUOROURACIL),
        ("vervang 5-FU cassette op dag 3", FLUOROURACIL),
        ("oxaliplatin d1, replacing 5-FU pump d3", {"oxaliplatin", "fluorouracil"}),
        ("replace fluorouracil 1000 mg with 800 mg", FLUOROURACIL),
        ("vervang 5-FU 1000 mg door 5-FU 800 mg", FLUOROURACIL),
        ("5-FU bij intolerantie vervangen door gemcitabine", {"fluorouracil", "gemcitabine"}),
        ("Xeloda vervangen door gemcitabine indien progressie", {"capecitabine", "gemcitabine"}),
        ("if intolerant replace 5-FU with gemcitabine", {"fluorouracil", "gemcitabine"}),
        ("combinatie van 5-FU met gemcitabine", {"fluorouracil", "gemcitabine"}),
        ("toediening van 5-FU voor oxaliplatin", FLUOROURACIL),  # after "voor" stands what it is given beside
        ("change capecitabine to 1000 mg", CAPECITABINE),
        # to suspend is to dissolve, too
        ("suspend capecitabine in 200 ml water", CAPECITABINE),
        ("suspend capecitabine tablets in a glass of lukewarm water", CAPECITABINE),
        ("Suspend Xeloda 1500 mg in about 200 mL of water, 2x daily", CAPECITABINE),
        ("5-FU verhoogd van 2000 naar 2400 mg", FLUOROURACIL),
    ],
)
def test_a_drug_that_goes_on_a_condition_or_of_which_a_part_is_replaced_is_ordered(text: str, given: set[str]) -> None:
    assert set(drug_names.ordered(text)) == given


@pytest.mark.parametrize(
    "text", ["vervang 5-FU door gemcitabine", "Xeloda pauzeren", "stop capecitabine", "replace 5-FU with gemcitabine"]
)
def test_no_dose_is_advised_of_a_drug_that_goes(house: House, text: str) -> None:
    assert advice(house, ordered(text=text), story=VARIANT) == []


@pytest.mark.parametrize("text", ["5-FU, stop bij diarree", "stop 5-FU if neutropenia", "vervang 5-FU door Xeloda"])
def test_a_dose_is_advised_of_one_that_stays_or_comes(house: House, text: str) -> None:
    (card,) = advice(house, ordered(text=text), story=VARIANT)
    assert card["indicator"] == "warning"
