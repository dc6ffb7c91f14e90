"""Which orders in the making are judged: on order-select the selected ones, by whatever name; on order-sign all."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House, untold
from test_orders_as_sent import FOLFIRINOX, GEMCITABINE

from hooks import stories

STORY = stories.story("two-labs")


def cards(house: House, hook: str, *names: str, whole: bool = False) -> list[str]:
    """Summaries, of FOLFIRINOX with an order of ``{id}`` each. ``whole``: as an EHR that has no ids for drafts."""
    subject = {"subject": {"reference": f"Patient/{STORY.id}"}}
    orders: list[dict[str, Any]] = []
    for number, order in enumerate(FOLFIRINOX):
        own = {} if whole else {"id": f"draft-{number}"}
        orders.append({"fullUrl": f"urn:uuid:{number}", "resource": order | subject | own})
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": orders}
    selections = [name.format(id=f"draft-{n}", number=n) for n in range(len(orders)) for name in names]
    asked = house.ask(STORY, hook, draftOrders=bundle, selections=selections)
    return [card["summary"] for found in asked.values() for card in found]


@pytest.mark.parametrize(
    "name",
    [
        "MedicationRequest/{id}",
        "https://ehr.example/fhir/MedicationRequest/{id}",
        "MedicationRequest/{id}/_history/2",
        "{id}",
        "urn:uuid:{number}",
    ],
)
def test_the_selected_orders_are_found_by_every_name(house: House, name: str) -> None:
    (summary,) = cards(house, "order-select", name, whole=name.startswith("urn:"))
    assert summary.startswith("FOLFIRINOX: missing for the prognosis")


@pytest.mark.parametrize("name", ["NutritionOrder/diet", "MedicationRequest/another", "diet"])
def test_orders_that_are_not_selected_are_left_alone(house: House, name: str) -> None:
    assert cards(house, "order-select", name) == []


@pytest.mark.parametrize("names", [(), ("MedicationRequest/another",), ("{id}",)])
def test_what_is_signed_is_signed_whole(house: House, names: tuple[str, ...]) -> None:
    """The specification has no selections there."""
    signed = cards(house, "order-sign", *names)
    assert any("FOLFIRINOX ordered" in summary for summary in signed)
    assert "No DPYD result on record before the first fluoropyrimidine" in signed


@pytest.mark.parametrize("own", [{"id": "plan"}, {}], ids=["with an id", "without"])
def test_a_whole_treatment_is_selected_by_its_address_too(house: House, own: dict[str, str]) -> None:
    subject = {"subject": {"reference": f"Patient/{STORY.id}"}}
    plan = {"resourceType": "RequestGroup", "status": "draft", "intent": "order", "code": {"text": "FOLFIRINOX"}}
    entries = [{"fullUrl": "urn:uuid:plan-1", "resource": plan | subject | own}]
    drafts = {"resourceType": "Bundle", "entry": entries}
    untold(house)
    house.ask(STORY, "order-select", draftOrders=drafts, selections=["urn:uuid:plan-1"])
    assert ("pancreas-first-line-data", "orders-unreadable") in untold(house)


def test_names_of_two_kinds_are_both_looked_up(house: House) -> None:
    subject = {"subject": {"reference": f"Patient/{STORY.id}"}}
    orders = [order | subject | {"id": f"draft-{number}"} for number, order in enumerate((*FOLFIRINOX, GEMCITABINE))]
    entries = [{"fullUrl": f"urn:uuid:{number}", "resource": order} for number, order in enumerate(orders)]
    drafts = {"resourceType": "Bundle", "entry": entries}
    selections = ["urn:uuid:0", "urn:uuid:1", "MedicationRequest/draft-2", "draft-3"]
    (card,) = house.ask(STORY, "order-select", draftOrders=drafts, selections=selections)["pancreas-first-line"]
    assert card["summary"].startswith("FOLFIRINOX: missing for the prognosis")  # not of gemcitabine, which was not
