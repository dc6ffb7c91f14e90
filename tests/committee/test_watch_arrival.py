"""Outcomes that reach the record later than they did are seen, and fewer patients or a first year are no reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from cds.committee.charter import Charter
from cds.committee.watch_arrival import Risked, arrivals, arriving
from cds.ledger.outcomes import Arrival, Sweep
from cds.measures.estimate import Estimate, NotEnough

CHARTER = Charter.model_validate({"name": "n", "author": "a", "approver": "b", "effective": "2026-01-01"})
HORIZON = 91.0
SWEEPS = [float(d) for d in range(0, 500, 7)]


def people(rate: float, late_from: float = 1e9, late: float = 120.0, seed: int = 1, fewer: float = 1.0) -> Risked:
    """500 days with ``rate`` people a day, a tenth with the event within the horizon, known about 20 days later;
    ``fewer``: of that rate from day 250 on."""
    random = np.random.default_rng(seed)
    start = np.sort(random.uniform(0, 500, int(rate * 500)))
    start = np.floor(start[(start < 250) | (random.random(len(start)) < fewer)])
    event = np.where(
        random.random(len(start)) < 0.1, start + 1 + np.floor(random.uniform(0, HORIZON, len(start))), np.nan
    )
    known = event + random.exponential(20.0, len(start)) + np.where(event >= late_from, late, 0.0)
    return Risked(start, event, np.ceil(known / 7) * 7)


def test_what_arrives_as_it_did_is_green() -> None:
    found = arriving("m", "fhir", people(40), SWEEPS, HORIZON, CHARTER)
    assert isinstance(found.result, Estimate)
    assert found.level == "green" and found.result.lower < 1 < found.result.upper


def test_fewer_patients_are_not_fewer_outcomes_of_each() -> None:
    found = arriving("m", "fhir", people(60, fewer=0.3), SWEEPS, HORIZON, CHARTER)
    assert isinstance(found.result, Estimate)
    assert found.level == "green" and found.result.lower < 1 < found.result.upper


@pytest.mark.parametrize(("after", "level"), [(10, "green"), (56, "watch"), (80, "act")])
def test_outcomes_that_come_months_late_are_missed_one_by_one(after: int, level: str) -> None:
    asked = [day for day in SWEEPS if day <= 400 + after]
    assert arriving("m", "fhir", people(60, late_from=400), asked, HORIZON, CHARTER).level == level


def test_none_at_all_is_seen_though_nothing_can_be_divided_by_it() -> None:
    silent = people(40, late_from=380, late=1e6)
    found = arriving("m", "fhir", silent, SWEEPS, HORIZON, CHARTER)
    assert isinstance(found.result, Estimate)
    assert (found.result.value, found.level) == (0.0, "act")


def test_a_source_that_was_not_asked_before_the_baseline_says_nothing_yet() -> None:
    found = arriving("m", "fhir", people(40), SWEEPS[:20], HORIZON, CHARTER)
    assert found.result == NotEnough("days since the first question", 133, 182)
    assert arriving("m", "fhir", people(40), [], HORIZON, CHARTER).level == "green"


def test_few_outcomes_in_the_baseline_are_told_as_few() -> None:
    found = arriving("m", "fhir", people(2), SWEEPS, HORIZON, CHARTER)
    assert isinstance(found.result, NotEnough) and found.result.what == "outcomes in the baseline"


BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def sweep(day: int, source: str, *outcomes: str) -> Sweep:
    at = BEGIN + timedelta(days=day)
    return Sweep(f"{source}{day}", at, "north", source, "", None, outcomes, None, at.date())  # type: ignore[arg-type]


def test_each_source_is_told_by_itself_and_only_those_asked_for_this_outcome() -> None:
    who = [(f"p{n}", BEGIN + timedelta(days=n // 10)) for n in range(2800)]
    events = [
        Arrival(key, "fhir", (at + timedelta(days=10)).date(), at + timedelta(days=20))
        for key, at in who
        if key[-1] == "3"
    ]
    asked = [*(sweep(d, "fhir", "cancer", "death") for d in range(0, 290, 7)), sweep(100, "registry", "death")]
    found = arrivals("m", who, events, asked, "cancer", HORIZON, CHARTER, BEGIN)
    assert [f.about for f in found] == ["fhir"]
    assert isinstance(found[0].result, Estimate) and found[0].result.n > 100


def test_an_outcome_of_the_day_after_an_evening_s_call_is_one() -> None:
    """At seven in the evening it is the next day already by UTC, and it would lie on the call's own day."""
    here = BEGIN.astimezone(ZoneInfo("America/Los_Angeles"))
    who = [(f"p{n}", BEGIN + timedelta(days=n // 10, hours=3)) for n in range(2800)]
    events = [Arrival(key, "fhir", at.date(), at + timedelta(days=20)) for key, at in who if key[-1] == "3"]
    asked = [sweep(d, "fhir", "cancer") for d in range(0, 290, 7)]
    [found] = arrivals("m", who, events, asked, "cancer", HORIZON, CHARTER, here)
    assert isinstance(found.result, Estimate) and found.result.n > 100
    [by_utc] = arrivals("m", who, events, asked, "cancer", HORIZON, CHARTER, BEGIN)
    assert isinstance(by_utc.result, NotEnough)
