"""Charts as a page takes them in, the wide one and the one for phones together; None where none can be drawn."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache

from markupsafe import Markup

from cds import charts
from cds.cards.phrasebook import Phrasebook
from cds.charts import Svg
from cds.errors import ChartsUnavailable
from cds.inference.explain import Explanation
from cds.pages.report import amounts
from cds.survival import Curve

_MOST_BARS = 8


def _pair(draw: Callable[..., Svg], *what: Hashable) -> Markup | None:
    """Drawn twice; the style sheet shows one. None: no charts here."""
    try:
        return Markup('<div class="chart-pair">{}{}</div>').format(
            *(_drawn(draw, *what, narrow=n) for n in (False, True))
        )
    except ChartsUnavailable:
        return None


@lru_cache(maxsize=128)
def _drawn(draw: Callable[..., Svg], *what: Hashable, narrow: bool) -> Markup:
    """The same once: a reader switches trials, colours and language, and comes back. Every text in it was escaped when
    it was drawn."""
    return Markup(draw(*what, narrow=narrow).markup)


def curve(
    words: Phrasebook, found: Curve, points: tuple[charts.TrialPoint, ...], interval: float | None
) -> Markup | None:
    scenario = found.scenario
    late = words("report.page.later", months=amounts.months(words, found.times[-1]))

    def at(number: float | None) -> str:
        return words("report.page.months", n=amounts.months(words, number)) if number is not None else late

    typical = words(
        "report.page.mark.typical",
        low=amounts.months(words, scenario.typical_from or 0.0),
        high=amounts.months(words, scenario.typical_to) if scenario.typical_to is not None else late,
    )
    marks = charts.Marks(
        scenario.worst,
        scenario.typical_from,
        scenario.typical_to,
        scenario.best,
        words("report.page.mark.worst", at=at(scenario.worst)),
        typical,
        words("report.page.mark.best", at=at(scenario.best)),
    )
    banded = found.lower != found.alive or found.upper != found.alive
    line = charts.CurveLine(
        words("report.page.people_like_this"),
        found.times,
        found.alive,
        found.lower if banded else None,
        found.upper if banded else None,
    )
    said = charts.CurveWords(
        words("report.page.axis.months"),
        words("report.page.axis.alive"),
        words("report.page.axis.of_100", n="{n}"),
        words("report.page.interval", percent=words.number(100 * (interval or 0.95), 0)) if banded else "",
    )
    title = words("report.page.curve.title")
    told = words.join(
        words("report.page.curve.point", months=m, share=amounts.share(words, point))
        for m in amounts.MILESTONES
        if (point := found.at(m)) is not None
    )
    return _pair(charts.survival, (line,), marks, points, said, title, words("report.page.curve.described", told=told))


def people(words: Phrasebook, found: Curve, month: int) -> Markup | None:
    """One hundred people after ``month`` months; None outside the curve."""
    point = found.at(month)
    if point is None:
        return None
    alive, low, high = (round(100 * v) for v in (point.alive, point.lower, point.upper))
    low, high = min(low, alive), max(high, alive)
    said = charts.PictographWords(
        words("report.page.people.after", months=month),
        words("report.page.people.alive", n=alive),
        words("report.page.people.died", n=100 - alive),
        words("report.page.people.open", low=low, high=high),
    )
    described = words("report.page.people.described", months=month, n=alive, died=100 - alive, low=low, high=high)
    try:
        return _drawn(charts.pictograph, alive, low, high, said, said.heading, described, narrow=False)
    except ChartsUnavailable:
        return None


def shares(words: Phrasebook, found: Explanation, scale: str) -> Markup | None:
    """What each input contributed, the largest first."""
    bars = tuple(
        charts.Bar(
            words("report.page.bar", label=label, value=amounts.value(words, share.feature)),
            share.value,
            signed(words, share.value),
        )
        for share in found.shares[:_MOST_BARS]
        for label in [amounts.label(words, share.feature.input)]
    )
    said = charts.BarWords(
        scale,
        words("report.page.shares.lower"),
        words("report.page.shares.higher"),
        words("report.page.shares.nothing"),
    )
    title = words("report.page.shares.title")
    described = words("report.page.shares.described", told=words.join(f"{b.label}: {b.text}" for b in bars))
    return _pair(charts.contributions, bars, said, title, described)


def signed(words: Phrasebook, number: float) -> str:
    """With its sign, also a plus."""
    text = words.number(abs(number), 2)
    return f"+{text}" if number > 0 else f"−{text}"


def peers(words: Phrasebook, rows: tuple[charts.RiskRow, ...], per: int) -> Markup | None:
    """``rows`` in cases per ``per`` people."""
    title = words("report.page.peers.title")
    axis = words("report.page.peers.axis", total=words.number(per, 0))
    described = words("report.page.peers.described", told=words.join(f"{r.label}: {r.text}" for r in rows))
    return _pair(charts.comparison, rows, charts.BarWords(axis), title, described)
