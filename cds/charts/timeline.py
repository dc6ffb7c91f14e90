"""Lanes that share one axis of time: measurements as lines, events as bars and ticks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from math import isfinite, log10
from typing import TYPE_CHECKING

from cds.charts.svg import ChartsUnavailable, Svg, available

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cds.charts.sheet import Sheet

When = datetime | date
_DAY = 86400.0


@dataclass(frozen=True)
class Lane:
    """One thing that was measured: ``points`` are (when, value, text), in any order."""

    label: str
    unit: str
    points: tuple[tuple[When, float, str], ...]
    log: bool = False
    reference: tuple[float | None, float | None] | None = None
    """Limits of what is usual."""
    shaded: tuple[tuple[When, When, str], ...] = ()
    """Periods in which the values mean something else, and why."""
    marks: tuple[tuple[When, str], ...] = ()


@dataclass(frozen=True)
class EventLane:
    """What happened: ``spans`` are (from, until or None for "goes on", label), ``ticks`` (when, label)."""

    label: str
    spans: tuple[tuple[When, When | None, str], ...] = ()
    ticks: tuple[tuple[When, str], ...] = ()


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

    def __post_init__(self) -> None:
        if len(self.months) != 12:
            raise ValueError("a year has twelve months")


@dataclass(frozen=True)
class _Plan:
    sheet: Sheet
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
    """Days since 1970 in UTC; a date is its midnight in ``zone``, so days with a change of the clock have 23 or 25 h."""
    if not isinstance(when, datetime):
        when = datetime.combine(when, time(), zone)
    elif when.tzinfo is None:
        when = when.replace(tzinfo=zone)
    return when.timestamp() / _DAY


def timeline(
    lanes: tuple[Lane, ...],
    events: tuple[EventLane, ...],
    start: When,
    end: When,
    words: TimelineWords,
    title: str,
    description: str,
    *,
    narrow: bool = False,
) -> Svg:
    """``start`` and ``end``: of the axis. What lies outside is not drawn.

    Raises ValueError if ``end`` is not after ``start`` or a value is not finite; values of 0 and below have no place on
    a logarithmic lane and are drawn at its lower edge.
    """
    begin, until = days(start, words.zone), days(end, words.zone)
    if until <= begin:
        raise ValueError("a timeline ends after it starts")
    if not all(isfinite(value) for lane in lanes for _when, value, _text in lane.points):
        raise ValueError("a value that is not finite can't be drawn")
    if not available():
        raise ChartsUnavailable("charts need matplotlib: install pancreas-cds[report]")
    from cds.charts import sheet as on

    width = 360 if narrow else 960
    left, right = (46.0, 12.0) if narrow else (212.0, 24.0)
    plot = width - left - right
    probe = _Plan(on.Sheet(10, 10), left, plot, begin, until, words)
    rows = [_rows(probe, lane) for lane in events]
    head = 26.0 if narrow else 8.0
    lane_height, gap, row_height = (84.0, 14.0, 40.0) if narrow else (96.0, 18.0, 38.0)
    tall = [head + lane_height + _above(lane, narrow) for lane in lanes]
    event_tall = [head + row_height * max(1, max((row for row, *_ in found), default=-1) + 1) for found in rows]
    height = int(6 + sum(t + gap for t in tall + event_tall) + 34)
    sheet = on.Sheet(width, height, narrow=narrow)
    plan = _Plan(sheet, left, plot, begin, until, words)
    page = sheet.page()
    ticks = _ticks(plan)
    foot = height - 34.0
    for x, _label, _strong in ticks:
        on.rule(page, [x, x], [6, foot], "grid", order=0.5)
    on.rule(page, [left, left + plot], [foot, foot], "soft", order=1)
    for x, label, strong in ticks:
        on.rule(page, [x, x], [foot, foot + 5], "soft", order=1)
        if label:
            on.write(page, x, foot + 20, label, size=12, tone="ink" if strong else "soft", align="center", bold=strong)
    y = 6.0
    for number, (lane, full) in enumerate(zip(lanes, tall, strict=True)):
        _lane(plan, page, lane, number, y + head + _above(lane, narrow), lane_height, y)
        y += full + gap
    for number, (event, found, full) in enumerate(zip(events, rows, event_tall, strict=True)):
        _events(plan, page, event, found, number, y, head, row_height)
        y += full + gap
    return sheet.finish(title, description)


def _above(lane: Lane, narrow: bool) -> float:
    """Room for the words of shaded periods and marks, over the plot."""
    return (18.0 if lane.shaded else 0.0) + (18.0 if lane.marks else 0.0)


def _ticks(plan: _Plan) -> list[tuple[float, str, bool]]:
    """(x, label, a new year) at the beginnings of months, as many as fit."""
    zone = plan.words.zone
    first, last = (datetime.fromtimestamp(day * _DAY, zone) for day in (plan.begin, plan.end))
    span = (last.year - first.year) * 12 + last.month - first.month + 1
    room = plan.plot / 62
    step = next((s for s in (1, 2, 3, 6, 12, 24, 60, 120) if span / s <= room), 240)
    if span <= 2:
        return _day_ticks(plan, first, last)
    found = []
    for month in range(first.year * 12 + first.month - 1, last.year * 12 + last.month):
        if month % step:
            continue
        when = date(month // 12, month % 12 + 1, 1)
        if plan.begin <= plan.day(when) <= plan.end:
            new_year = month % 12 == 0
            label = str(when.year) if new_year else plan.words.months[when.month - 1]
            found.append((plan.x(when), label, new_year))
    if found and not any(strong for *_x, strong in found):  # a year must stand somewhere
        x, label, _strong = found[0]
        found[0] = (x, f"{label} {first.year if first.day == 1 else _year_at(plan, x)}", False)
    return found


def _year_at(plan: _Plan, x: float) -> int:
    day = plan.begin + (x - plan.left) / plan.plot * (plan.end - plan.begin)
    return datetime.fromtimestamp(day * _DAY + 60, plan.words.zone).year


def _day_ticks(plan: _Plan, first: datetime, last: datetime) -> list[tuple[float, str, bool]]:
    """For spans of weeks."""
    whole = max(1, int(plan.end - plan.begin))
    step = max(1, -(-whole // max(2, int(plan.plot / 80))))
    begin = first.date().toordinal()
    found = []
    for ordinal in range(begin, last.date().toordinal() + 1, step):
        when = date.fromordinal(ordinal)
        if plan.begin <= plan.day(when) <= plan.end:
            label = f"{when.day} {plan.words.months[when.month - 1]}"
            found.append((plan.x(when), f"{label} {when.year}" if not found else label, False))
    return found


def _lane(plan: _Plan, page: Axes, lane: Lane, number: int, top: float, tall: float, label_top: float) -> None:
    from cds.charts import sheet as on

    _heading(plan, page, lane.label, lane.unit, label_top, top)
    on.rule(page, [plan.left, plan.left + plan.plot], [top + tall, top + tall], "grid", order=1)
    inside = [p for p in lane.points if plan.begin <= plan.day(p[0]) <= plan.end]
    inside.sort(key=lambda point: plan.day(point[0]))
    scale = _Scale.of(lane, [value for _when, value, _text in inside], top, tall)
    for begin, end, label in lane.shaded:
        _shade(plan, page, begin, end, label, top, tall, bool(lane.marks))
    for value, label in scale.ticks:
        y = scale.y(value)
        on.rule(page, [plan.left, plan.left + plan.plot], [y, y], "grid", order=1)
        on.write(page, plan.left - 6, y + 4, label, size=11 if plan.sheet.narrow else 12, tone="soft", align="right")
    for limit in lane.reference or ():
        if limit is not None and scale.holds(limit):
            y = scale.y(limit)
            on.rule(page, [plan.left, plan.left + plan.plot], [y, y], "third", thick=1.5, dashes=(0, (6, 4)),
                    name=f"limit-{number}", order=2)  # fmt: skip
            if plan.words.limit:
                said = f"{plan.words.limit} {_short(limit)}"
                on.write(page, plan.left + plan.plot - 2, y - 4, said, size=11, tone="third", align="right", halo=True)
    if not inside:
        on.write(page, plan.left + 8, top + tall / 2 + 4, plan.words.nothing, size=13, tone="soft")
    xs = [plan.x(when) for when, _value, _text in inside]
    ys = [scale.y(value) for _when, value, _text in inside]
    if len(xs) > 1:
        on.rule(page, xs, ys, "main", thick=1.8, name=f"line-{number}", order=3)
    if xs:
        on.dots(page, xs, ys, "main", size=7 if len(xs) < 60 else 4, name=f"points-{number}")
        _value_labels(plan, page, list(zip(xs, ys, (text for *_x, text in inside), strict=True)), top)
    for when, label in lane.marks:
        if plan.begin <= plan.day(when) <= plan.end:
            _mark(plan, page, plan.x(when), label, top, tall)


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    log: bool
    top: float
    tall: float
    ticks: tuple[tuple[float, str], ...]

    @classmethod
    def of(cls, lane: Lane, values: list[float], top: float, tall: float) -> _Scale:
        from matplotlib.ticker import LogLocator, MaxNLocator

        usable = [v for v in values if not lane.log or v > 0]
        usable += [v for v in lane.reference or () if v is not None and (not lane.log or v > 0)] if usable else []
        if not usable:
            return cls(0, 1, False, top, tall, ())
        low, high = min(usable), max(usable)
        if lane.log:
            low, high = low / 1.5, high * 1.5
            if high / low < 10:
                middle = (low * high) ** 0.5
                low, high = middle / 3.2, middle * 3.2
            found = [float(t) for t in LogLocator(10, (1.0,)).tick_values(low, high) if low <= t <= high]
            if len(found) < 2:
                found = [float(t) for t in LogLocator(10, (1.0, 2.0, 5.0)).tick_values(low, high) if low <= t <= high]
            found = found[:: max(1, -(-len(found) // 4))]
        else:
            margin = (high - low or abs(high) or 1.0) * 0.12
            low, high = (0.0 if low >= 0 > low - margin else low - margin), high + margin
            found = [float(t) for t in MaxNLocator(3).tick_values(low, high) if low <= t <= high]
        return cls(low, high, lane.log, top, tall, tuple((t, _short(t)) for t in found))

    def y(self, value: float) -> float:
        if self.log:
            part = log10(max(value, self.low) / self.low) / log10(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return self.top + self.tall * (1 - part)

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


def _short(value: float) -> str:
    if abs(value) >= 1e6:
        return f"{value:.1e}".replace("e+0", "e").replace("e+", "e").replace(".0e", "e")
    return f"{value:,.0f}".replace(",", " ") if abs(value) >= 1000 else f"{value:g}"


def _heading(plan: _Plan, page: Axes, label: str, unit: str, y: float, top: float) -> None:
    """Left of the lane; over it on a phone."""
    from cds.charts import sheet as on

    if plan.sheet.narrow:
        shown = on.folded(label, plan.sheet.width - 16 - (on.wide(f" {unit}", 12) if unit else 0), 13, bold=True, most=1)[0]
        on.write(page, 4, y + 14, shown, size=13, bold=True)
        if unit:
            on.write(page, 10 + on.wide(shown, 13, bold=True), y + 14, unit, size=12, tone="soft")
        return
    lines = on.folded(label, plan.left - 60, 13, bold=True, most=3)
    for number, line in enumerate(lines):
        on.write(page, 4, top + 12 + 16 * number, line, size=13, bold=True)
    if unit:
        on.write(page, 4, top + 12 + 16 * len(lines), unit, size=12, tone="soft")


def _shade(
    plan: _Plan, page: Axes, begin: When, end: When, label: str, top: float, tall: float, marked: bool
) -> None:
    from cds.charts import sheet as on

    if plan.day(end) < plan.begin or plan.day(begin) > plan.end:
        return
    from_x = max(plan.x(begin), plan.left)
    to_x = max(min(plan.x(end), plan.left + plan.plot), from_x + 4)
    page.fill(
        [from_x, to_x, to_x, from_x],
        [top, top, top + tall, top + tall],
        facecolor=on.colour("shade"),
        edgecolor=on.colour("mark"),
        linewidth=0,
        hatch="//",
        zorder=0.8,
        gid=on.part("shade"),
    )
    for edge in (from_x, to_x):
        on.rule(page, [edge, edge], [top, top + tall], "mark", thick=1, order=1)
    _along(plan, page, (from_x + to_x) / 2, top - 5 - (18 if marked else 0), label, tone="mark")


def _mark(plan: _Plan, page: Axes, x: float, label: str, top: float, tall: float) -> None:
    from cds.charts import sheet as on

    on.rule(page, [x, x], [top - 2, top + tall], "ink", thick=1.2, dashes=(0, (3, 2)), name="mark", order=2.5)
    on.dots(page, [x], [top - 2], "ink", marker="v", size=8)
    _along(plan, page, x, top - 8, label, tone="ink")


def _along(plan: _Plan, page: Axes, x: float, y: float, label: str, *, tone: object) -> None:
    """A text over ``x``, kept inside the lane."""
    from cds.charts import sheet as on

    shown = on.folded(label, plan.sheet.width - 16, 12, most=1)[0]
    half = on.wide(shown, 12) / 2
    low = 4 + half if plan.sheet.narrow else plan.left + half
    x = min(max(x, low), plan.sheet.width - 4 - half)
    on.write(page, x, y, shown, size=12, tone=tone, align="center", halo=True)  # type: ignore[arg-type]


def _value_labels(plan: _Plan, page: Axes, points: list[tuple[float, float, str]], top: float) -> None:
    """The first, the last, the highest and the lowest value in figures, where they don't meet."""
    from cds.charts import sheet as on

    by_height = sorted(range(len(points)), key=lambda n: points[n][1])
    wanted = dict.fromkeys([len(points) - 1, 0, by_height[0], by_height[-1]])
    taken: list[tuple[float, float, float]] = []
    for n in wanted:
        x, y, text = points[n]
        need = on.wide(text, 11, bold=True)
        at = y - 8 if y - 8 > top + 8 else y + 17
        x = min(max(x, plan.left + need / 2), plan.left + plan.plot - need / 2 + 6)
        if any(abs(x - other) < (need + size) / 2 + 6 and abs(at - level) < 13 for other, level, size in taken):
            continue
        taken.append((x, at, need))
        on.write(page, x, at, text, size=11, align="center", bold=True, halo=True).set_zorder(6)


