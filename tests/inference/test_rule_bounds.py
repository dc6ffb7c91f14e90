"""Rules and numbers that are known only as a bound, or not at all: decided where they can be, never taken for 0."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cds.inference.manifest import Condition
from cds.inference.rules import holds
from cds.record.facts import Fact, Record
from cds.record.features import Feature, extract
from cds.record.inputs import Absent, Input, Reduce
from cds.record.moments import parse

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SPEC = Input(
    name="marker",
    label={"en": "marker", "nl": "marker"},
    concepts=("marker",),
    reduce=Reduce.latest,
    unit="U/mL",
    within="12m",
    absent=Absent.model_validate({"does": "assume", "value": 0, "why": {"en": "not raised", "nl": "niet verhoogd"}}),
)


def told(*facts: tuple[str, float, str | None]) -> Feature:
    record = Record(now=NOW, patient_id="p")
    for day, value, comparator in facts:
        record.add(Fact("marker", "Observation/1", parse(day), value=value, unit="U/mL", comparator=comparator))
    record.arrange()
    return extract([SPEC], record, {})[0]


def decided(test: dict[str, float], comparator: str, limit: float) -> bool | None:
    condition = Condition.model_validate({"input": "marker", **test})
    return holds(condition, {"marker": told(("2026-11-01", limit, comparator))})


@pytest.mark.parametrize(
    ("test", "comparator", "limit", "expected"),
    [
        ({"above": 37}, ">", 10000, True),
        ({"at_least": 10}, ">", 10, True),
        ({"at_least": 10}, ">=", 10, True),
        ({"above": 10}, ">", 10, True),
        ({"above": 10}, ">=", 10, None),
        ({"at_least": 10}, ">", 5, None),
        ({"below": 5}, ">", 10, False),
        ({"below": 10}, ">=", 10, False),
        ({"at_most": 10}, ">", 10, False),
        ({"at_most": 10}, ">=", 10, None),
        ({"below": 5}, "<", 5, True),
        ({"below": 5}, "<=", 5, None),
        ({"at_most": 5}, "<=", 5, True),
        ({"above": 0}, "<", 5, None),
        ({"at_least": 5}, "<", 5, False),
        ({"above": 5}, "<=", 5, False),
        ({"at_least": 5}, "<=", 5, None),
        ({"above": 37}, "<", 2, False),
    ],
)
def test_a_bound_decides_what_holds_for_every_number_beyond_it(
    test: dict[str, float], comparator: str, limit: float, expected: bool | None
) -> None:
    assert decided(test, comparator, limit) is expected


def test_an_older_number_does_not_stand_in_for_a_newer_bound() -> None:
    newest = told(("2026-03-01", 30, None), ("2026-11-01", 10000, ">"))
    assert (newest.value, newest.state) == (None, "censored")
    assert told(("2026-03-01", 10000, ">"), ("2026-11-01", 30, None)).value == 30
    assert told(("2020-03-01", 10000, ">")).value is None
    assert holds(Condition.model_validate({"input": "marker", "above": 37}), {"marker": newest}) is True


def test_a_number_that_cannot_be_used_is_not_what_its_absence_assumes() -> None:
    raised = Condition.model_validate({"input": "marker", "above": 37})
    assert holds(raised, {"marker": Feature(SPEC, None, "missing")}) is False
    for state in ("unit-missing", "unit-unknown", "unit-conflict", "implausible", "out-of-range", "unread"):
        assert holds(raised, {"marker": Feature(SPEC, None, state)}) is None
