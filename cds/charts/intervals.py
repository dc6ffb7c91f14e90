"""One measure by site or by group: a dot and its interval on each row, and the value that would be even."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import Literal

from cds.charts.axis import plain
from cds.charts.svg import Svg, require

_AROUND = 0.1
"""To each side of a value that stands alone, in its own unit: what is drawn here are shares and their differences."""


@dataclass(frozen=True)
class IntervalRow:
    """``value`` with its interval; None: ``text`` says why there is none."""

    label: str
    value: float | None
    lower: float | None
    upper: float | None
    text: str


@dataclass(frozen=True)
class IntervalWords:
    axis: str
    """Under the plot."""
    even: str = ""
    """At the line where there is no difference, or a limit."""
    nothing: str = ""
    figure: Callable[[float], str] = plain
    """How the language writes a number."""


def intervals(
    rows: Sequence[IntervalRow],
    even: float | None,
    words: IntervalWords,
    title: str,
    description: str,
    *,
    percent: bool = False,
    narrow: bool = False,
) -> Svg:
    """``even``: where a line is drawn down, such as 0 of a difference. ``percent``: the axis is marked so. Raises
    ValueError for a value not finite."""
    given = [v for row in rows for v in (row.value, row.lower, row.upper) if v is not None]
    if not all(isfinite(v) for v in given):
        raise ValueError("a row's value and interval must be finite")
    require()
    from matplotlib.ticker import MaxNLocator

    from cds.charts import sheet as on

    width = 360 if narrow else 720
    column = 0.0 if narrow else 180.0
    side = 0.0 if narrow else 250.0
    # where a name and its figure are too long for one line, each has a line of its own
    tall = narrow and any(_beside(row, on.wide) > width - 16 for row in rows)
    row_height = (74.0 if tall else 56.0) if narrow else 32.0
    height = int(24 + row_height * max(len(rows), 1) + 46)
    sheet = on.Sheet(width, height, narrow=narrow)
    page = sheet.page()
    if not rows:
        on.write(page, 8, 40, words.nothing, size=13, tone="soft")
        return sheet.finish(title, description)
    inside = [*given, *([even] if even is not None else [])] or [0.0, 1.0]
    low, high = min(inside), max(inside)
    if low == high:  # a line alone, or one figure: its surroundings, not as far as an AUC of 1.6
        low, high = low - _AROUND, high + _AROUND
    ticks = list(MaxNLocator(4 if narrow else 6).tick_values(low, high))
    begin, end, top = column + 14.0, width - 14.0 - side, 20.0
    bottom = top + row_height * len(rows)
    axes = sheet.axes(begin, top, end - begin, bottom - top)
    axes.set_xlim(ticks[0], ticks[-1])
    axes.set_ylim(bottom - top, 0)
    for tick in ticks:
        on.rule(axes, [tick, tick], [0, bottom - top], "grid", order=1)
        at = begin + (end - begin) * (tick - ticks[0]) / (ticks[-1] - ticks[0])
        mark = f"{words.figure(round(100 * tick, 8))}%" if percent else words.figure(tick)
        on.write(page, at, bottom + 16, mark, size=12, tone="soft", align="center")
    if even is not None:
        # on a phone it is drawn beside the intervals alone: names and figures stand between them
        parts = (
            [row_height * (n + at) for n in range(len(rows)) for at in (0.56, 0.88, nan)]
            if narrow
            else [0, bottom - top]
        )
        on.rule(axes, [even] * len(parts), parts, "soft", thick=1.5, name="even")
        at = begin + (end - begin) * (even - ticks[0]) / (ticks[-1] - ticks[0])
        half = on.wide(words.even, 12) / 2
        on.write(page, min(max(at, begin + half), end - half), 14, words.even, size=12, tone="soft", align="center")
    for number, row in enumerate(rows):
        y = row_height * (number + ((0.76 if tall else 0.72) if narrow else 0.5))
        if narrow:
            [label] = on.folded(row.label, width - 8, 13, bold=True, most=1)
            on.write(page, 4, top + row_height * number + 18, label, size=13, bold=True, halo=True)
        else:
            lines = on.folded(row.label, column, 13, most=2)
            for line, text in enumerate(lines):
                on.write(page, column, top + y + 4.5 + 15 * (line - (len(lines) - 1) / 2), text, size=13, align="right")
        if row.value is not None and row.lower is not None and row.upper is not None:
            on.rule(axes, [row.lower, row.upper], [y, y], "main", thick=2, name=f"interval-{number}", order=3)
            on.dots(axes, [row.value], [y], "main", size=9)
        if narrow:
            place: tuple[float, float, Literal["left", "right"]] = (4, 35, "left") if tall else (width - 4, 18, "right")
            x, down, align = place
            [text] = on.folded(row.text, width - 8, 12, most=1)
            on.write(page, x, top + row_height * number + down, text, size=12, align=align, tone="soft", halo=True)
        else:
            on.write(page, end + 12, top + y + 4.5, on.folded(row.text, side, 12, most=1)[0], size=12, tone="soft")
    on.write(page, width - 14 - side, height - 8, words.axis, size=12, tone="soft", align="right")
    return sheet.finish(title, description)


def _beside(row: IntervalRow, wide: Callable[..., float]) -> float:
    """Width of a row's name and figure on one line."""
    return wide(row.label, 13, bold=True) + 8 + wide(row.text, 12)
