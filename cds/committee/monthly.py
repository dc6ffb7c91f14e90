"""The month's report: where each model stood at its end, what was decided, what people reported."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from cds.committee.charter import Charter
from cds.errors import NothingThere
from cds.ledger.book import Book
from cds.ledger.incidents import Incident, incidents
from cds.ledger.standings import Standing, every
from cds.ledger.verdicts import Verdict, newest_until

_MONTH = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])")


@dataclass(frozen=True)
class Monthly:
    month: str
    """``2026-10``"""
    since: datetime
    until: datetime
    charter: str
    verdicts: tuple[Verdict, ...]
    """The newest of each model and site, reached in the month."""
    decisions: tuple[Standing, ...]
    reported: int
    """Incidents reported in the month."""
    closed: Mapping[str, int]
    """Closed in the month, by severity."""
    open: int
    """Not closed at its end."""

    @property
    def last_day(self) -> date:
        return self.until.date() - timedelta(days=1)

    @property
    def before(self) -> str:
        return month_of(self.since - timedelta(days=1))

    @property
    def after(self) -> str:
        return month_of(self.until)


def month_of(at: datetime) -> str:
    return f"{at:%Y-%m}"


def monthly(book: Book, charter: Charter, month: str, now: datetime) -> Monthly:
    """The month of the clocks that tell ``now``: the hospital's. Raises NothingThere for what is no month, or one to
    come."""
    if not _MONTH.fullmatch(month) or month > month_of(now):
        raise NothingThere("write a month that has begun as 2026-03")
    first = date.fromisoformat(f"{month}-01")
    following = (first.replace(day=28) + timedelta(days=4)).replace(day=1)
    since, until = (datetime(d.year, d.month, d.day, tzinfo=now.tzinfo) for d in (first, following))
    verdicts = book.read(lambda c: newest_until(c, since, until))
    decisions = tuple(d for d in book.read(every) if since <= d.at < until)
    return Monthly(month, since, until, charter.version, verdicts, decisions, *_incidents(book, since, until))


def _incidents(book: Book, since: datetime, until: datetime) -> tuple[int, Mapping[str, int], int]:
    known = [i for i in book.read(incidents) if i.problem.at < until]
    past = [Incident(i.problem, tuple(e for e in i.events if e.at < until)) for i in known]
    closed: Counter[str] = Counter(
        i.severity or "none"
        for i in past
        if i.state == "closed" and any(e.action == "close" and since <= e.at for e in i.events)
    )
    return sum(i.problem.at >= since for i in past), dict(closed), sum(i.state != "closed" for i in past)
