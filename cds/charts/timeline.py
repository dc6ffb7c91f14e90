"""Lanes that share one axis of time: measurements as lines, events as bars and ticks."""

from __future__ import annotations

from math import isfinite

from cds.charts.axis import Plan, TimelineWords, When, days, ticks_of
from cds.charts.events import EventLane, draw_events, rows_of
from cds.charts.lanes import Lane, above, draw_lane, shown
from cds.charts.svg import Svg, require

__all__ = ["EventLane", "Lane", "TimelineWords", "timeline"]


def timeline(
    lanes: tuple[Lane, ...],
    events: tuple[EventLane, ...],
    start: When,
    end: When,
    words: TimelineWords,
    title: str,
    description: str,
    *,
    narrow: bool = False,
) -> Svg:
    """``start`` and ``end``: of the axis. What lies outside is not drawn.

    Raises ValueError if ``end`` is not after ``start`` or a value is not finite; values of 0 and below have no place on
    a logarithmic lane and are drawn at its lower edge.
    """
    begin, until = days(start, words.zone), days(end, words.zone)
    if until <= begin:
        raise ValueError("a timeline ends after it starts")
    if not all(isfinite(value) for lane in lanes for _when, value, _text in lane.points):
        raise ValueError("a value that is not finite can't be drawn")
    require()
    from cds.charts import sheet as on

    width = 360 if narrow else 960
    left, right = (46.0, 12.0) if narrow else (212.0, 24.0)
    plot = width - left - right
    plan = Plan(width, narrow, left, plot, begin, until, words)
    rows = [rows_of(plan, lane) for lane in events]
    head = 26.0 if narrow else 8.0
    lane_height, gap, row_height = (84.0, 14.0, 40.0) if narrow else (96.0, 18.0, 38.0)
    talls = [lane_height if shown(plan, lane) else 24.0 for lane in lanes]
    tall = [head + plot_height + above(plan, lane) for lane, plot_height in zip(lanes, talls, strict=True)]
    event_tall = [head + row_height * max(1, max((row for row, *_ in found), default=-1) + 1) for found in rows]
    height = int(6 + sum(t + gap for t in tall + event_tall) + 34)
    sheet = on.Sheet(width, height, narrow=narrow)
    page = sheet.page()
    ticks = ticks_of(plan)
    foot = height - 34.0
    for x, _label, _strong in ticks:
        on.rule(page, [x, x], [6, foot], "grid", order=0.5)
    on.rule(page, [left, left + plot], [foot, foot], "soft", order=1)
    for x, label, strong in ticks:
        on.rule(page, [x, x], [foot, foot + 5], "soft", order=1)
        if label:
            on.write(page, x, foot + 20, label, size=12, tone="ink" if strong else "soft", align="center", bold=strong)
    y = 6.0
    for number, (lane, full) in enumerate(zip(lanes, tall, strict=True)):
        draw_lane(plan, page, lane, number, y + head + above(plan, lane), talls[number], y)
        y += full + gap
    for number, (event, found, full) in enumerate(zip(events, rows, event_tall, strict=True)):
        draw_events(plan, page, event, found, number, y, head, row_height)
        y += full + gap
    return sheet.finish(title, description)
