"""After a resection the outlook has one card, and none where the cancer has spread since."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House, untold
from test_orders_as_sent import FOLFIRINOX, SNOMED

from hooks import stories

STORY = stories.story("resected-adjuvant")
LOINC = "http://loinc.org"


def staged(code: str, answer: str, on: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"{code}-{on}",
        "status": "final",
        "subject": {"reference": f"Patient/{STORY.id}"},
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "valueCodeableConcept": {"coding": [{"system": SNOMED, "code": answer}]},
        "effectiveDateTime": on,
    }


def group(on: str) -> dict[str, Any]:
    return staged("21902-2", "258219007", on)  # stage II


def m1(on: str) -> dict[str, Any]:
    return staged("21907-1", "1229903009", on)


def summaries(house: House, *staging: dict[str, Any]) -> dict[str, list[str]]:
    subject = {"subject": {"reference": f"Patient/{STORY.id}"}}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": o | subject} for o in FOLFIRINOX]}
    asked = house.ask(STORY, "order-sign", beside=staging, draftOrders=bundle)
    return {id: [card["summary"] for card in cards] for id, cards in asked.items()}


@pytest.mark.parametrize("since", ["2026-11-15", "2026-10-04"])
def test_a_stage_group_of_the_primary_takes_no_metastasis_away(house: House, since: str) -> None:
    """Else a patient has two outlooks on one screen, of two diseases."""
    found = summaries(house, group("2026-10-04"), m1(since))
    assert found["pancreas-adjuvant"] == []
    (card,) = found["pancreas-first-line"]
    later = since > "2026-10-04"
    assert card.startswith("Prognosis information" if later else "No survival estimate: the record contradicts itself")


@pytest.mark.parametrize("staging", [(), (group("2026-10-04"),)])
def test_that_no_estimate_is_given_is_not_said_beside_one(house: House, staging: tuple[dict[str, Any], ...]) -> None:
    untold(house)
    found = summaries(house, *staging)
    assert found["pancreas-adjuvant"] == ["Outlook after resection of pancreatic cancer: an estimate is available"]
    assert found["pancreas-first-line"] == []
    assert ("pancreas-survival", "after-resection") in untold(house)


UNREAD = group("2026-10-04") | {"valueCodeableConcept": {"text": "IIB"}}


def test_nor_where_its_staging_could_not_be_read(house: House) -> None:
    found = summaries(house, UNREAD)
    assert len(found["pancreas-adjuvant"]) == 1 and found["pancreas-first-line"] == []


@pytest.mark.parametrize("staging", [(), (UNREAD,)], ids=["none", "unread"])
def test_no_stage_is_asked_for_on_choosing_what_follows_it(house: House, staging: tuple[dict[str, Any], ...]) -> None:
    """On signing nobody would miss it."""
    subject = {"subject": {"reference": f"Patient/{STORY.id}"}}
    orders = [order | subject | {"id": f"o{number}"} for number, order in enumerate(FOLFIRINOX)]
    drafts = {"resourceType": "Bundle", "entry": [{"resource": order} for order in orders]}
    selections = [f"MedicationRequest/{order['id']}" for order in orders]
    untold(house)
    asked = house.ask(STORY, "order-select", beside=staging, draftOrders=drafts, selections=selections)
    assert asked["pancreas-first-line"] == []
    assert ("pancreas-first-line-data", "after-resection") in untold(house)
