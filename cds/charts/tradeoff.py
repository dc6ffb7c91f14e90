"""Two charts of a threshold: the work it makes against what it finds, and the net benefit of acting on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from cds.charts.axis import plain
from cds.charts.svg import Svg, require
from cds.charts.tones import Tone

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cds.charts.sheet import Sheet


@dataclass(frozen=True)
class TradeoffWords:
    across: str
    """Under the horizontal axis."""
    up: str
    """Above the vertical axis."""
    figure: Callable[[float], str] = plain
    """How the language writes a number."""
    most: float | None = None
    """Where the horizontal axis ends at the latest, such as 100 of a percentage."""


@dataclass(frozen=True)
class Mark:
    """A point that is named, such as the threshold in force."""

    at: int
    label: str


@dataclass(frozen=True)
class Line:
    label: str
    values: Sequence[float]
    tone: Tone = "main"
    dashed: bool = False


def tradeoff(
    points: Sequence[tuple[float, float]],
    marks: Sequence[Mark],
    words: TradeoffWords,
    title: str,
    description: str,
    *,
    narrow: bool = False,
) -> Svg:
    """One dot a value of the threshold, joined in their order; ``data-part`` of each is ``point-N``, so that a page's
    script finds it. Raises ValueError for a value that is not finite, or no point at all."""
    _check([v for point in points for v in point])
    from matplotlib.transforms import offset_copy

    from cds.charts import sheet as on

    sheet, axes, plot = _plot(points, words, narrow=narrow)
    xs, ys = [x for x, _ in points], [y for _, y in points]
    on.rule(axes, xs, ys, "soft", thick=1.5, name="way")
    for n, (x, y) in enumerate(points):
        on.dots(axes, [x], [y], "main", size=9, name=f"point-{n}")
    for n, mark in enumerate(marks):
        x, y = points[mark.at]
        on.dots(axes, [x], [y], "second", marker="o" if n else "D", size=15, hollow=True, name=f"mark-{n}", order=5)
        # the way rises to the right: below it on the right, above it on the left there is room
        right = plot.share(x) < (0.8 if n == 0 else 0.2)
        beside = offset_copy(axes.transData, sheet.figure, 13 if right else -13, -4 if n == 0 else 4, "points")
        on.write(
            axes, x, y, mark.label, size=13, bold=True, tone="second", transform=beside,
            align="left" if right else "right", vertical="top" if n == 0 else "bottom", halo=True,
        )  # fmt: skip
    return sheet.finish(title, description)


def benefit(
    at: Sequence[float],
    lines: Sequence[Line],
    words: TradeoffWords,
    title: str,
    description: str,
    *,
    narrow: bool = False,
) -> Svg:
    """A decision curve: one line a strategy over the thresholds. Raises as ``tradeoff``."""
    _check([*at, *(v for line in lines for v in line.values)])
    from cds.charts import sheet as on

    # what does far more harm than good leaves the chart: the others would be one flat line beside it
    floor = -0.4 * max(max(line.values) for line in lines)
    drawn = [_above(at, line.values, floor) for line in lines]
    sheet, axes, plot = _plot([point for line in drawn for point in line], words, narrow=narrow, legend=len(lines))
    for n, (line, points) in enumerate(zip(lines, drawn, strict=True)):
        dashes = (0, (6, 4)) if line.dashed else "-"
        xs, ys = [x for x, _ in points], [y for _, y in points]
        on.rule(axes, xs, ys, line.tone, thick=2.5, dashes=dashes, name=f"line-{n}")
        row = 38.0 + 18 * n
        on.rule(plot.page, [plot.left + 12, plot.left + 40], [row, row], line.tone, thick=2.5, dashes=dashes)
        on.write(plot.page, plot.left + 48, row + 4.5, line.label, size=13)
    return sheet.finish(title, description)


def _above(at: Sequence[float], values: Sequence[float], floor: float) -> list[tuple[float, float]]:
    """The line's points up to where it falls below the floor for good, and that place."""
    points = list(zip(at, values, strict=True))
    last = max((n for n, (_, y) in enumerate(points) if y >= floor), default=-1)
    if last == len(points) - 1 or last < 0:
        return points
    (x, y), (x2, y2) = points[last], points[last + 1]
    return [*points[: last + 1], (x + (x2 - x) * (y - floor) / (y - y2), floor)]


@dataclass(frozen=True)
class _Plot:
    page: Axes
    left: float
    low: float
    high: float

    def share(self, x: float) -> float:
        return (x - self.low) / (self.high - self.low)


def _plot(
    points: Sequence[tuple[float, float]], words: TradeoffWords, *, narrow: bool, legend: int = 0
) -> tuple[Sheet, Axes, _Plot]:
    """Axes with ticks, in data coordinates. ``legend``: lines of text above the drawing; without, the vertical axis
    begins at 0."""
    from matplotlib.ticker import MaxNLocator

    from cds.charts import sheet as on

    width, height = (360, 320) if narrow else (720, 380)
    sheet = on.Sheet(width, height, narrow=narrow)
    page = sheet.page()
    x_ticks = _ticks(MaxNLocator(4 if narrow else 6), [x for x, _ in points])
    if words.most is not None and max(x for x, _ in points) <= words.most < x_ticks[-1]:
        x_ticks = [*(t for t in x_ticks if t < words.most), words.most]
    y_ticks = _ticks(MaxNLocator(5), [y for _, y in points] + ([] if legend else [0.0]))
    left = 16 + max(on.wide(words.figure(t), 12) for t in y_ticks)
    top, bottom = 34.0 + 18 * legend, height - 52.0
    axes = sheet.axes(left, top, width - left - 18, bottom - top)
    room = 0.015 * (x_ticks[-1] - x_ticks[0])  # for half a dot
    first, last = x_ticks[0] - room, x_ticks[-1] + room
    axes.set_xlim(first, last)
    axes.set_ylim(y_ticks[0], y_ticks[-1])
    for tick in y_ticks:
        on.rule(axes, [x_ticks[0], x_ticks[-1]], [tick, tick], "grid" if tick else "soft", order=1)
        y = bottom - (bottom - top) * (tick - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        on.write(page, left - 8, y + 4, words.figure(tick), size=12, tone="soft", align="right")
    for tick in x_ticks:
        x = left + (width - left - 18) * (tick - first) / (last - first)
        on.rule(page, [x, x], [bottom, bottom + 5], "soft", order=1)
        on.write(page, x, bottom + 20, words.figure(tick), size=12, tone="soft", align="center")
    on.write(page, 8, 16, words.up, size=12, tone="soft")
    across = on.folded(words.across, width - 26, 12, most=1)[0]
    on.write(page, width - 18, height - 10, across, size=12, tone="soft", align="right")
    return sheet, axes, _Plot(page, left, x_ticks[0], x_ticks[-1])


def _ticks(locator: object, values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    if low == high:  # a line of no height would have no scale
        low, high = (low - 1, high + 1) if low else (0.0, 1.0)
    found: list[float] = [float(t) for t in locator.tick_values(low, high)]  # type: ignore[attr-defined]
    return found


def _check(values: Sequence[float]) -> None:
    if not values or not all(isfinite(value) for value in values):
        raise ValueError("there is nothing to draw, or a value that is not finite")
    require()
