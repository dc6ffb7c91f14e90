"""A drug whose Medication is not sent along is known by what the reference calls it, and by no code."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House
from test_orders_as_sent import GEMCITABINE, NAB, UNREAD, ordered, sign


def referred(display: str | None, **more: Any) -> dict[str, Any]:
    sent = {key: value for key, value in ordered().items() if key != "medicationCodeableConcept"}
    called = {"display": display} if display else {}
    return sent | {"medicationReference": {"reference": "Medication/elsewhere"} | called} | more


def test_an_order_of_another_drug_is_none_that_may_be_a_cancer_drug(house: House) -> None:
    assert sign(house, referred("ondansetron 8 mg oral tablet")) == []
    (card,) = sign(house, referred(None))
    assert card["summary"] == UNREAD


def test_a_regimen_is_named_by_what_its_references_say(house: House) -> None:
    (card,) = sign(house, referred("gemcitabine (GEMZAR) 38 mg/mL"), referred("paclitaxel protein-bound (ABRAXANE)"))
    assert card["summary"] == UNREAD and "2 of the orders could not be read" in card["detail"]
    assert "not enough for an estimate: gemcitabine and paclitaxel." in card["detail"]
    (card,) = sign(house, GEMCITABINE, NAB, referred("cisplatin 1 mg/mL"))
    assert card["summary"] == UNREAD


@pytest.mark.parametrize("kind", ["order", "dose"])
def test_an_earlier_line_is_known_by_it(house: House, kind: str) -> None:
    before = referred("oxaliplatin 5 mg/mL", id="before", status="completed", authoredOn="2026-10-10")
    if kind == "dose":
        before |= {"resourceType": "MedicationAdministration", "effectiveDateTime": "2026-10-10"}
    (card,) = sign(house, GEMCITABINE, beside=(before,))
    assert "this is not the start of first-line treatment" in card["summary"]
    assert "has oxaliplatin 5 mg/mL of 10 Oct 2026" in card["detail"]
    # and it stays a gap of the record: a code there may tell of another drug
    assert "One drug on record could not be recognised" in card["detail"]
