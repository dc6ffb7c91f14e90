"""A chart as a picture, for slides and minutes: drawn as for a page, in the colours of daylight."""

from __future__ import annotations

from collections.abc import Callable

from cds.charts.svg import Svg, require


def as_png(draw: Callable[[], Svg]) -> bytes:
    """``draw``: makes one chart. Raises ChartsUnavailable."""
    require()
    from cds.charts import sheet

    with sheet.pictured() as taken:
        draw()
    return taken[-1]
