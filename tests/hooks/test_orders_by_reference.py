"""A drug whose Medication is not sent along is known by what the reference calls it, and by no code."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hook_context import hook_context
from story_house import NOW, House
from test_orders_as_sent import ATC, FIRST_LINE, FOLFIRINOX, GEMCITABINE, NAB, UNREAD, ordered, sign

from cds.fhir.chart import read_chart
from cds.fhir.decoding import decode
from cds.fhir.evidence import Evidence
from cds.protocol.request import parse_call
from hooks import stories


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


def compounded(*ingredients: dict[str, Any], display: str | None = None) -> dict[str, Any]:
    """An order of what a pharmacy makes: its Medication says of what, and has no code."""
    inner = {"resourceType": "Medication", "id": "made", "ingredient": list(ingredients)}
    called = {"display": display} if display else {}
    return referred(None) | {"contained": [inner], "medicationReference": {"reference": "#made"} | called}


def ingredient(code: str, text: str | None = None, **more: Any) -> dict[str, Any]:
    concept = {"coding": [{"system": ATC, "code": code}]} | ({"text": text} if text else {})
    return {"itemCodeableConcept": concept} | more


SALINE = {"itemCodeableConcept": {"text": "NaCl 0,9%"}, "isActive": False}


def test_what_is_compounded_is_known_by_its_one_active_ingredient(house: House) -> None:
    gemcitabine, cisplatin = compounded(ingredient("L01BC05"), SALINE), compounded(ingredient("L01XA01"))
    (card,) = sign(house, gemcitabine)
    assert "gemcitabine ordered" in card["summary"] and "could not be read" not in card["detail"]
    assert sign(house, gemcitabine, cisplatin) == []  # as by their codes
    before = cisplatin | {"id": "before", "status": "completed", "authoredOn": "2026-10-10"}
    (card,) = sign(house, GEMCITABINE, beside=(before,))
    assert "this is not the start of first-line treatment" in card["summary"]
    assert "could not be recognised" not in card["detail"]


@pytest.mark.parametrize(
    "made",
    [
        compounded(ingredient("L01BC05"), ingredient("L01XA01")),
        compounded(ingredient("L01BC05"), {"itemCodeableConcept": {"text": "NaCl 0,9%"}}),  # which is active?
        compounded({"itemReference": {"reference": "Medication/substance"}}),
        compounded(ingredient("L01BC05", isActive=False)),
        compounded({"itemCodeableConcept": "gemcitabine"}),
        compounded(),
    ],
)
def test_what_is_made_of_several_or_of_nobody_knows_what_stays_a_gap(house: House, made: dict[str, Any]) -> None:
    assert sign(house, made)[0]["summary"] == UNREAD


@pytest.mark.parametrize("display, text", [("Onivyde 60 mg in 500 ml", None), ("bag 3", "liposomal irinotecan")])
def test_the_form_of_what_is_compounded_is_in_whatever_it_is_called(
    house: House, display: str, text: str | None
) -> None:
    irinotecan = compounded(ingredient("L01CE02", text), display=display)
    others = (order for order in FOLFIRINOX if "L01CE02" not in str(order))
    assert "NALIRIFOX ordered" in sign(house, *others, irinotecan)[0]["summary"]


@pytest.mark.parametrize("nothing", [0, 1], ids=["", "beside an entry that is null"])
def test_a_drug_is_known_by_the_bundle_s_own_address_of_it(house: House, nothing: int) -> None:
    """As orders that are not stored yet refer to what is not stored either."""
    entries: list[dict[str, Any] | None] = [None] * nothing
    for number, order in enumerate(FOLFIRINOX):
        product = {"resourceType": "Medication", "code": order["medicationCodeableConcept"]}
        sent = referred(None) | {"medicationReference": {"reference": f"urn:uuid:{number}"}}
        entries += [{"resource": sent | {"subject": {"reference": f"Patient/{FIRST_LINE.id}"}}}]
        entries += [{"fullUrl": f"urn:uuid:{number}", "resource": product}]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    asked = house.ask(FIRST_LINE, "order-sign", draftOrders=bundle)
    said = asked["pancreas-first-line"][0]["summary"]
    assert said == UNREAD if nothing else "FOLFIRINOX ordered" in said
    assert [card["summary"] for card in asked["pancreas-dosing"]] == [
        "No DPYD result on record before the first fluoropyrimidine"
    ]


def test_a_drug_is_known_by_the_product_that_the_chart_holds(house: House) -> None:
    """The list of medicines brings its products along (``_include``): a further order of one is no unknown drug."""
    story = stories.story("dpyd-variant")
    subject = {"subject": {"reference": f"Patient/{story.id}"}}
    product = {"resourceType": "Medication", "id": "p-1", "code": {"coding": [{"system": ATC, "code": "L01BC06"}]}}
    order = referred(None) | subject | {"id": "d-1", "medicationReference": {"reference": "Medication/p-1"}}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": order}]}
    context = hook_context("order-sign", story.id, bundle)
    chart = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": product}]}
    body = {"hook": "order-sign", "hookInstance": "x", "context": context, "prefetch": {"medications": chart}}
    call = parse_call(json.dumps(body).encode())
    evidence = Evidence()
    evidence.add(decode(json.dumps(chart).encode()))
    vocabulary = house.engine.models.vocabulary
    _, drafts = read_chart(call, evidence, (), vocabulary, NOW, ZoneInfo("UTC"))
    assert drafts.of("capecitabine") and not drafts.unrecognised
