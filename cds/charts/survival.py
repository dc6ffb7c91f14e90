"""How many of 100 people are alive after how many months: the curve, its interval, worst, typical and best case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from cds.charts.svg import Svg, require
from cds.charts.tones import Tone

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cds.charts.sheet import Sheet

_DASHES: Mapping[str, Any] = {"main": "-", "second": (0, (6, 3)), "third": (0, (1.5, 2))}
_MARKERS = ("D", "s", "^", "v", "P", "X")
_MILESTONES = (6, 12, 24)


@dataclass(frozen=True)
class CurveLine:
    """A survival function: shares alive (0..1) at ``times`` (months, ascending), with the bounds of its interval."""

    label: str
    times: tuple[float, ...]
    alive: tuple[float, ...]
    lower: tuple[float, ...] | None = None
    upper: tuple[float, ...] | None = None
    tone: Literal["main", "second", "third"] = "main"

    def __post_init__(self) -> None:
        bounds = (self.lower, self.upper)
        if not self.times or any(len(v) != len(self.times) for v in (self.alive, *bounds) if v is not None):
            raise ValueError("a curve needs as many values and bounds as times, and one at least")
        if (self.lower is None) is not (self.upper is None):
            raise ValueError("an interval has two bounds")


@dataclass(frozen=True)
class Marks:
    """Months by which 10, 25, 75 and 90 in 100 have died; None: later than the curve reaches."""

    worst: float | None
    typical_from: float | None
    typical_to: float | None
    best: float | None
    worst_label: str
    typical_label: str
    best_label: str


@dataclass(frozen=True)
class TrialPoint:
    """What a trial saw: ``percent`` (0..100) alive at ``months``. Points of one label share a sign."""

    label: str
    months: float
    percent: float


@dataclass(frozen=True)
class CurveWords:
    months: str
    """Under the time axis."""
    alive: str
    """Above the other axis."""
    out_of: str = "{n}"
    """At the curve's points of 6, 12 and 24 months: ``{n} of 100``."""
    interval: str = ""
    """What the band is; empty: not said."""


def survival(
    lines: tuple[CurveLine, ...],
    marks: Marks | None,
    points: tuple[TrialPoint, ...],
    words: CurveWords,
    title: str,
    description: str,
    *,
    narrow: bool = False,
) -> Svg:
    """The first line is the patient's: it has the band, the milestones and the marks.

    Raises ValueError for no line at all.
    """
    if not lines:
        raise ValueError("a chart of survival needs a curve")
    require()
    from cds.charts import sheet as on

    width = 360 if narrow else 720
    left, right = (34.0, 14.0) if narrow else (40.0, 24.0)
    keys = _keys(lines, points, words)
    key_rows = _flow(keys, width - 8, narrow)
    top = 22.0 * len(key_rows) + 30
    plot = 230.0 if narrow else 290.0
    row = 40.0 if narrow else 26.0
    strip = 3 * row + 8 if marks is not None else 0.0
    height = int(top + plot + 46 + strip)
    sheet = on.Sheet(width, height, narrow=narrow)
    last = max(*(max(line.times) for line in lines), *(p.months for p in points), 1.0)
    axes = sheet.axes(left, top, width - left - right, plot)
    axes.set_xlim(0, last)
    axes.set_ylim(0, 100)
    page = sheet.page()
    _key(page, key_rows)
    on.write(page, 4, top - 14, words.alive, size=12, tone="soft")
    _grid(axes, last, narrow)
    for line in reversed(lines):
        _curve(axes, line, band=line is lines[0])
    _trials(axes, points)
    _milestones(axes, lines[0], words)
    on.write(page, width - right, top + plot + 38, words.months, size=12, tone="soft", align="right")
    if marks is not None:
        _marks(sheet, axes, lines[0], marks, (left, top + plot, width - left - right), row)
    return sheet.finish(title, description)


def ticks_of(last: float) -> list[int]:
    """Months: every 6 at most, the milestones always among them."""
    step = next((s for s in (6, 12, 24, 60) if last / s <= 7), 120)
    shown = set(range(0, int(last) + 1, step)) | {m for m in _MILESTONES if m <= last and step <= 24}
    return sorted(shown) if last >= 6 else list(range(int(last) + 1))


