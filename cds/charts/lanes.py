"""A lane of measurements: the line, its scale, limits, periods to be careful with, marks."""

from __future__ import annotations

from dataclasses import dataclass
from math import log10
from typing import TYPE_CHECKING

from cds.charts.axis import Plan, TimelineWords, When, heading
from cds.charts.tones import Tone

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Lane:
    """One thing that was measured: ``points`` are (when, value, text), in any order."""

    label: str
    unit: str
    points: tuple[tuple[When, float, str], ...]
    log: bool = False
    reference: tuple[float | None, float | None] | None = None
    """Limits of what is usual, or from where something follows."""
    shaded: tuple[tuple[When, When, str], ...] = ()
    """Periods in which the values mean something else, and why."""
    marks: tuple[tuple[When, str], ...] = ()
    nothing: str = ""
    """What stands there without points, where "nothing" would not be true: the source could not be read."""
    called: str = ""
    """What its limits are called, where the words of the axis have another name for it."""


Said = tuple[float, int, str, Tone]
"""A text over the lane: (middle, row from below, text, tone)."""
_ROW, _LIFT = 18.0, 13.0
"""px: from row to row, and of the lowest above the lane, so that the figure of a high value fits below it."""
_LEAST_SPAN = 0.08
"""Of a linear lane, as a share of its highest value."""


def said_over(plan: Plan, lane: Lane) -> list[Said]:
    """Words of shaded periods and marks, each in the lowest row where it meets no other; a text that would meet itself
    is said once."""
    from cds.charts import sheet as on

    wanted: list[tuple[float, str, Tone]] = [
        ((_inside(plan, begin) + _inside(plan, end)) / 2, label, "mark")
        for begin, end, label in lane.shaded
        if plan.day(end) >= plan.begin and plan.day(begin) <= plan.end
    ]
    marked = [(plan.x(when), label) for when, label in lane.marks if plan.begin <= plan.day(when) <= plan.end]
    taken: list[tuple[float, float, int, str]] = []
    found: list[Said] = []
    for x, label, tone in [*((x, label, "ink") for x, label in marked), *wanted]:
        shown = on.folded(label, plan.width - 16, 12, most=1)[0]
        half = on.wide(shown, 12) / 2
        x = min(max(x, (4 if plan.left < 100 else plan.left) + half), plan.width - 4 - half)
        meets = [t for t in taken if x - half - 6 < t[1] and t[0] < x + half + 6]
        if any(text == shown for *_x, text in meets):
            continue
        row = next(n for n in range(len(taken) + 1) if n not in [t[2] for t in meets])
        taken.append((x - half, x + half, row, shown))
        found.append((x, row, shown, tone))
    return found


def _inside(plan: Plan, when: When) -> float:
    return min(max(plan.x(when), plan.left), plan.left + plan.plot)


def above(plan: Plan, lane: Lane) -> float:
    """Room for those words."""
    rows = 1 + max((row for _x, row, *_ in said_over(plan, lane)), default=-1)
    return _ROW * rows + (_LIFT - 8 if rows else 0)


def shown(plan: Plan, lane: Lane) -> list[tuple[When, float, str]]:
    """The points within the axis."""
    return [p for p in lane.points if plan.begin <= plan.day(p[0]) <= plan.end]