Placed = tuple[int, float, float | None, str, bool]
"""(row, from x, to x or None for a tick, label, goes on)"""


def _rows(plan: _Plan, lane: EventLane) -> list[Placed]:
    """Each event in the first row in which neither it nor its label meets another."""
    from cds.charts import sheet as on

    entries: list[tuple[float, float | None, str, bool]] = []
    for begin, end, label in lane.spans:
        if plan.day(begin) > plan.end or (end is not None and plan.day(end) < plan.begin):
            continue
        to_x = plan.x(end) if end is not None else plan.left + plan.plot
        from_x = max(plan.x(begin), plan.left)
        entries.append((from_x, max(min(to_x, plan.left + plan.plot), from_x + 4), label, end is None))
    entries += [(plan.x(when), None, label, False) for when, label in lane.ticks
                if plan.begin <= plan.day(when) <= plan.end]  # fmt: skip
    full: list[float] = []
    placed: list[Placed] = []
    for from_x, to_x, label, goes_on in sorted(entries, key=lambda entry: entry[0]):
        shown = on.folded(label, plan.plot + plan.left - 24, 12, most=1)[0]
        begin_x = _text_x(plan, from_x, shown)
        end_x = max(to_x or 0, begin_x + on.wide(shown, 12), from_x + 6) + 10
        row = next((n for n, used in enumerate(full) if used <= min(begin_x, from_x - 6)), len(full))
        if row == len(full):
            full.append(0.0)
        full[row] = end_x
        placed.append((row, from_x, to_x, shown, goes_on))
    return placed


def _text_x(plan: _Plan, from_x: float, shown: str) -> float:
    """Where an event's label begins: at its beginning, moved left as far as it must be to fit."""
    from cds.charts import sheet as on

    return max(4.0, min(from_x - 4, plan.left + plan.plot + 8 - on.wide(shown, 12)))


def _events(
    plan: _Plan, page: Axes, lane: EventLane, placed: list[Placed], number: int, y: float, head: float, row: float
) -> None:
    from cds.charts import sheet as on

    _heading(plan, page, lane.label, "", y, y + head)
    if not placed:
        on.write(page, plan.left + 8, y + head + 16, plan.words.nothing, size=13, tone="soft")
    for at, from_x, to_x, shown, goes_on in placed:
        top = y + head + row * at
        on.write(page, _text_x(plan, from_x, shown), top + 11, shown, size=12, halo=True)
        if to_x is None:
            on.dots(page, [from_x], [top + 22], "second", marker="D", size=10, name=f"tick-{number}")
            continue
        on.rule(page, [from_x, to_x], [top + 22, top + 22], "second", thick=9, name=f"span-{number}", order=3)
        if goes_on:
            on.dots(page, [to_x - 2], [top + 22], "second", marker=">", size=15, name=f"goes-on-{number}")
