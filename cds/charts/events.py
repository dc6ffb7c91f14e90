"""A lane of events: treatments as bars, scans and results as ticks, each with its name over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cds.charts.axis import Plan, When, heading

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class EventLane:
    """What happened: ``spans`` are (from, until or None for "goes on", label), ``ticks`` (when, label)."""

    label: str
    spans: tuple[tuple[When, When | None, str], ...] = ()
    ticks: tuple[tuple[When, str], ...] = ()
    nothing: str = ""
    """As of ``Lane``."""


Placed = tuple[int, float, float | None, str, bool]
"""(row, from x, to x or None for a tick, label, goes on)"""


def rows_of(plan: Plan, lane: EventLane) -> list[Placed]:
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
    for from_x, until_x, label, goes_on in sorted(entries, key=lambda entry: entry[0]):
        shown = on.folded(label, plan.plot + plan.left - 24, 12, most=1)[0]
        begin_x = _text_x(plan, from_x, shown)
        end_x = max(until_x or 0, begin_x + on.wide(shown, 12), from_x + 6) + 10
        row = next((n for n, used in enumerate(full) if used <= min(begin_x, from_x - 6)), len(full))
        if row == len(full):
            full.append(0.0)
        full[row] = end_x
        placed.append((row, from_x, until_x, shown, goes_on))
    return placed


def _text_x(plan: Plan, from_x: float, shown: str) -> float:
    """Where an event's label begins: at its beginning, moved left as far as it must be to fit."""
    from cds.charts import sheet as on

    return max(4.0, min(from_x - 4, plan.left + plan.plot + 8 - on.wide(shown, 12)))


def draw_events(
    plan: Plan, page: Axes, lane: EventLane, placed: list[Placed], number: int, y: float, head: float, row: float
) -> None:
    from cds.charts import sheet as on

    heading(plan, page, lane.label, "", y, y + head)
    nothing = (
        plan.words.older if (lane.spans or lane.ticks) and plan.words.older else lane.nothing or plan.words.nothing
    )
    if not placed:
        on.write(page, plan.left + 8, y + head + 16, nothing, size=13, tone="soft")
    for at, from_x, to_x, shown, goes_on in placed:
        top = y + head + row * at
        on.write(page, _text_x(plan, from_x, shown), top + 11, shown, size=12, halo=True)
        if to_x is None:
            on.dots(page, [from_x], [top + 22], "second", marker="D", size=10, name=f"tick-{number}")
            continue
        on.rule(page, [from_x, to_x], [top + 22, top + 22], "second", thick=9, name=f"span-{number}", order=3)
        if goes_on:
            on.dots(page, [to_x - 2], [top + 22], "second", marker=">", size=15, name=f"goes-on-{number}")
