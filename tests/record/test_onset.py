"""When a condition began, where its entry tells an age: diabetes since 45 is not found the day somebody codes it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from cds.fhir import resources as fhir
from cds.record import moments
from cds.record.onset import began

BIRTH, NOW = moments.parse("1958-03-14"), datetime(2026, 11, 4, tzinfo=UTC)


def condition(**onset: Any) -> fhir.Condition:
    return msgspec.json.decode(msgspec.json.encode({"resourceType": "Condition", **onset}), type=fhir.Condition)


def at(value: Any, code: str = "a") -> dict[str, Any]:
    return {"value": value, "code": code, "system": "http://unitsofmeasure.org"}


@pytest.mark.parametrize(
    ("onset", "expected"),
    [
        ({"onsetAge": at(45), "recordedDate": "2026-10-01"}, "2003"),
        ({"onsetAge": at(540, "mo"), "recordedDate": "2026-10-01"}, "2003"),
        ({"onsetAge": {"value": 45, "unit": "years"}}, "2003"),
        # within that year of life, or before it: the day is the better word
        ({"onsetAge": at(68), "recordedDate": "2026-10-01"}, "2026-10-01"),
        ({"onsetAge": at(68), "recordedDate": "2019-05-02"}, "2019-05-02"),
        ({"onsetAge": at(45), "onsetDateTime": "2026-09", "recordedDate": "2026-10-01"}, "2026-09"),
        ({"onsetAge": at(45), "onsetPeriod": {"start": "2025-02"}}, "2025-02"),
        # what tells no age
        ({"onsetAge": at("about 45"), "recordedDate": "2026-10-01"}, "2026-10-01"),
        ({"onsetAge": at(45, "wk"), "recordedDate": "2026-10-01"}, "2026-10-01"),
        ({"onsetAge": [], "recordedDate": "2026-10-01"}, "2026-10-01"),
        ({"onsetAge": {**at(45), "comparator": "<"}, "recordedDate": "2026-10-01"}, "2026-10-01"),
    ],
)
def test_an_age_long_before_the_entry_is_the_onset(onset: dict[str, Any], expected: str) -> None:
    found = began(condition(**onset), BIRTH, NOW, UTC)
    assert found is not None and found.text == expected


def test_an_age_is_a_year_of_life_and_lasts_until_now_at_most() -> None:
    found = began(condition(onsetAge=at(68)), BIRTH, NOW, UTC)
    assert found is not None
    assert (found.earliest.date().isoformat(), found.latest) == ("2026-03-14", NOW)


def test_without_a_day_of_birth_no_age_tells_anything() -> None:
    assert began(condition(onsetAge=at(45)), None, NOW, UTC) is None
    found = began(condition(onsetAge=at(45), recordedDate="2026-10-01"), None, NOW, UTC)
    assert found is not None and found.text == "2026-10-01"
