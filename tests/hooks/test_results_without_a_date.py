"""A result without a date may be of any day: it is told where there is no other, and counts for nothing."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House
from test_diabetes_known_before import PATIENT, result, told

BILIRUBIN, HBA1C = "1975-2", "4548-4"


def bilirubin(**when: Any) -> dict[str, Any]:
    made = result(HBA1C, 12, "2026-11-18") | {"id": f"b{len(when)}"} | when
    made["code"] = {"coding": [{"system": "http://loinc.org", "code": BILIRUBIN}]}
    made["valueQuantity"] = {"value": 12, "unit": "mg/dL"}
    return {key: value for key, value in made.items() if value is not None}


UNDATED = bilirubin(effectiveDateTime=None)


@pytest.mark.parametrize("sent", [UNDATED, bilirubin(effectiveDateTime="18/11/2026")])
def test_a_high_bilirubin_is_told_without_it(house: House, sent: dict[str, Any]) -> None:
    (card,) = house.cards_for("pancreas-risk", PATIENT, sent)
    assert card["summary"].startswith("Pancreatic cancer risk could not be fully assessed")
    assert "- Sent and could not be used: total bilirubin (recorded without a date).\n" in card["detail"]


def test_beside_one_with_a_date_it_is_nothing_to_tell(house: House) -> None:
    normal = bilirubin() | {"id": "later", "valueQuantity": {"value": 0.6, "unit": "mg/dL"}}
    assert told(house, UNDATED, normal) == ([], set())


def test_the_end_of_a_period_is_a_date(house: House) -> None:
    sent = bilirubin(effectiveDateTime=None, effectivePeriod={"end": "2026-11-18T09:00:00Z"})
    (card,) = house.cards_for("pancreas-risk", PATIENT, sent)
    assert card["summary"].startswith("Bilirubin 12 mg/dL at 68")
