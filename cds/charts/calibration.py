"""What was predicted against what happened: groups with their intervals, a curve with its band, and the diagonal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cds.charts.axis import plain
from cds.charts.svg import Svg, require


@dataclass(frozen=True)
class Observed:
    """One group: mean prediction, what happened, its interval; all shares (0..1)."""

    predicted: float
    observed: float
    lower: float
    upper: float


@dataclass(frozen=True)
class CalibrationWords:
    predicted: str
    """Under the plot."""
    observed: str
    """Above it."""
    perfect: str
    """At the diagonal."""
    figure: Callable[[float], str] = plain
    """How the language writes a number."""


def calibration(
    groups: Sequence[Observed],
    curve: tuple[Sequence[float], Sequence[float], Sequence[float], Sequence[float]] | None,
    words: CalibrationWords,
    title: str,
    description: str,
    *,
    narrow: bool = False,
) -> Svg:
    """``curve``: predicted, observed, lower and upper. Axes are percent. Raises ValueError where there is nothing."""
    if not groups and curve is None:
        raise ValueError("a calibration plot needs groups or a curve")
    require()
    from cds.charts import sheet as on

    width = 360 if narrow else 560
    left, right, top, bottom = 44.0, 16.0, 34.0, 48.0
    plot = width - left - right
    height = int(plot + top + bottom)
    sheet = on.Sheet(width, height, narrow=narrow)
    page = sheet.page()
    most = _most(groups, curve)
    axes = sheet.axes(left, top, plot, plot)
    axes.set_xlim(0, most)
    axes.set_ylim(0, most)
    for tick in _ticks(most):
        on.rule(axes, [tick, tick], [0, most], "grid" if tick else "soft", order=1)
        on.rule(axes, [0, most], [tick, tick], "grid" if tick else "soft", order=1)
        at = plot * tick / most
        on.write(page, left + at, top + plot + 18, f"{words.figure(100 * tick)}%", size=12, tone="soft", align="center")
        on.write(
            page, left - 6, top + plot - at + 4, f"{words.figure(100 * tick)}%", size=12, tone="soft", align="right"
        )
    on.rule(axes, [0, most], [0, most], "soft", dashes=(0, (5, 4)), name="perfect")
    if curve is not None:
        predicted, observed, lower, upper = curve
        axes.fill_between(
            list(predicted), list(lower), list(upper), color=on.colour("band"), linewidth=0, zorder=1.5, clip_on=True
        )
        on.rule(axes, predicted, observed, "main", thick=2.5, name="curve", order=3)
    for group in groups:
        on.rule(axes, [group.predicted] * 2, [group.lower, min(group.upper, most)], "ink", thick=1.5, order=3.5)
    on.dots(axes, [g.predicted for g in groups], [g.observed for g in groups], "ink", name="groups")
    on.write(page, 4, 20, words.observed, size=12, tone="soft")
    on.write(page, width - right, height - 8, words.predicted, size=12, tone="soft", align="right")
    on.write(page, left + plot - 8, top + 18, words.perfect, size=12, tone="soft", align="right", halo=True)
    return sheet.finish(title, description)


def _most(
    groups: Sequence[Observed], curve: tuple[Sequence[float], Sequence[float], Sequence[float], Sequence[float]] | None
) -> float:
    """The axes' end: where the points and the curve are, not where a wide interval ends."""
    highest = max([*(max(g.predicted, g.observed) for g in groups), *(max(c) for c in (curve or ())[:2])])
    return next((m for m in (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8) if highest <= 0.95 * m), 1.0)


def _ticks(most: float) -> list[float]:
    return [round(most * n / 4, 6) for n in range(5)]
