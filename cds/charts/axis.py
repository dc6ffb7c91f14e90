"""The axis of time that all lanes of a timeline share, and what stands left of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

When = datetime | date
_DAY = 86400.0


def plain(value: float) -> str:
    """Where no language is given."""
    text = f"{value:,.0f}".replace(",", " ") if abs(value) >= 1000 else f"{value:g}"
    return text.replace("-", "−")


@dataclass(frozen=True)
class TimelineWords:
    months: tuple[str, ...]
    """Twelve short names."""
    nothing: str
    """In a lane that holds nothing."""
    limit: str = ""
    """At a reference limit, such as "limit"."""
    zone: tzinfo = UTC
    """Of dates without a time, and of the axis."""
    older: str = ""
    """In a lane whose values are all from before the axis."""
    figure: Callable[[float], str] = plain
    """How the language writes a number."""

    def __post_init__(self) -> None:
        if len(self.months) != 12:
            raise ValueError("a year has twelve months")


@dataclass(frozen=True)
class Plan:
    width: float
    """Of the sheet."""
    narrow: bool
    left: float
    plot: float
    """Width of the axis of time."""
    begin: float
    end: float
    """Days since 1970 at its ends."""
    words: TimelineWords

    def x(self, when: When) -> float:
        return self.left + self.plot * (self.day(when) - self.begin) / (self.end - self.begin)

    def day(self, when: When) -> float:
        return days(when, self.words.zone)


def days(when: When, zone: tzinfo) -> float:
    """Days since 1970 in UTC; a date is its midnight in ``zone``, whose days may have 23 or 25 hours."""
    if not isinstance(when, datetime):
        when = datetime.combine(when, time(), zone)
    elif when.tzinfo is None:
        when = when.replace(tzinfo=zone)
    return when.timestamp() / _DAY


def ticks_of(plan: Plan) -> list[tuple[float, str, bool]]:
    """(x, label, a new year) at the beginnings of months, as many as fit."""
    zone = plan.words.zone
    first, last = (datetime.fromtimestamp(day * _DAY, zone) for day in (plan.begin, plan.end))
    span = (last.year - first.year) * 12 + last.month - first.month + 1
    room = plan.plot / 62
    step = next((s for s in (1, 2, 3, 4, 6, 12, 24, 60, 120) if span / s <= room), 240)
    if span <= 2:
        return _day_ticks(plan, first, last)
    found: list[tuple[float, str, bool]] = []
    for month in range(first.year * 12 + first.month - 1, last.year * 12 + last.month):
        if month % step:
            continue
        when = date(month // 12, month % 12 + 1, 1)
        if plan.begin <= plan.day(when) <= plan.end:
            new_year = month % 12 == 0
            label = str(when.year) if new_year else plan.words.months[when.month - 1]
            if not found and not new_year:  # the axis begins with a year
                label = f"{label} {when.year}"
            found.append((plan.x(when), label, new_year))
    return found


def _day_ticks(plan: Plan, first: datetime, last: datetime) -> list[tuple[float, str, bool]]:
    """For spans of weeks."""
    whole = max(1, int(plan.end - plan.begin))
    step = max(1, -(-whole // max(2, int(plan.plot / 80))))
    begin = first.date().toordinal()
    found: list[tuple[float, str, bool]] = []
    for ordinal in range(begin, last.date().toordinal() + 1, step):
        when = date.fromordinal(ordinal)
        if plan.begin <= plan.day(when) <= plan.end:
            label = f"{when.day} {plan.words.months[when.month - 1]}"
            found.append((plan.x(when), f"{label} {when.year}" if not found else label, False))
    return found


def heading(plan: Plan, page: Axes, label: str, unit: str, y: float, top: float) -> None:
    """Left of the lane; over it on a phone."""
    from cds.charts import sheet as on

    if plan.narrow:
        room = plan.width - 16 - (on.wide(f" {unit}", 12) if unit else 0)
        shown = on.folded(label, room, 13, bold=True, most=1)[0]
        on.write(page, 4, y + 14, shown, size=13, bold=True)
        if unit:
            on.write(page, 10 + on.wide(shown, 13, bold=True), y + 14, unit, size=12, tone="soft")
        return
    lines = on.folded(label, plan.left - 60, 13, bold=True, most=3)
    for number, line in enumerate(lines):
        on.write(page, 4, top + 12 + 16 * number, line, size=13, bold=True)
    if unit:
        on.write(page, 4, top + 12 + 16 * len(lines), unit, size=12, tone="soft")
