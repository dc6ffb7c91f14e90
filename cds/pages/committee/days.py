"""A list from one day to another, days of the hospital."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cds.errors import NothingThere

_EVER = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Days:
    first: date | None
    last: date | None
    zone: ZoneInfo

    @property
    def since(self) -> datetime:
        return _EVER[0] if self.first is None else self._begins(self.first)

    @property
    def until(self) -> datetime:
        """Not in it any more."""
        return _EVER[1] if self.last is None else self._begins(self.last + timedelta(days=1))

    @property
    def asked(self) -> dict[str, str]:
        """As it stands in an address."""
        told = {"from": self.first, "to": self.last}
        return {name: day.isoformat() for name, day in told.items() if day is not None}

    def hold(self, at: datetime) -> bool:
        return self.since <= at < self.until

    def _begins(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone)


def days_of(asked: Mapping[str, str], timezone: str) -> Days:
    """``asked``: ``from`` and ``to``, each a day or empty. Raises NothingThere for what is no day, or ends before it
    begins."""
    try:
        first, last = (date.fromisoformat(text) if (text := asked.get(name, "")) else None for name in ("from", "to"))
    except ValueError as error:
        raise NothingThere("write a day as 2026-03-31") from error
    if any(day is not None and not 1970 < day.year < 9999 for day in (first, last)):
        raise NothingThere("write a day as 2026-03-31")
    if first is not None and last is not None and last < first:
        raise NothingThere("the last day lies before the first")
    return Days(first, last, ZoneInfo(timezone))
