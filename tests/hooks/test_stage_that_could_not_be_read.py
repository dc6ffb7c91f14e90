"""A staging in words, or in a code of others, is no stage here, and what an older one says is not the newest."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House
from test_orders_as_sent import FOLFIRINOX, SNOMED, sign

from hooks import stories

STORY = stories.story("new-diabetes")  # nothing of a cancer on record
SUBJECT = {"subject": {"reference": f"Patient/{STORY.id}"}}
CANCER = SUBJECT | {
    "resourceType": "Condition",
    "id": "cancer",
    "clinicalStatus": {"coding": [{"code": "active"}]},
    "verificationStatus": {"coding": [{"code": "confirmed"}]},
    "code": {"coding": [{"system": SNOMED, "code": "363418001"}]},
    "onsetDateTime": "2026-10-01",
}


def staged(on: str, **value: Any) -> dict[str, Any]:
    told = {"resourceType": "Observation", "id": f"stage-{on}", "status": "final", "effectiveDateTime": on}
    return SUBJECT | told | {"code": {"coding": [{"system": "http://loinc.org", "code": "21908-9"}]}} | value


def coded(code: str) -> dict[str, Any]:
    return {"valueCodeableConcept": {"coding": [{"system": SNOMED, "code": code}]}}


STAGE_II, STAGE_IV = coded("258219007"), coded("258228008")
UNREAD = [coded("1"), {"valueCodeableConcept": {"text": "Stage IV"}}, {"valueString": "IV"}]


def card(house: House, *staging: dict[str, Any], language: str = "en") -> dict[str, Any]:
    (found,) = sign(house, *FOLFIRINOX, beside=(CANCER, *staging), story=STORY, language=language)
    return found


@pytest.mark.parametrize("before", [(), (staged("2026-10-05", **STAGE_II),)])
@pytest.mark.parametrize("value", UNREAD, ids=str)
def test_a_newest_staging_that_cannot_be_read_is_told_of(
    house: House, value: dict[str, Any], before: tuple[dict[str, Any], ...]
) -> None:
    found = card(house, *before, staged("2026-11-10", **value))
    assert found["summary"] == "No survival estimate: the newest staging could not be read (FOLFIRINOX ordered)"
    assert "(10 Nov 2026)" in found["detail"] and "has not spread" not in found["detail"]
    found = card(house, *before, staged("2026-11-10", **value), language="nl")
    assert "de nieuwste stadiëring was niet te lezen" in found["summary"]


def test_an_older_one_or_one_without_a_value_stands_in_no_way(house: House) -> None:
    absent = {"dataAbsentReason": {"coding": [{"code": "unknown"}]}}
    for other in (staged("2026-10-02", **UNREAD[0]), staged("2026-11-10", **absent)):
        found = card(house, staged("2026-10-05", **STAGE_II), other)
        assert "the models here are for metastatic disease" in found["summary"]
        assert "(stage II (5 Oct 2026))" in found["detail"]


def test_two_stagings_of_one_day_that_contradict_each_other_are_no_stage(house: House) -> None:
    m0 = staged("2026-10-05", **coded("1229901006")) | {
        "id": "m",
        "code": {"coding": [{"system": "http://loinc.org", "code": "21907-1"}]},
    }
    found = card(house, staged("2026-10-05", **STAGE_IV), m0)
    assert "the record contradicts itself on the stage" in found["summary"]


def test_on_choosing_a_regimen_a_stage_that_can_be_read_is_asked_for(house: House) -> None:
    orders = [order | SUBJECT | {"id": f"o{number}"} for number, order in enumerate(FOLFIRINOX)]
    asked = house.ask(
        STORY,
        "order-select",
        beside=(CANCER, staged("2026-11-10", **UNREAD[0])),
        draftOrders={"resourceType": "Bundle", "entry": [{"resource": order} for order in orders]},
        selections=[f"MedicationRequest/{order['id']}" for order in orders],
    )
    (found,) = asked["pancreas-first-line"]
    assert "a stage that can be read here" in found["summary"]


def test_a_diagnosis_without_a_day_is_not_called_unrecorded(house: House) -> None:
    undated = {key: value for key, value in CANCER.items() if key != "onsetDateTime"}
    beside = (undated, staged("2026-10-05", **STAGE_IV))
    (found,) = sign(house, *FOLFIRINOX, beside=beside, story=STORY)
    assert "iagnosis of pancreatic cancer (recorded without a date)" in found["detail"]