def _grid(axes: Axes, last: float, narrow: bool) -> None:
    from cds.charts import sheet as on

    for y in (0, 25, 50, 75, 100):
        on.rule(axes, [0, last], [y, y], "grid" if y else "soft", order=0.8 if y else 1.2)
        on.write(axes, -0.012 * last, y, str(y), size=12, tone="soft", align="right", vertical="center")
    before = -1e9
    for x in ticks_of(last):
        on.rule(axes, [x, x], [0, -2.2], "soft", order=1)
        if x in _MILESTONES:
            on.rule(axes, [x, x], [0, 100], "grid", order=0.8)
        if (x - before) / last * (300 if narrow else 650) >= 26 or x in _MILESTONES:
            weight = x in _MILESTONES
            tone: Tone = "ink" if weight else "soft"
            on.write(axes, x, -4, str(x), size=12, tone=tone, align="center", vertical="top", bold=weight)
            before = x


def _percent(values: tuple[float, ...]) -> list[float]:
    return [100 * value for value in values]


def _curve(axes: Axes, line: CurveLine, *, band: bool) -> None:
    from cds.charts import sheet as on

    if line.lower is not None and line.upper is not None:
        if band:
            axes.fill_between(
                line.times,
                _percent(line.lower),
                _percent(line.upper),
                color=on.colour("band"),
                linewidth=0,
                zorder=1.5,
                gid=on.part("band"),
                clip_on=False,
            )
        for bound in (line.lower, line.upper):
            on.rule(axes, line.times, _percent(bound), line.tone, thick=0.8, dashes=(0, (2, 3)), order=1.8)
    on.rule(
        axes,
        line.times,
        _percent(line.alive),
        line.tone,
        thick=2.5 if line.tone == "main" else 2,
        dashes=_DASHES[line.tone],
        name=f"curve-{line.tone}",
        order=3,
    )
    if len(line.times) == 1:
        on.dots(axes, line.times, _percent(line.alive), line.tone)


def _trials(axes: Axes, points: tuple[TrialPoint, ...]) -> None:
    from cds.charts import sheet as on

    for number, label in enumerate(dict.fromkeys(p.label for p in points)):
        mine = [p for p in points if p.label == label]
        on.dots(
            axes,
            [p.months for p in mine],
            [p.percent for p in mine],
            "second" if number % 2 == 0 else "third",
            marker=_MARKERS[number % len(_MARKERS)],
            size=8,
            hollow=True,
            name=f"trial-{number}",
            order=3.5,
        )


def _milestones(axes: Axes, line: CurveLine, words: CurveWords) -> None:
    from numpy import interp

    from cds.charts import sheet as on

    at = [m for m in _MILESTONES if line.times[0] <= m <= line.times[-1]]
    alive = [float(interp(m, line.times, line.alive)) * 100 for m in at]
    on.dots(axes, at, alive, line.tone, size=9, name="milestones", order=5)
    for months, percent in zip(at, alive, strict=True):
        said = words.out_of.format(n=round(percent))
        x = months + 0.012 * axes.get_xlim()[1]
        on.write(
            axes, x, percent + 1.5, said, size=13, bold=True, vertical="bottom", halo=True, name=f"at-{months}"
        ).set_zorder(6)


Key = tuple[str, str, Any]
"""Sort (curve, band, trial), label, tone or number."""


def _keys(lines: tuple[CurveLine, ...], points: tuple[TrialPoint, ...], words: CurveWords) -> list[Key]:
    keys: list[Key] = [("curve", lines[0].label, lines[0].tone)]
    if words.interval and lines[0].lower is not None:
        keys.append(("band", words.interval, "band"))
    keys.extend(("curve", line.label, line.tone) for line in lines[1:])
    keys.extend(("trial", label, n) for n, label in enumerate(dict.fromkeys(p.label for p in points)))
    return keys


