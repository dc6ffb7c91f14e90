"""A regimen ordered as a whole, by a RequestGroup, CarePlan or ServiceRequest, brings the advice its drugs bring."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House
from test_orders_as_sent import ATC, FIRST_LINE, FOLFIRINOX, GEMCITABINE, UNREAD, ordered

from hooks import stories

VARIANT = stories.story("dpyd-variant")
Cards = dict[str, list[str]]


def plan(kind: str, **content: Any) -> dict[str, Any]:
    return {"resourceType": kind, "id": "plan", "status": "draft", "intent": "order"} | content


def signed(house: House, *orders: dict[str, Any], story: stories.Story = FIRST_LINE, **more: Any) -> Cards:
    """By service: summary and detail of each card."""
    subject = {"subject": {"reference": f"Patient/{story.id}"}}
    entries = [{"resource": order if order.get("id") == "strange" else order | subject} for order in orders]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    asked = house.ask(story, more.pop("hook", "order-sign"), draftOrders=bundle, **more)
    return {id: [f"{card['summary']}\n{card['detail']}" for card in cards] for id, cards in asked.items()}


WHOLE = [
    plan("RequestGroup", code={"text": "FOLFIRINOX"}),
    plan("RequestGroup", action=[{"title": "mFOLFIRINOX cycle 1", "action": [{"title": "premedication"}]}]),
    plan("RequestGroup", action=[{"title": "day 1", "action": [{"action": [{"textEquivalent": "5-FU 46 h"}]}]}]),
    plan("CarePlan", title="Oncology: FOLFIRINOX"),
    plan("CarePlan", activity=[{"detail": {"code": {"text": "NALIRIFOX"}}}]),
    plan("ServiceRequest", code={"text": "Chemotherapie: FOLFIRINOX"}),
    plan("ServiceRequest", code={"coding": [{"system": "urn:site", "code": "1", "display": "mFOLFIRINOX kuur 1"}]}),
    plan("ServiceRequest", code={"text": "Oncology treatment plan, cycle 1: FOLFIRINOX"}),
    plan("ServiceRequest", code={"text": "5 FU + leucovorin"}),
]


@pytest.mark.parametrize("order", WHOLE, ids=lambda order: f"{order['resourceType']} {str(order)[-40:]}")
def test_a_whole_treatment_brings_the_dose_that_its_drugs_bring(house: House, order: dict[str, Any]) -> None:
    coded = signed(house, ordered((ATC, "L01BC02")), story=VARIANT)["pancreas-dosing"][0]
    found = signed(house, order, story=VARIANT)["pancreas-dosing"][0]
    assert found.partition("\n")[0] == coded.partition("\n")[0]
    assert "Read from the text of an order" in found


def test_it_gets_no_estimate_and_is_not_passed_over(house: House) -> None:
    (card,) = signed(house, WHOLE[0])["pancreas-first-line"]
    assert card.startswith(UNREAD) and "not enough for an estimate: fluorouracil, irinotecan, and oxaliplatin" in card
    assert (
        signed(house, WHOLE[0], hook="order-select", selections=["RequestGroup/another"])["pancreas-first-line"] == []
    )


def test_beside_its_own_drugs_in_codes_it_is_no_further_order(house: House) -> None:
    (card,) = signed(house, WHOLE[0], *FOLFIRINOX)["pancreas-first-line"]
    assert "FOLFIRINOX ordered" in card and "could not be read" not in card
    (dose,) = signed(house, WHOLE[0], *FOLFIRINOX)["pancreas-dosing"]
    assert "Read from the text of an order" not in dose
    # that names more than is ordered makes it another regimen
    (card,) = signed(house, WHOLE[0], GEMCITABINE)["pancreas-first-line"]
    assert card.startswith(UNREAD)


@pytest.mark.parametrize(
    "order",
    [
        plan("ServiceRequest", code={"text": "CT abdomen before FOLFIRINOX"}),
        plan("ServiceRequest", code={"text": "Bloedbeeld voor start FOLFIRINOX"}),
        plan("ServiceRequest", code={"text": "DPYD genotype, start capecitabine"}),
        plan("ServiceRequest", code={"text": "Fluorouracil level"}),
        plan("ServiceRequest", code={"text": "FOLFIRINOX voorlichting"}),
        plan("RequestGroup", code={"text": "FOLFIRINOX"}, status="revoked"),
        plan("ServiceRequest", code={"text": "FOLFIRINOX"}, doNotPerform=True),
        plan("RequestGroup", code={"text": "FOLFIRINOX"}) | {"id": "strange", "subject": {"reference": "Patient/x"}},
        plan("CarePlan", title="Palliative care", description="Had FOLFIRINOX in 2025"),
        plan("RequestGroup", code={"text": "Total knee replacement"}),
    ],
    ids=str,
)
def test_what_orders_no_drug_brings_nothing(house: House, order: dict[str, Any]) -> None:
    asked = signed(house, order, story=VARIANT)
    assert asked["pancreas-dosing"] == [] and asked["pancreas-first-line"] == []


def test_a_plan_that_cannot_be_read_is_told_of(house: House) -> None:
    (card,) = signed(house, plan("RequestGroup", code="FOLFIRINOX"))["pancreas-first-line"]
    assert "One record could not be understood" in card or card.startswith(UNREAD)


def test_a_null_among_the_orders_costs_no_answer(house: House) -> None:
    subject = {"subject": {"reference": f"Patient/{VARIANT.id}"}}
    entries = [None, {"resource": WHOLE[0] | subject}]
    asked = house.ask(VARIANT, "order-sign", draftOrders={"resourceType": "Bundle", "entry": entries})
    assert "Read from the text of an order" in asked["pancreas-dosing"][0]["detail"]
    assert asked["pancreas-first-line"][0]["summary"] == UNREAD
