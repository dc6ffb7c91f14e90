"""A CA 19-9 beyond what the analyser measures has risen, where whatever it is would be a rise."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import TODAY, House

from hooks import stories

RISING = stories.story("gemnab-rising")


def marker(text: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": "beyond",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "24108-3"}]},
        "subject": {"reference": f"Patient/{RISING.id}"},
        "effectiveDateTime": TODAY.isoformat(),
        "valueString": text,
    }


@pytest.mark.parametrize(
    ("language", "summary", "share"),
    [
        (
            "en",
            "CA 19-9 has risen under treatment: from 1,270 U/mL (14 Oct 2026) to >15,000 U/mL (23 Nov 2026)",
            "- CA 19-9 now as a share of the value at the start: >1,181 % (23 Nov 2026)",
        ),
        (
            "nl",
            "CA 19-9 is tijdens de behandeling gestegen: van 1.270 U/mL (14 okt 2026) naar >15.000 U/mL (23 nov 2026)",
            "- CA 19-9 nu als deel van de waarde bij de start: >1.181 % (23 nov 2026)",
        ),
    ],
)
def test_the_card_tells_of_the_rise_and_of_the_bound(house: House, language: str, summary: str, share: str) -> None:
    (card,) = house.ask(RISING, "patient-view", language, (marker("> 15 000 U/mL"),))["pancreas-care"]
    assert card["summary"] == summary
    assert share in card["detail"]


def test_a_share_is_rounded_to_where_it_still_holds(house: House) -> None:
    """More than 15,010 of 1,270 is more than 1,181.9%, and may be less than 1,182%."""
    (card,) = house.ask(RISING, "patient-view", "en", (marker("> 15 010 U/mL"),))["pancreas-care"]
    assert "- CA 19-9 now as a share of the value at the start: >1,181 % (23 Nov 2026)" in card["detail"]


def test_what_may_be_no_rise_is_not_called_one(house: House) -> None:
    (card,) = house.ask(RISING, "patient-view", "en", (marker("> 1 300 U/mL"),))["pancreas-care"]
    assert "has risen" not in card["summary"]
    assert "(known only as >1300 U/mL)" in card["detail"]
