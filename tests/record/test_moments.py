"""Dates keep the precision they were written in."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from cds.record.moments import completed_years, parse

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_a_year_is_the_whole_year_not_its_first_day() -> None:
    moment = parse("2019")
    assert moment is not None
    assert (moment.earliest.year, moment.latest.year) == (2019, 2020)
    assert moment.middle.month in (6, 7)
    assert moment.text == "2019"


def test_a_month_ends_where_the_next_begins_in_december_too() -> None:
    moment = parse("2020-12")
    assert moment is not None
    assert moment.latest == datetime(2021, 1, 1, tzinfo=UTC)


def test_an_offset_is_honoured_and_a_missing_one_is_the_sites() -> None:
    with_offset = parse("2026-03-01T10:00:00+02:00")
    without = parse("2026-03-01T10:00:00", ZoneInfo("Europe/Amsterdam"))
    assert with_offset is not None
    assert without is not None
    assert with_offset.earliest == datetime(2026, 3, 1, 8, tzinfo=UTC)
    assert without.earliest == datetime(2026, 3, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["2026-03-01T10:00:00+0200", "2026-03-01 10:00:00+02:00", "2026-03-01 10:00:00.000+0200"]
)
def test_a_blank_before_the_hour_and_an_offset_without_colon_change_nothing(text: str) -> None:
    assert (moment := parse(text)) is not None
    assert moment.earliest == datetime(2026, 3, 1, 8, tzinfo=UTC)


def test_a_leap_second_does_not_stop_the_reading() -> None:
    assert parse("2016-12-31T23:59:60Z") is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-01-01T10",
        "2026-01-01  10:00",
        "2026-13-01",
        "2026-02-30",
        "12/03/2026",
        "99999",
        "2026-1-1",
        "٢٠٢٦-١١-٢٠",
    ],
)
def test_what_is_no_fhir_date_is_none(text: str) -> None:
    assert parse(text) is None


def test_spaces_around_a_day_are_no_part_of_it() -> None:
    assert (spaced := parse(" 2026-11-20 ")) is not None and spaced.text == "2026-11-20"


@pytest.mark.parametrize(("birth", "age"), [("1956-11-23", 70), ("1956-11-24", 69), ("1956-01-01", 70)])
def test_age_is_counted_by_the_calendar(birth: str, age: int) -> None:
    moment = parse(birth)
    assert moment is not None
    assert completed_years(moment, NOW) == age
