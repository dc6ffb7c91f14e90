"""Horizontal bars: what pushes an estimate up or down, and this patient's risk beside that of their peers."""

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


@dataclass(frozen=True)
class Bar:
    """One contribution: to the right if it raises (``value`` > 0), to the left if it lowers."""

    label: str
    value: float
    text: str
    """At the bar's end, such as "+0.8" or "a third more"."""


@dataclass(frozen=True)
class BarWords:
    axis: str = ""
    """Under the axis."""
    lower: str = ""
    """Above the left half: "lowers the risk"."""
    higher: str = ""
    """Above the right half."""
    nothing: str = ""
    """What stands there when there is no row."""
    figure: Callable[[float], str] = plain
    """How the language writes a number."""


@dataclass(frozen=True)
class RiskRow:
    """``value`` with its interval; the first row of a comparison is the patient."""

    label: str
    value: float
    lower: float | None
    upper: float | None
    text: str
    """Such as "3 in 100 (2 to 5)"."""


def contributions(rows: tuple[Bar, ...], words: BarWords, title: str, description: str, *, narrow: bool = False) -> Svg:
    """Diverging bars in the order given. Raises ValueError for a value that is not finite."""
    _check(row.value for row in rows)
    from cds.charts import sheet as on

    width = 360 if narrow else 720
    column = 0.0 if narrow else 250.0
    room, most = (width - 16, 2) if narrow else (column - 12, 3)
    lines = max((len(on.folded(r.label, room, 13, most=most)) for r in rows), default=1)
    row_height = 36.0 + 16 * lines if narrow else 38.0 if lines < 3 else 54.0
    top = 34.0 if words.lower or words.higher else 10.0
    height = int(top + row_height * max(len(rows), 1) + (30 if words.axis else 10))
    sheet = on.Sheet(width, height, narrow=narrow)
    page = sheet.page()
    begin, end = column + 8.0, width - 8.0
    texts = [on.folded(row.text, (end - begin) / 2, 13, most=1)[0] for row in rows]
    zero, scale = _centred(rows, texts, words, begin, end)
    on.write(page, zero - 10, 18, f"← {words.lower}" if words.lower else "", size=12, tone="soft", align="right")
    on.write(page, zero + 10, 18, f"{words.higher} →" if words.higher else "", size=12, tone="soft")
    bottom = top + row_height * max(len(rows), 1)
    if not narrow:
        on.rule(page, [zero, zero], [top - 6, bottom], "soft", name="zero")
    for number, (row, text) in enumerate(zip(rows, texts, strict=True)):
        y = top + (row_height * (number + 1) - 15.6 if narrow else row_height * (number + 0.5))
        tip = zero + scale * row.value
        _label(page, row.label, column, y, width, narrow=narrow)
        if narrow:  # not through the labels
            on.rule(page, [zero, zero], [y - 12, y + 12], "soft", order=3.5)
        _bar(page, zero, tip, y, raises=row.value >= 0, name=f"bar-{number}")
        to_left = row.value < 0
        on.write(
            page, tip + (-7 if to_left else 7), y + 4.5, text, size=13, align="right" if to_left else "left", halo=True
        )
    if not rows:
        on.write(page, 8, top + 24, words.nothing, size=13, tone="soft")
    axis = on.folded(words.axis, width - 16, 12, most=1)[0]
    half = on.wide(axis, 12) / 2
    middle = min(max(zero, 8 + half), width - 8 - half)
    on.write(page, middle, height - 8, axis, size=12, tone="soft", align="center")
    return sheet.finish(title, description)


