"""One measure by site or by group: a dot and its interval on each row, and the value that would be even."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from cds.charts.svg import Svg, require


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
    row_height = 56.0 if narrow else 32.0
    height = int(24 + row_height * max(len(rows), 1) + 46)
    sheet = on.Sheet(width, height, narrow=narrow)
    page = sheet.page()
    if not rows:
        on.write(page, 8, 40, words.nothing, size=13, tone="soft")
        return sheet.finish(title, description)
    inside = [*given, *([even] if even is not None else [])] or [0.0, 1.0]
    low, high = min(inside), max(inside)
    ticks = list(MaxNLocator(4 if narrow else 6).tick_values(low, high if high > low else low + 1.0))
    begin, end, top = column + 14.0, width - 14.0 - side, 20.0
    bottom = top + row_height * len(rows)
    axes = sheet.axes(begin, top, end - begin, bottom - top)
    axes.set_xlim(ticks[0], ticks[-1])
    axes.set_ylim(bottom - top, 0)
    for tick in ticks:
        on.rule(axes, [tick, tick], [0, bottom - top], "grid", order=1)
        at = begin + (end - begin) * (tick - ticks[0]) / (ticks[-1] - ticks[0])
        mark = f"{round(100 * tick, 8):.10g}%" if percent else f"{tick:.10g}"
        on.write(page, at, bottom + 16, mark, size=12, tone="soft", align="center")
    if even is not None:
        on.rule(axes, [even, even], [0, bottom - top], "soft", thick=1.5, name="even")
        at = begin + (end - begin) * (even - ticks[0]) / (ticks[-1] - ticks[0])
        half = on.wide(words.even, 12) / 2
        on.write(page, min(max(at, begin + half), end - half), 14, words.even, size=12, tone="soft", align="center")
    for number, row in enumerate(rows):
        y = row_height * (number + (0.72 if narrow else 0.5))
        room = width - 24 - on.wide(row.text, 12) if narrow else column
        label = on.folded(row.label, max(room, 60.0), 13, bold=narrow, most=1)[0]
        if narrow:
            on.write(page, 4, top + row_height * number + 18, label, size=13, bold=True, halo=True)
        else:
            on.write(page, column, top + y + 4.5, label, size=13, align="right")
        if row.value is not None and row.lower is not None and row.upper is not None:
            on.rule(axes, [row.lower, row.upper], [y, y], "main", thick=2, name=f"interval-{number}", order=3)
            on.dots(axes, [row.value], [y], "main", size=9)
        if narrow:
            on.write(
                page,
                width - 4,
                top + row_height * number + 18,
                row.text,
                size=12,
                align="right",
                tone="soft",
                halo=True,
            )
        else:
            on.write(page, end + 12, top + y + 4.5, on.folded(row.text, side, 12, most=1)[0], size=12, tone="soft")
    on.write(page, width - 14 - side, height - 8, words.axis, size=12, tone="soft", align="right")
    return sheet.finish(title, description)
