"""Order-entry systems write a regimen in many ways; the card names what is signed, or says that it can't tell."""

from __future__ import annotations

from typing import Any

from story_house import House

from hooks import stories

ATC = "http://www.whocc.no/atc"
FIRST_LINE = stories.story("two-labs")


def ordered(*codings: tuple[str, str], text: str = "", **more: Any) -> dict[str, Any]:
    drug = {"coding": [{"system": system, "code": code} for system, code in codings], "text": text}
    return {
        "resourceType": "MedicationRequest",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": f"Patient/{FIRST_LINE.id}"},
        "authoredOn": "2026-11-23",
        "medicationCodeableConcept": drug,
        **more,
    }


def sign(
    house: House, *orders: dict[str, Any], language: str = "en", beside: tuple[dict[str, Any], ...] = ()
) -> list[dict[str, Any]]:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": order} for order in orders]}
    return house.ask(FIRST_LINE, "order-sign", language, beside, draftOrders=bundle)["pancreas-first-line"]


def test_two_orders_without_an_id_are_two(house: House) -> None:
    (card,) = sign(house, ordered((ATC, "L01BC05")))
    assert "gemcitabine ordered" in card["summary"]
    assert sign(house, ordered((ATC, "L01BC05")), ordered((ATC, "L01XA01"))) == []  # with cisplatin
