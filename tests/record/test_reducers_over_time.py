"""Values over time: extremes, ratios to a starting value, courses of treatment, days since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from cds.record.facts import Fact, Record
from cds.record.features import Feature, extract
from cds.record.inputs import Input
from cds.record.moments import parse

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def fact(concept: str, days_ago: float, value: float | None = None, **more: Any) -> Fact:
    moment = (NOW - timedelta(days=days_ago)).isoformat()
    return Fact(concept, f"Observation/{concept}-{days_ago}", parse(moment), value=value, **more)


def record(*facts: Fact) -> Record:
    made = Record(now=NOW, patient_id="p1", birth=parse("1956-01-01"), male=True)
    for item in facts:
        made.add(item)
    made.arrange()
    return made


def spec(name: str = "x", **fields: Any) -> Input:
    return Input.model_validate({"name": name, "label": {"en": name}, "concepts": ["marker"]} | fields)


COURSE = spec("start", concepts=["drug"], reduce="course", gap="56d", within="90d", unit="d")
SINCE_START = {"anchor": {"input": "start", "window": ["-60d", "7d"]}}
AFTER_START = {"anchor": {"input": "start", "window": ["0d", "10y"]}}


def under_treatment(made: Record, *inputs: Input) -> tuple[Feature, ...]:
    return extract([COURSE, *inputs], made, {})


CYCLES = tuple(fact("drug", days_ago) for days_ago in (46, 32, 18))
SERIES = (fact("marker", 60, 2140.0), fact("marker", 30, 380.0), fact("marker", 4, 410.0))


def test_a_course_is_the_newest_run_without_a_long_pause() -> None:
    earlier = (fact("drug", 400), fact("drug", 386))
    (start,) = under_treatment(record(*CYCLES, *earlier))
    assert start.value == pytest.approx(46)
    assert [f.source for f in start.facts] == ["Observation/drug-46"]


def test_a_course_that_ended_long_ago_is_no_course() -> None:
    (start,) = under_treatment(record(fact("drug", 400), fact("drug", 386)))
    assert (start.value, start.state, start.at) == (None, "missing", None)


def test_extremes_are_found_with_the_day_they_were_measured() -> None:
    made = record(*SERIES)
    low, high = extract([spec("low", reduce="lowest"), spec("high", reduce="highest")], made, {})
    assert (low.value, low.facts[0].source) == (380.0, "Observation/marker-30")
    assert (high.value, high.facts[0].source) == (2140.0, "Observation/marker-60")


def test_extremes_look_no_further_than_they_are_told() -> None:
    made = record(*CYCLES, *SERIES, fact("marker", 300, 5.0))
    (_, low) = under_treatment(made, spec("low", reduce="lowest", **AFTER_START))
    assert low.value == 380.0
    (high,) = extract([spec("high", reduce="highest", within="20d")], made, {})
    assert high.value == 410.0


def test_an_extreme_over_all_time_needs_no_dates() -> None:
    undated = Fact("marker", "FamilyMemberHistory/1", None, value=48.0, status="active")
    (low,) = extract([spec("low", reduce="lowest")], record(*SERIES, undated), {})
    assert low.value == 48.0
    (recent,) = extract([spec("low", reduce="lowest", within="90d")], record(*SERIES, undated), {})
    assert recent.value == 380.0


def test_an_extreme_since_a_start_that_is_unknown_is_unknown() -> None:
    (_, low) = under_treatment(record(*SERIES), spec("low", reduce="lowest", **AFTER_START))
    assert (low.value, low.state) == (None, "missing")


def test_a_value_below_the_limit_of_the_assay_counts_as_that_limit() -> None:
    made = record(*(fact("marker", d, 2.0, comparator="<") for d in (120, 60, 5)))
    (high,) = extract([spec("high", reduce="highest")], made, {})
    assert high.value == 2.0
    made.add(fact("marker", 1, 9.0))
    made.arrange()
    (high,) = extract([spec("high", reduce="highest")], made, {})
    assert high.value == 9.0


@pytest.mark.parametrize(("reduce", "comparator"), [("lowest", ">"), ("highest", "<")])
def test_a_bound_beside_an_impossible_value_is_no_bound_of_the_other_kind(reduce: str, comparator: str) -> None:
    """ "More than 10000" and a value nobody can have: the lowest is not known to be at most 10000."""
    made = record(fact("marker", 20, 10_000.0, comparator=comparator), fact("marker", 5, 1e9))
    (found,) = extract([spec("x", reduce=reduce, range=(0, 1e6))], made, {})
    assert (found.value, found.facts) == (None, ())


@pytest.mark.parametrize(("unit", "share"), [("1", 410 / 2140), ("%", 100 * 410 / 2140)])
def test_a_ratio_is_the_newest_over_the_value_nearest_the_anchor(unit: str, share: float) -> None:
    (_, ratio) = under_treatment(record(*CYCLES, *SERIES), spec("r", reduce="ratio", unit=unit, **SINCE_START))
    assert ratio.value == pytest.approx(share)
    assert [f.value for f in ratio.facts] == [410.0, 2140.0]


@pytest.mark.parametrize(
    "series",
    [
        (fact("marker", 60, 2140.0),),  # no second value
        (fact("marker", 200, 2140.0), fact("marker", 4, 410.0)),  # the first is too long before the start
        (fact("marker", 60, 0.0), fact("marker", 4, 410.0)),  # nothing can be divided by nought
    ],
    ids=["alone", "too early", "nought"],
)
def test_without_a_starting_value_there_is_no_ratio(series: tuple[Fact, ...]) -> None:
    (_, ratio) = under_treatment(record(*CYCLES, *series), spec("r", reduce="ratio", **SINCE_START))
    assert (ratio.value, ratio.state) == (None, "missing")


def test_a_value_set_against_itself_is_no_change_only_where_the_anchor_names_it() -> None:
    low = spec("low", reduce="lowest", **AFTER_START)
    from_low = spec("r", reduce="ratio", unit="%", anchor={"input": "low", "window": ["0d", "0d"]})
    (_, _, again) = under_treatment(record(*CYCLES, *SERIES), low, from_low)
    assert again.value == pytest.approx(100 * 410 / 380)
    (_, _, still) = under_treatment(record(*CYCLES, *SERIES[:2]), low, from_low)
    assert still.value == pytest.approx(100)


def test_an_older_number_does_not_stand_in_for_a_newer_bound() -> None:
    made = record(*CYCLES, *SERIES, fact("marker", 1, 2.0, comparator="<", original="<2 U/mL"))
    (_, ratio) = under_treatment(made, spec("r", reduce="ratio", **SINCE_START))
    assert (ratio.value, ratio.state, ratio.detail) == (None, "censored", "<2 U/mL")


@pytest.mark.parametrize(("days_ago", "shares"), [(1, [100 * 12000 / 2140]), (61, [])], ids=["recent", "too long ago"])
def test_a_recent_bound_is_the_bound_of_a_share(days_ago: int, shares: list[float]) -> None:
    beyond = fact("marker", days_ago, 12000.0, comparator=">", original=">12000 U/mL")
    made = record(*CYCLES, fact("drug", 60), fact("drug", 74), fact("marker", 80, 2140.0), beyond)
    asked = spec("r", reduce="ratio", unit="%", within="60d", **SINCE_START)
    (_, ratio) = under_treatment(made, asked)
    assert (ratio.value, ratio.state, ratio.detail) == (None, "censored", ">12000 U/mL")
    assert [f.value for f in ratio.facts] == [pytest.approx(s) for s in shares]


@pytest.mark.parametrize(
    ("comparator", "value", "told"),
    [
        (">", 1187.3, ">55 %"),  # 55.48
        (">", 1197.0, ">55 %"),  # 55.93
        (">=", 1284.0, ">=60 %"),
        ("<", 1187.3, "<56 %"),
        ("<=", 1284.0, "<=60 %"),
        ("<", 149.0, "<7 %"),  # 6.96
        (">", 149.0, ">6.9 %"),
        ("<", 0.0, "<0 %"),
        (">", 1e9, ">46728971 %"),  # 46728971.96, and never 4.7e+07
    ],
)
def test_a_bound_of_a_share_is_rounded_to_its_sure_side(comparator: str, value: float, told: str) -> None:
    bound = fact("marker", 1, value, comparator=comparator, original=f"{comparator}{value:g} U/mL")
    made = record(*CYCLES, fact("drug", 60), fact("drug", 74), fact("marker", 80, 2140.0), bound)
    (_, ratio) = under_treatment(made, spec("r", reduce="ratio", unit="%", within="60d", **SINCE_START))
    assert [f.original for f in ratio.facts] == [told]


def test_a_comparator_that_tells_no_side_bounds_no_share() -> None:
    enough = fact("marker", 1, 12000.0, comparator="ad", original="12000 U/mL")
    made = record(*CYCLES, fact("drug", 60), fact("drug", 74), fact("marker", 80, 2140.0), enough)
    (_, ratio) = under_treatment(made, spec("r", reduce="ratio", unit="%", within="60d", **SINCE_START))
    assert (ratio.state, ratio.facts, ratio.detail) == ("censored", (), "12000 U/mL")


def test_beside_a_bound_at_the_start_an_older_number_is_no_start() -> None:
    at_start = fact("marker", 75, 1000.0, comparator=">", original=">1000 U/mL")
    beyond = fact("marker", 1, 1000.0, comparator=">", original=">1000 U/mL")
    made = record(*CYCLES, fact("drug", 60), fact("drug", 74), fact("marker", 80, 640.0), at_start, beyond)
    (_, ratio) = under_treatment(made, spec("r", reduce="ratio", unit="%", within="60d", **SINCE_START))
    assert (ratio.state, ratio.facts) == ("censored", ())


def test_days_are_counted_from_the_newest_fact() -> None:
    made = record(fact("scan", 395), fact("scan", 30))
    (since,) = extract([spec("since", concepts=["scan"], reduce="days_since", unit="d")], made, {})
    assert since.value == pytest.approx(30)
    (never,) = extract([spec("since", concepts=["scan"], reduce="days_since", unit="d")], record(), {})
    assert (never.value, never.state) == (None, "missing")


def test_days_are_counted_from_an_anchor_to_the_newest_fact() -> None:
    after = spec("after", reduce="days_since", unit="d", anchor={"input": "start"})
    (_, found) = under_treatment(record(*CYCLES, *SERIES), after)
    assert found.value == pytest.approx(46 - 4)


@pytest.mark.parametrize(
    "fields",
    [
        {"reduce": "ratio"},
        {"reduce": "ratio", "unit": "mg/dL", "anchor": {"input": "start"}},
        {"reduce": "course", "unit": "d"},
        {"reduce": "course", "gap": "56d"},
        {"reduce": "days_since"},
        {"reduce": "count", "except_codes": [{"system": "urn:x", "code": "1"}]},
    ],
    ids=[
        "no anchor",
        "a unit a ratio can't have",
        "no gap",
        "a course in no unit",
        "days in no unit",
        "codes of no course",
    ],
)
def test_an_input_that_does_not_hang_together_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="input 'x'"):
        spec(**fields)
