"""The figures that are committed keep what the table of faults promises; whoever changes a monitor measures again."""

from __future__ import annotations

import json

import pytest

from cds.simulation.subject import MEASURED, faults

FOUND = json.loads(MEASURED.read_text(encoding="utf-8"))


def test_each_fault_of_the_table_was_measured_and_no_other() -> None:
    assert list(FOUND["faults"]) == list(faults())


@pytest.mark.parametrize("name", list(faults()))
def test_each_fault_was_seen_in_every_hospital_within_its_time(name: str) -> None:
    told = FOUND["faults"][name]
    assert told["unseen"] == 0 and told["hospitals"] >= 4
    assert told["worst_d"] <= faults()[name].within_d
    assert set(told["by"]) <= {measure for measure, _ in faults()[name].seen_by}


def test_there_was_no_more_than_one_false_alarm_a_model_year_over_many_of_them() -> None:
    for size in FOUND["healthy"]:
        assert size["years"] >= 10
        assert size["per_year"] <= 1


def test_patients_are_made_as_fast_as_is_asked() -> None:
    assert FOUND["rate"] >= 20_000
