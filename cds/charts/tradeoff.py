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
    from cds.charts import sheet as on

    sheet, axes, plot = _plot(points, words, narrow=narrow)
    xs, ys = [x for x, _ in points], [y for _, y in points]
    on.rule(axes, xs, ys, "soft", thick=1.5, name="way")
    for n, (x, y) in enumerate(points):
        on.dots(axes, [x], [y], "main", size=9, name=f"point-{n}")
    for n, mark in enumerate(marks):
        x, y = points[mark.at]
        on.dots(axes, [x], [y], "second", marker="o" if n else "D", size=15, hollow=True, name=f"mark-{n}", order=5)
        right = plot.share(x) < 0.6
        on.write(
            axes, x, y, f"   {mark.label}" if right else f"{mark.label}   ", size=13, bold=True, tone="second",
            align="left" if right else "right", vertical="bottom" if n else "top", halo=True,
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

    points = [(x, y) for line in lines for x, y in zip(at, line.values, strict=True)]
    sheet, axes, plot = _plot(points, words, narrow=narrow, ground=False)
    for n, line in enumerate(lines):
        dashes = (0, (6, 4)) if line.dashed else "-"
        on.rule(axes, list(at), list(line.values), line.tone, thick=2.5, dashes=dashes, name=f"line-{n}")
        row = 20.0 + 18 * n
        on.rule(plot.page, [plot.left + 12, plot.left + 40], [row, row], line.tone, thick=2.5, dashes=dashes)
        on.write(plot.page, plot.left + 48, row + 4.5, line.label, size=13)
    return sheet.finish(title, description)


@dataclass(frozen=True)
class _Plot:
    page: Axes
    left: float
    low: float
    high: float

    def share(self, x: float) -> float:
        return (x - self.low) / (self.high - self.low)


def _plot(
    points: Sequence[tuple[float, float]], words: TradeoffWords, *, narrow: bool, ground: bool = True
) -> tuple[Sheet, Axes, _Plot]:
    """Axes with ticks, in data coordinates; ``ground``: the vertical axis begins at 0."""
    from matplotlib.ticker import MaxNLocator

    from cds.charts import sheet as on

    width, height = (360, 320) if narrow else (720, 380)
    sheet = on.Sheet(width, height, narrow=narrow)
    page = sheet.page()
    x_ticks = _ticks(MaxNLocator(4 if narrow else 6), [x for x, _ in points])
    y_ticks = _ticks(MaxNLocator(5), [y for _, y in points] + ([0.0] if ground else []))
    left = 16 + max(on.wide(words.figure(t), 12) for t in y_ticks)
    top, bottom = (34.0 if ground else 34.0 + 18 * 3), height - 52.0
    axes = sheet.axes(left, top, width - left - 18, bottom - top)
    axes.set_xlim(x_ticks[0], x_ticks[-1])
    axes.set_ylim(y_ticks[0], y_ticks[-1])
    for tick in y_ticks:
        on.rule(axes, [x_ticks[0], x_ticks[-1]], [tick, tick], "grid" if tick else "soft", order=1)
        y = bottom - (bottom - top) * (tick - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        on.write(page, left - 8, y + 4, words.figure(tick), size=12, tone="soft", align="right")
    for tick in x_ticks:
        x = left + (width - left - 18) * (tick - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
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
