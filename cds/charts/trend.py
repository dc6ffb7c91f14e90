"""One measure over time: a point an evaluation, its interval where it has one, and the limits it is judged by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from cds.charts.axis import plain
from cds.charts.svg import Svg, require
from cds.charts.tones import Tone


@dataclass(frozen=True)
class Point:
    day: date
    value: float
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True)
class Limit:
    """A line across: what it is called, and where it lies."""

    label: str
    value: float
    tone: Tone = "second"


@dataclass(frozen=True)
class Series:
    label: str
    points: tuple[Point, ...]
    tone: Tone = "main"


@dataclass(frozen=True)
class TrendWords:
    axis: str
    """Above the plot: what is measured."""
    nothing: str
    figure: Callable[[float], str] = plain
    """How the language writes a number."""
    day: Callable[[date], str] = date.isoformat
    """How it writes a date."""


def trend(
    series: Sequence[Series],
    limits: Sequence[Limit],
    words: TrendWords,
    title: str,
    description: str,
    *,
    narrow: bool = False,
) -> Svg:
    """Lines from 0 upward. What could not be measured is a gap in the line, not a zero."""
    require()
    from matplotlib.ticker import MaxNLocator

    from cds.charts import sheet as on

    width = 360 if narrow else 720
    left, right, plot = 48.0, 16.0, 170.0
    keys = [s for s in series if s.label] if len(series) > 1 else []
    top = 30.0 + 20.0 * len(keys)
    height = int(top + plot + 34)
    sheet = on.Sheet(width, height, narrow=narrow)
    page = sheet.page()
    on.write(page, 4, 18, on.folded(words.axis, width - 8, 12, most=1)[0], size=12, tone="soft")
    for number, one in enumerate(keys):
        y = 38.0 + 20 * number
        on.rule(page, [4, 28], [y - 4, y - 4], one.tone, thick=2.5)
        on.write(page, 34, y, on.folded(one.label, width - 40, 12, most=1)[0], size=12)
    points = [point for one in series for point in one.points]
    if not points:
        on.write(page, 8, top + 24, words.nothing, size=13, tone="soft")
        return sheet.finish(title, description)
    first, last = min(p.day for p in points).toordinal(), max(p.day for p in points).toordinal()
    most = max([*(p.upper if p.upper is not None else p.value for p in points), *(limit.value for limit in limits)])
    ticks = [t for t in MaxNLocator(4).tick_values(0, most or 1.0) if t >= 0]
    axes = sheet.axes(left, top, width - left - right, plot)
    axes.set_xlim(first - 0.5, max(last, first + 1) + 0.5)
    axes.set_ylim(0, ticks[-1])
    for tick in ticks:
        on.rule(axes, [first - 0.5, max(last, first + 1) + 0.5], [tick, tick], "grid" if tick else "soft", order=1)
        on.write(
            page,
            left - 6,
            top + plot * (1 - tick / ticks[-1]) + 4,
            words.figure(tick),
            size=12,
            tone="soft",
            align="right",
        )
    for limit in limits:
        if limit.value <= ticks[-1]:
            edges = [first - 0.5, max(last, first + 1) + 0.5]
            on.rule(axes, edges, [limit.value] * 2, limit.tone, dashes=(0, (5, 4)), name="limit")
            y = top + plot * (1 - limit.value / ticks[-1]) - 4
            on.write(page, width - right, y, limit.label, size=11, tone="soft", align="right", halo=True)
    for one in series:
        days = [p.day.toordinal() for p in one.points]
        for point in one.points:
            if point.lower is not None and point.upper is not None:
                at = point.day.toordinal()
                on.rule(axes, [at, at], [point.lower, min(point.upper, ticks[-1])], one.tone, thick=1.25, order=2.5)
        on.rule(axes, days, [p.value for p in one.points], one.tone, thick=2, name="line", order=3)
        on.dots(axes, days, [p.value for p in one.points], one.tone, size=6)
    on.write(page, left, height - 8, words.day(date.fromordinal(first)), size=12, tone="soft")
    if last > first:
        on.write(
            page, width - right, height - 8, words.day(date.fromordinal(last)), size=12, tone="soft", align="right"
        )
    return sheet.finish(title, description)