def draw_lane(plan: Plan, page: Axes, lane: Lane, number: int, top: float, tall: float, label_top: float) -> None:
    from cds.charts import sheet as on

    heading(plan, page, lane.label, lane.unit, label_top, top)
    on.rule(page, [plan.left, plan.left + plan.plot], [top + tall, top + tall], "grid", order=1)
    inside = sorted(shown(plan, lane), key=lambda point: plan.day(point[0]))
    scale = _Scale.of(lane, [value for _when, value, _text in inside], top, tall)
    for begin, end, _label in lane.shaded:
        _shade(plan, page, begin, end, top, tall)
    for x, row, text, tone in said_over(plan, lane):
        on.write(page, x, top - _LIFT - _ROW * row, text, size=12, tone=tone, align="center", halo=True)
    for value in scale.ticks:
        label = _figure(value, plan.words)
        y = scale.y(value)
        on.rule(page, [plan.left, plan.left + plan.plot], [y, y], "grid", order=1)
        on.write(page, plan.left - 6, y + 4, label, size=11 if plan.narrow else 12, tone="soft", align="right")
    for limit in lane.reference or ():
        if limit is not None and scale.holds(limit):
            y = scale.y(limit)
            on.rule(page, [plan.left, plan.left + plan.plot], [y, y], "third", thick=1.5, dashes=(0, (6, 4)),
                    name=f"limit-{number}", order=2)  # fmt: skip
            if called := lane.called or plan.words.limit:
                said = f"{called} {_figure(limit, plan.words)}"
                near = [
                    p for p in inside[-1:] if plan.x(p[0]) > plan.left + plan.plot - 70 and -12 < y - scale.y(p[1]) < 31
                ]
                x = plan.left + (4 + on.wide(said, 11) if near else plan.plot - 2)
                on.write(page, x, y - 4, said, size=11, tone="third", align="right", halo=True)
    if not inside:
        text = plan.words.older if lane.points and plan.words.older else lane.nothing or plan.words.nothing
        on.write(page, plan.left + 8, top + 14, text, size=13, tone="soft")
    xs = [plan.x(when) for when, _value, _text in inside]
    ys = [scale.y(value) for _when, value, _text in inside]
    if len(xs) > 1:
        on.rule(page, xs, ys, "main", thick=1.8, name=f"line-{number}", order=3)
    if xs:
        on.dots(page, xs, ys, "main", size=7 if len(xs) < 60 else 4, name=f"points-{number}")
        _value_labels(plan, page, list(zip(xs, ys, (text for *_x, text in inside), strict=True)), top)
    for when, _label in lane.marks:
        if plan.begin <= plan.day(when) <= plan.end:
            _mark(page, plan.x(when), top, tall)


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    log: bool
    top: float
    tall: float
    ticks: tuple[float, ...]

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
            # small ups and downs are not blown up to the height of the lane
            lack = max(0.0, _LEAST_SPAN * max(abs(low), abs(high)) - (high - low)) or (0.0 if high > low else 1.0)
            low, high = low - lack / 2, high + lack / 2
            margin = (high - low) * 0.12
            low, high = (0.0 if low >= 0 > low - margin else low - margin), high + margin
            found = [float(t) for t in MaxNLocator(3).tick_values(low, high) if low <= t <= high]
        return cls(low, high, lane.log, top, tall, tuple(found))

    def y(self, value: float) -> float:
        if self.log:
            part = log10(max(value, self.low) / self.low) / log10(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return self.top + self.tall * (1 - part)

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


def _figure(value: float, words: TimelineWords) -> str:
    if abs(value) >= 1e6:
        return f"{value:.1e}".replace("e+0", "e").replace("e+", "e").replace(".0e", "e")
    return words.figure(value)


def _shade(plan: Plan, page: Axes, begin: When, end: When, top: float, tall: float) -> None:
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


def _mark(page: Axes, x: float, top: float, tall: float) -> None:
    from cds.charts import sheet as on

    on.rule(page, [x, x], [top - 2, top + tall], "ink", thick=1.2, dashes=(0, (3, 2)), name="mark", order=2.5)
    on.dots(page, [x], [top - 2], "ink", marker="v", size=8)


def _value_labels(plan: Plan, page: Axes, points: list[tuple[float, float, str]], top: float) -> None:
    """The last, the first, the highest and the lowest value in figures, where there is room."""
    from cds.charts import sheet as on

    by_height = sorted(range(len(points)), key=lambda n: points[n][1])
    taken = [(x - 4, x + 4, y - 4, y + 4) for x, y, _text in points]
    for n in dict.fromkeys([len(points) - 1, 0, by_height[0], by_height[-1]]):
        x, y, text = points[n]
        half = on.wide(text, 11, bold=True) / 2
        x = min(max(x, plan.left + half), plan.left + plan.plot - half + 6)
        for base in (y - 7, y + 17):
            box = (x - half - 5, x + half + 5, base - 9, base + 1)
            if base >= top + 2 and not any(_meet(box, other) for other in taken):
                taken.append(box)
                on.write(page, x, base, text, size=11, align="center", bold=True, halo=True).set_zorder(6)
                break


def _meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]
