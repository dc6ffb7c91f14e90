"""Each fault of the table is seen in time by what the table says, and chance is not taken for one."""

from __future__ import annotations

import numpy as np
import pytest

from cds.simulation.hospital import OUT_OF_RANGE, UNIT_UNKNOWN, Plan, drawn
from cds.simulation.subject import faults, manifest
from cds.simulation.trial import healthy, injected

WEEKLY = 7


@pytest.mark.parametrize("name", list(faults()))
def test_a_fault_is_seen_in_the_time_the_table_promises(name: str) -> None:
    found = injected(Plan(seed=11, fault=name), WEEKLY)
    assert found.in_time, f"seen after {found.after} days, promised within {faults()[name].within_d}"
    assert set(found.seen_by) <= {measure for measure, _ in faults()[name].seen_by}
    assert found.false_alarms == 0


def test_half_a_year_in_which_nothing_goes_wrong_has_no_alarm() -> None:
    found = healthy(Plan(seed=12, days=183), WEEKLY)
    assert (found.watched, found.alarms, found.seen) == (183, (), None)


# the hospital itself


def test_the_same_plan_is_the_same_hospital_and_another_seed_is_not() -> None:
    one, same, other = (drawn(Plan(seed=seed, days=60)) for seed in (1, 1, 2))
    assert np.array_equal(one.values, same.values, equal_nan=True) and np.array_equal(one.event_day, same.event_day)
    assert len(one.at) != len(other.at) or not np.array_equal(one.at, other.at)


def test_a_healthy_model_is_right() -> None:
    hospital = drawn(Plan(seed=3, days=900))
    _, first = np.unique(hospital.person, return_index=True)
    early = hospital.answered[first] & (hospital.at[first] < 800)
    happened = np.full(hospital.people, np.inf)
    happened[hospital.event_person] = hospital.event_day
    within = happened - np.floor(hospital.at[first]) <= 91
    expected, events = float(hospital.risk[first][early].sum()), int(within[early].sum())
    assert abs(events - expected) < 4 * expected**0.5


@pytest.mark.parametrize("name", list(faults()))
def test_a_fault_changes_nothing_before_its_day(name: str) -> None:
    plan = Plan(seed=4, days=200, fault_day=120)
    without, broken = drawn(plan), drawn(Plan(seed=4, days=200, fault_day=120, fault=name))
    before = without.at < 120
    for column in ("values", "states", "risk", "carded", "accepted", "overridden"):
        mine, theirs = getattr(without, column)[before], getattr(broken, column)[before]
        assert np.array_equal(mine, theirs, equal_nan=column in ("values", "risk")), column
    parts = ("values", "risk", "accepted", "event_day", "event_known")
    assert any(not np.array_equal(getattr(without, p), getattr(broken, p), equal_nan=True) for p in parts)


def test_a_wrong_unit_is_read_as_the_engine_would() -> None:
    place = {spec.name: n for n, spec in enumerate(manifest().inputs)}
    unknown = drawn(Plan(seed=5, days=60, fault="unit-unknown", fault_day=30))
    late = unknown.at >= 30
    assert set(np.unique(unknown.states[late, place["haemoglobin"]])) == {1, UNIT_UNKNOWN, OUT_OF_RANGE}
    silent = drawn(Plan(seed=5, days=60, fault="unit-silent", fault_day=30))
    lost = silent.states[silent.at >= 30, place["creatinine"]] == OUT_OF_RANGE
    assert lost.mean() > 0.9
    assert silent.answered[silent.at >= 30].mean() < 0.05, "the model does not speak without it"
