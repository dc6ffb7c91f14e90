"""Several hospitals' figures under each other, and how they scatter with their precision."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, log

from cds.charts.axis import plain
from cds.charts.svg import Svg, require
from cds.measures.estimate import Z


@dataclass(frozen=True)
class ForestRow:
    label: str
    text: str
    """At the right: "0.76 (0.71 to 0.80)", or why there is no figure."""
    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ForestSum:
    """Under the rows: the mean as a diamond, and where the next hospital is expected as a line."""

    label: str
    text: str
    value: float
    low: float
    high: float
    next_label: str = ""
    next_text: str = ""
    following: tuple[float, float] | None = None


@dataclass(frozen=True)
class FunnelPoint:
    label: str
    value: float
    error: float


def forest(
    rows: tuple[ForestRow, ...],
    total: ForestSum | None,
    title: str,
    description: str,
    *,
    axis: str,
    reference: float | None = None,
    ratio: bool = False,
) -> Svg:
    """``reference``: a dashed line where all is as it should be. ``ratio``: a logarithmic axis. Raises ValueError for a
    value that is not finite, or not above 0 on a logarithmic axis."""
    numbers = [v for r in rows for v in (r.value, r.low, r.high) if v is not None]
    if total is not None:
        numbers += [total.value, total.low, total.high, *(total.following or ())]
    if reference is not None:
        numbers.append(reference)
    if not all(isfinite(n) and (n > 0 or not ratio) for n in numbers):
        raise ValueError("a value that is not finite, or not above 0 on a logarithmic axis, can't be drawn")
    require()
    from matplotlib.ticker import LogLocator, MaxNLocator

    from cds.charts import sheet as on

    below = 0 if total is None else (2 if total.following else 1)
    width, row_height, column, side = 720, 30.0, 190.0, 190.0
    bottom = 12 + row_height * (len(rows) + below)
    sheet = on.Sheet(width, int(bottom + 44))
    page = sheet.page()
    begin, end = column + 12, width - side - 12
    low, high = _range(numbers, ratio)
    ticks = LogLocator(subs=(1, 2, 5)).tick_values(low, high) if ratio else MaxNLocator(5).tick_values(low, high)

    def place(value: float) -> float:
        if ratio:
            return begin + (end - begin) * (log(value) - log(low)) / (log(high) - log(low))
        return begin + (end - begin) * (value - low) / (high - low)

    for tick in (t for t in ticks if low <= t <= high):
        on.rule(page, [place(tick)] * 2, [8, bottom], "grid", order=1)
        on.write(page, place(tick), bottom + 16, plain(tick), size=12, tone="soft", align="center")
    if reference is not None:
        on.rule(page, [place(reference)] * 2, [8, bottom], "soft", dashes=(0, (4, 3)), name="reference")
    for number, row in enumerate(rows):
        y = 12 + row_height * (number + 0.5)
        on.write(page, column, y + 4.5, on.folded(row.label, column - 10, 13, most=1)[0], align="right")
        on.write(page, end + 14, y + 4.5, row.text, tone="ink" if row.value is not None else "soft")
        if row.value is not None and row.low is not None and row.high is not None:
            on.rule(page, [place(row.low), place(row.high)], [y, y], "main", thick=2, name=f"interval-{number}")
            on.dots(page, [place(row.value)], [y], "main", marker="s", size=9, name=f"value-{number}")
    if total is not None:
        y = 12 + row_height * (len(rows) + 0.5)
        on.rule(page, [8, width - 8], [y - row_height / 2] * 2, "grid", order=1)
        xs = [place(v) for v in (total.low, total.value, total.high, total.value)]
        page.fill(xs, [y, y - 8, y, y + 8], facecolor=on.colour("second"), gid=on.part("mean"), zorder=4)
        label = on.folded(total.label, column - 10, 13, most=1, bold=True)[0]
        on.write(page, column, y + 4.5, label, align="right", bold=True)
        on.write(page, end + 14, y + 4.5, total.text, bold=True)
        if total.following:
            y += row_height
            on.rule(page, [place(v) for v in total.following], [y, y], "second", thick=3, name="next")
            on.write(page, column, y + 4.5, on.folded(total.next_label, column - 10, 13, most=1)[0], align="right")
            on.write(page, end + 14, y + 4.5, total.next_text)
    on.write(page, (begin + end) / 2, bottom + 36, axis, size=12, tone="soft", align="center")
    return sheet.finish(title, description)


def funnel(
    points: tuple[FunnelPoint, ...], mean: float, title: str, description: str, *, axis: str, precision: str
) -> Svg:
    """Values against their standard errors, the surest on top, with the lines between which 95 % lie if hospitals
    differ by chance alone. Raises ValueError for a value that is not finite or an error not above 0."""
    if not all(isfinite(p.value) and isfinite(p.error) and p.error > 0 for p in points) or not isfinite(mean):
        raise ValueError("a funnel needs finite values with errors above 0")
    require()
    from matplotlib.ticker import MaxNLocator

    from cds.charts import sheet as on

    width, height, left, top, bottom = 720, 300, 64.0, 14.0, 250.0
    sheet = on.Sheet(width, height)
    page = sheet.page()
    most = max((p.error for p in points), default=1.0) * 1.15
    spread = max([Z * most, *(abs(p.value - mean) for p in points)]) * 1.05

    def at(value: float, error: float) -> tuple[float, float]:
        across = left + (width - 12 - left) * (value - mean + spread) / (2 * spread)
        return across, top + (bottom - top) * error / most

    for tick in (t for t in MaxNLocator(6).tick_values(mean - spread, mean + spread) if abs(t - mean) <= spread):
        on.write(page, at(tick, 0)[0], bottom + 18, plain(tick), size=12, tone="soft", align="center")
    for tick in (t for t in MaxNLocator(4).tick_values(0, most) if 0 <= t <= most):
        on.rule(page, [left, width - 12], [at(mean, tick)[1]] * 2, "grid", order=1)
        on.write(page, left - 8, at(mean, tick)[1] + 4, plain(tick), size=12, tone="soft", align="right")
    (tip_x, tip_y), edges = at(mean, 0), [at(mean + sign * Z * most, most) for sign in (-1, 1)]
    page.fill([tip_x, *(x for x, _ in edges)], [tip_y, *(y for _, y in edges)], facecolor=on.colour("band"), zorder=1.5)
    on.rule(page, [tip_x, tip_x], [top, bottom], "soft", dashes=(0, (4, 3)), name="mean")
    for number, point in enumerate(points):
        x, y = at(point.value, point.error)
        on.dots(page, [x], [y], "main", size=10, name=f"point-{number}")
        right = x < width - 160
        on.write(
            page, x + (10 if right else -10), y + 4, point.label, size=12, align="left" if right else "right", halo=True
        )
    on.write(page, width - 12, height - 8, axis, size=12, tone="soft", align="right")
    on.write(page, 8, height - 8, precision, size=12, tone="soft")
    return sheet.finish(title, description)


def _range(numbers: list[float], ratio: bool) -> tuple[float, float]:
    low, high = min(numbers, default=0.0), max(numbers, default=1.0)
    if ratio:
        low, high = min(low, 0.8), max(high, 1.25)
        return low / 1.05, high * 1.05
    room = 0.05 * (high - low) or 0.05
    return low - room, high + room
