"""FHIR dates with the precision they were written in.

``2019`` is a whole year, ``2021-03`` a month: each is kept as the interval it may mean and ordered by its middle, so
that a vague date never pretends to be the first of January. A date without a time zone is read in the site's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cached_property, lru_cache

_FORM = re.compile(
    r"^(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?)?)?$",
    re.ASCII,
)
YEAR_DAYS = 365.25


@dataclass(frozen=True)
class Moment:
    earliest: datetime
    """UTC, inclusive."""
    latest: datetime
    """UTC, exclusive unless the moment is exact."""
    text: str
    """As written, cut to the day: for showing."""

    @cached_property
    def middle(self) -> datetime:
        return self.earliest + (self.latest - self.earliest) / 2

    @cached_property
    def stamp(self) -> float:
        """The middle in seconds, for ordering."""
        return self.middle.timestamp()

    def days_before(self, other: datetime) -> float:
        """Days from this moment's middle to ``other``; negative if it lies after."""
        return (other - self.middle).total_seconds() / 86400


@lru_cache(maxsize=8192)
def parse(text: str, zone: tzinfo = UTC) -> Moment | None:
    """None for anything that is not a FHIR date, dateTime or instant; a blank before the hour, and a time zone without
    its colon, can mean nothing else."""
    text = text.strip()
    match = _FORM.match(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, offset = match.groups()
    try:
        if month is None:
            start = datetime(int(year), 1, 1, tzinfo=zone)
            end = datetime(int(year) + 1, 1, 1, tzinfo=zone)
        elif day is None:
            start = datetime(int(year), int(month), 1, tzinfo=zone)
            end = datetime(int(year) + int(month) // 12, int(month) % 12 + 1, 1, tzinfo=zone)
        elif hour is None:
            start = datetime(int(year), int(month), int(day), tzinfo=zone)
            end = start + timedelta(days=1)
        else:
            stated = zone if offset is None else datetime.fromisoformat(f"2000-01-01T00:00:00{offset}").tzinfo
            leap = second == "60"
            start = datetime(
                int(year),
                int(month),
                int(day),
                int(hour),
                int(minute),
                59 if leap else int(second or 0),
                tzinfo=stated,
            )
            end = start
        return Moment(start.astimezone(UTC), end.astimezone(UTC), text[:10])
    except (ValueError, OverflowError):
        return None


def day_at(at: datetime, zone: tzinfo) -> date:
    """The day it is then where the zone's clocks hang: in the evening, UTC's is another one."""
    return at.astimezone(zone).date()


def day_beside(at: datetime, now: datetime) -> date:
    """The day it was then, by the clocks that tell ``now``: of the hospital, where its time zone is ``now``'s."""
    return at.astimezone(now.tzinfo).date()


def years_between(birth: Moment, at: datetime) -> float:
    return birth.days_before(at) / YEAR_DAYS


def completed_years(birth: Moment, at: datetime) -> int:
    """Age as people count it, from the calendar, not from a mean year."""
    born = birth.middle
    return at.year - born.year - ((at.month, at.day) < (born.month, born.day))