def comparison(
    rows: tuple[RiskRow, ...], words: BarWords, title: str, description: str, *, narrow: bool = False
) -> Svg:
    """Values on one axis from 0, each with its interval. Raises ValueError for a value that is not finite."""
    _check(v for row in rows for v in (row.value, row.lower, row.upper) if v is not None)
    from matplotlib.ticker import MaxNLocator

    from cds.charts import sheet as on

    width = 360 if narrow else 720
    column = 0.0 if narrow else 230.0
    # on a phone label and text share a line, unless they are too long for one
    folded = narrow and any(on.wide(r.label, 13) + on.wide(r.text, 13, bold=True) > 360 - 30 for r in rows)
    row_height = (84.0 if folded else 66.0) if narrow else 44.0
    height = int(8 + row_height * max(len(rows), 1) + 48)
    sheet = on.Sheet(width, height, narrow=narrow)
    page = sheet.page()
    side = 0.0 if narrow else max([on.wide(row.text, 13, bold=True) + 22 for row in rows], default=0)
    begin, end = column + 14.0, width - 14.0 - min(side, 260.0)
    most = max([max(v for v in (row.value, row.upper, 0.0) if v is not None) for row in rows], default=0) or 1.0
    ticks = [t for t in MaxNLocator(4 if narrow else 5).tick_values(0, most) if t >= 0]
    last = max(ticks[-1], most)
    bottom = 8 + row_height * max(len(rows), 1)
    axes = sheet.axes(begin, 8, end - begin, bottom - 8)
    axes.set_xlim(0, last)
    axes.set_ylim(bottom - 8, 0)
    for tick in ticks:
        on.rule(axes, [tick, tick], [0, bottom - 8], "grid" if tick else "soft", order=1)
        on.write(axes, tick, bottom + 10, _figure(tick, words), size=12, tone="soft", align="center")
    for number, row in enumerate(rows):
        y = row_height * (number + 1) - 20 if narrow else row_height * (number + 0.5)
        tone: Tone = "main" if number == 0 else "soft"
        if row.lower is not None and row.upper is not None:
            on.rule(
                axes, [row.lower, row.upper], [y, y], tone, thick=3 if number == 0 else 2, name=f"interval-{number}"
            )
            for edge in (row.lower, row.upper) if (row.upper - row.lower) / last * (end - begin) > 16 else ():
                on.rule(axes, [edge, edge], [y - 6, y + 6], tone, thick=2)
        on.dots(axes, [row.value], [y], tone, marker="o" if number == 0 else "D", size=13 if number == 0 else 10,
                hollow=number != 0, name=f"value-{number}")  # fmt: skip
        bold = number == 0
        if folded:
            _label(page, row.label, column, y - 10, width, narrow=True, bold=bold)
            on.write(page, 8, y - 9, row.text, size=13, bold=bold, halo=True)
        else:
            _label(page, row.label, column, y + 8, width, narrow=narrow, beside=row.text if narrow else "", bold=bold)
        if not narrow:
            on.write(page, end + 18, y + 12.5, row.text, size=13, bold=number == 0)
    if not rows:
        on.write(page, 8, 30, words.nothing, size=13, tone="soft")
    on.write(page, end if not narrow else width - 14, height - 8, words.axis, size=12, tone="soft", align="right")
    return sheet.finish(title, description)


def _centred(rows: tuple[Bar, ...], texts: list[str], words: BarWords, begin: float, end: float) -> tuple[float, float]:
    """Where 0 stands and how many pixels a unit has, so that bars, their texts and the two headings fit."""
    from cds.charts import sheet as on

    most, need = [0.0, 0.0], [0.0, 0.0]
    for row, text in zip(rows, texts, strict=True):
        side = int(row.value >= 0)
        most[side] = max(most[side], abs(row.value))
        need[side] = max(need[side], on.wide(text, 13) + 12)
    heads = [on.wide(f"← {word}", 12) + 14 if word else 0.0 for word in (words.lower, words.higher)]
    scale = max(end - begin - sum(need), 40.0) / (sum(most) or 1.0)
    zero = begin + need[0] + most[0] * scale
    zero = min(max(zero, begin + heads[0], begin + 0.2 * (end - begin)), max(end - heads[1], (begin + end) / 2))
    for side, room in ((0, zero - begin), (1, end - zero)):
        if most[side]:
            scale = min(scale, max(room - need[side], 20.0) / most[side])
    return zero, scale


def _check(values: object) -> None:
    if not all(isfinite(value) for value in values):  # type: ignore[attr-defined]
        raise ValueError("a value that is not finite can't be drawn")
    require()


def _label(
    page: Axes, label: str, column: float, y: float, width: float, *, narrow: bool, beside: str = "", bold: bool = False
) -> None:
    """Left of the row, right-aligned, in up to three lines; above it on a phone, in up to two."""
    from cds.charts import sheet as on

    if narrow:
        taken = on.wide(beside, 13, bold=bold) + 14 if beside else 0
        folded = on.folded(label, width - 16 - taken, 13, most=1 if beside else 2, bold=bold)
        for above, line in enumerate(reversed(folded)):
            on.write(page, 8, y - 17 - 16 * above, line, size=13, bold=bold, halo=True)
        if beside:
            on.write(page, width - 8, y - 17, beside, size=13, bold=bold, align="right", halo=True)
        return
    lines = on.folded(label, column - 12, 13, most=3, bold=bold)
    for number, line in enumerate(lines):
        at = y + 4.5 + 16 * (number - (len(lines) - 1) / 2)
        on.write(page, column, at, line, size=13, align="right", bold=bold)


def _bar(page: Axes, zero: float, tip: float, y: float, *, raises: bool, name: str) -> None:
    """Solid if it raises, hollow and hatched if it lowers: told apart without colour."""
    from cds.charts import sheet as on

    corners: tuple[Sequence[float], Sequence[float]] = ([zero, tip, tip, zero], [y - 9, y - 9, y + 9, y + 9])
    tone: Tone = "second" if raises else "main"
    page.fill(
        *corners,
        facecolor=on.colour(tone if raises else "paper"),
        edgecolor=on.colour(tone),
        linewidth=1.5,
        hatch=None if raises else "///",
        zorder=3,
        gid=on.part(name),
    )


def _figure(value: float, words: BarWords) -> str:
    """Short, for a tick."""
    return words.figure(value) if abs(value) < 1e5 else f"{value:.0e}".replace("e+0", "e").replace("e+", "e")
