"""The charts of the outlook: the curve, a hundred people at each milestone, and what each finding contributes."""

from __future__ import annotations

from cds import charts
from cds.cards.phrasebook import Phrasebook
from cds.charts import CurveLine, CurveWords, Marks, PictographWords, Svg, TrialPoint
from cds.pages.report import shares
from cds.pages.report.stored import Told
from cds.services.comparison import Comparison
from cds.survival import Curve

MILESTONES = (6, 12, 24)


def curve(
    words: Phrasebook, told: Told, found: Curve, trial: Comparison | None, described: str
) -> tuple[Svg, Svg] | None:
    """(for a page, for a phone); None where nothing can be drawn. ``described``: for who can't see it."""
    if not charts.available():
        return None
    scenario = found.scenario
    line = CurveLine(words("report.survival.line"), found.times, found.alive, found.lower, found.upper)
    marks = Marks(
        scenario.worst,
        scenario.typical_from,
        scenario.typical_to,
        scenario.best,
        words("report.survival.mark.worst"),
        words("report.survival.mark.typical"),
        words("report.survival.mark.best"),
    )
    points = tuple(
        TrialPoint(f"{trial.trial}: {arm.name}", months, percent)
        for arm in (trial.arms if trial is not None else ())
        for months, percent in sorted(arm.alive.items())
        if trial is not None
    )
    named = _curve_words(words, told)
    title = words("report.survival.chart", model=words.pick(told.manifest.words.title))
    wide, narrow = (
        charts.survival((line,), marks, points, named, title, described, narrow=small) for small in (False, True)
    )
    return wide, narrow


def people(words: Phrasebook, found: Curve) -> tuple[Svg, ...]:
    """One for each milestone that the curve reaches; one layout, since each is narrow enough for a phone."""
    if not charts.available():
        return ()
    return tuple(_people(words, found, month) for month in MILESTONES if found.at(month) is not None)


def bars(words: Phrasebook, told: Told) -> tuple[Svg, Svg] | None:
    """None for a model whose survival function nobody takes apart."""
    title = words("report.survival.bars.title", model=words.pick(told.manifest.words.title))
    return shares.chart(words, told, None, "report.survival.bars", title)


def _curve_words(words: Phrasebook, told: Told) -> CurveWords:
    spec = told.of_kind("survival")
    assert spec is not None
    return CurveWords(
        months=words.pick(spec.label),  # from when the months count is the model's to say
        alive=words("report.survival.axis.alive"),
        out_of=words("report.survival.axis.out_of"),
        interval=words("report.survival.axis.interval", percent=words.number(100 * (spec.interval or 0.95), 0)),
    )


def _people(words: Phrasebook, found: Curve, month: int) -> Svg:
    point = found.at(month)
    assert point is not None
    alive, lower, upper = (round(100 * v) for v in (point.alive, point.lower, point.upper))
    named = PictographWords(
        heading=words("report.people.heading", months=month),
        alive=words("report.people.alive", n=alive),
        died=words("report.people.died", n=100 - alive),
        open=words("report.people.open", low=lower, high=upper),
    )
    title = words("report.people.title", months=month)
    described = words("report.people.described", alive=alive, low=lower, high=upper, months=month)
    return charts.pictograph(alive, lower, upper, named, title, described)