def _flow(keys: list[Key], room: float, narrow: bool) -> list[list[tuple[float, Key]]]:
    """Keys in rows, each with its left edge."""
    from cds.charts import sheet as on

    rows: list[list[tuple[float, Key]]] = []
    at = room
    for sort, label, what in keys:
        label = on.folded(label, room - 36, 13, most=1)[0]
        need = 34 + on.wide(label, 13)
        if not rows or narrow or at + need > room:
            rows.append([])
            at = 4.0
        rows[-1].append((at, (sort, label, what)))
        at += need + 22
    return rows


def _key(page: Axes, rows: list[list[tuple[float, Key]]]) -> None:
    from cds.charts import sheet as on

    for number, row in enumerate(rows):
        y = 12.0 + 22 * number
        for x, (sort, label, what) in row:
            if sort == "curve":
                on.rule(page, [x, x + 26], [y, y], what, thick=2.5, dashes=_DASHES[what])
            elif sort == "band":
                page.fill_between([x, x + 26], y - 6, y + 6, color=on.colour("band"), linewidth=0)
                for edge in (y - 6, y + 6):
                    on.rule(page, [x, x + 26], [edge, edge], "main", thick=0.8, dashes=(0, (2, 3)))
            else:
                on.dots(
                    page,
                    [x + 13],
                    [y],
                    "second" if what % 2 == 0 else "third",
                    marker=_MARKERS[what % len(_MARKERS)],
                    size=8,
                    hollow=True,
                )
            on.write(page, x + 34, y + 4.5, label, size=13)


def _marks(
    sheet: Sheet, axes: Axes, line: CurveLine, marks: Marks, place: tuple[float, float, float], row: float
) -> None:
    """Under the time axis and on it: a row for the worst, the typical and the best case, led down from the curve."""
    from cds.charts import sheet as on

    left, bottom, width = place
    page = sheet.page()
    last = axes.get_xlim()[1]

    def across(months: float) -> float:
        return left + width * months / last

    rows = (
        ("worst", marks.worst, marks.worst, marks.worst_label, (0.9, 0.9)),
        ("typical", marks.typical_from, marks.typical_to, marks.typical_label, (0.75, 0.25)),
        ("best", marks.best, marks.best, marks.best_label, (0.1, 0.1)),
    )
    for number, (name, begin, end, label, shares) in enumerate(rows):
        y = bottom + 46 + row * (number + 0.5) + (8 if sheet.narrow else 0)
        from_x = across(begin) if begin is not None else left + width
        to_x = across(end) if end is not None else left + width
        open_end = end is None
        for months, share in ((begin, shares[0]), (end, shares[1])):
            if months is not None:
                on.dots(axes, [months], [100 * share], "mark", size=7, name=f"on-curve-{name}", order=4.5)
        if name == "typical":
            on.rule(page, [from_x, to_x], [y, y], "mark", thick=7, name="range-typical")
        if begin is not None and name != "typical":
            on.dots(page, [from_x], [y], "mark", marker="D", size=9, name=f"range-{name}")
        if open_end:
            on.dots(page, [left + width - 3], [y], "mark", marker=">", size=10, name=f"later-{name}")
        _beside(sheet, page, label, (from_x, to_x), y, (left, left + width))


def _beside(
    sheet: Sheet, page: Axes, label: str, span: tuple[float, float], y: float, room: tuple[float, float]
) -> None:
    """The label where there is room: right of the mark, left of it, or above."""
    from cds.charts import sheet as on

    need = on.wide(label, 13)
    if sheet.narrow:
        on.write(page, 4, y - 13, on.folded(label, sheet.width - 8, 13, most=1)[0], size=13)
    elif span[1] + 12 + need <= sheet.width - 4:
        on.write(page, span[1] + 12, y + 4.5, label, size=13)
    elif span[0] - 12 - need >= 4:
        on.write(page, span[0] - 12, y + 4.5, label, size=13, align="right")
    else:
        middle = min(max(sum(span) / 2, 4 + need / 2), sheet.width - 4 - need / 2)
        on.write(page, middle, y - 7, label, size=13, align="center", halo=True)
