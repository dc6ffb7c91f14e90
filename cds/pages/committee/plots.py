"""Plots of a model's page, each from stored verdicts: drawn for a page, for a phone, or as a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cds.cards.phrasebook import Phrasebook
from cds.charts import (
    CalibrationWords,
    IntervalRow,
    IntervalWords,
    Limit,
    Observed,
    Point,
    Series,
    Svg,
    TrendWords,
    calibration,
    intervals,
    trend,
)
from cds.charts.tones import Tone
from cds.committee.burden import Funnel
from cds.committee.charter import Charter
from cds.inference.manifest import Manifest
from cds.ledger.verdicts import Verdict
from cds.pages.committee import words as worded
from cds.record.moments import day_beside

Draw = Callable[..., Svg]
_TONES: tuple[Tone, ...] = ("main", "second", "third")


@dataclass(frozen=True)
class Plot:
    name: str
    """In addresses."""
    title: str
    draw: Draw
    """Takes ``narrow``."""


def plots(
    words: Phrasebook,
    manifest: Manifest | None,
    charter: Charter,
    model: str,
    history: Sequence[Verdict],
    by_site: Sequence[Verdict],
    funnel: Funnel,
    now: datetime,
) -> list[Plot]:
    """``history``: of one site, newest first; ``by_site``: the newest of each site. ``now``: in the hospital's zone."""
    newest = history[0].findings if history else ()
    found: list[Plot] = []
    for finding in newest:
        if finding["measure"] == "index" and _groups(finding):
            found.append(_calibration(words, finding))
    found.append(_drift(words, manifest, charter, model, history, now))
    found.append(_burden(words, charter, model, history, now))
    found.append(_funnel(words, funnel))
    found.append(_forest(words, charter, model, by_site))
    found.append(_gaps(words, manifest, charter, newest))
    return found


def _groups(finding: Mapping[str, Any]) -> list[Mapping[str, float]]:
    return list(finding.get("detail", {}).get("groups", ()))


def _calibration(words: Phrasebook, finding: Mapping[str, Any]) -> Plot:
    survival = "months" in finding["about"]
    months = finding["about"].split()[0] if survival else ""
    title = words("committee.plot.calibration_at", months=months) if survival else words("committee.plot.calibration")
    given = [Observed(g["predicted"], g["observed"], g["lower"], g["upper"]) for g in _groups(finding)]
    curve = finding["detail"].get("curve")
    line = tuple(curve[k] for k in ("predicted", "observed", "lower", "upper")) if curve else None
    kind = "alive" if survival else "event"
    named = CalibrationWords(
        words(f"committee.plot.predicted.{kind}"),
        words(f"committee.plot.observed.{kind}"),
        words("committee.plot.perfect"),
        words.figure,
    )
    told = words(
        "committee.plot.calibration_told", count=len(given), index=words.significant(finding.get("value", 0.0), 2)
    )

    def draw(*, narrow: bool = False) -> Svg:
        return calibration(given, line, named, title, told, narrow=narrow)

    return Plot(f"calibration{months}", title, draw)


def _points(
    history: Sequence[Verdict], now: datetime, measure: str, about: str, *, interval: bool
) -> tuple[Point, ...]:
    """One a day, the newest of each, oldest first."""
    days: dict[Any, Point] = {}
    for verdict in history:
        for f in verdict.findings:
            if f["measure"] == measure and f["about"] == about and "value" in f:
                low, high = (f["lower"], f["upper"]) if interval else (None, None)
                day = day_beside(verdict.at, now)
                days.setdefault(day, Point(day, f["value"], low, high))
    return tuple(days[day] for day in sorted(days))


def _limits(words: Phrasebook, charter: Charter, model: str, measure: str) -> list[Limit]:
    given = charter.limits_of(model, measure)
    pairs = (("watch", given.watch, "mark"), ("act", given.act, "second"), ("stop", given.stop, "second"))
    return [Limit(words(f"committee.level.{name}"), v, tone) for name, v, tone in pairs if v is not None]  # type: ignore[arg-type]


def _drift(
    words: Phrasebook,
    manifest: Manifest | None,
    charter: Charter,
    model: str,
    history: Sequence[Verdict],
    now: datetime,
) -> Plot:
    """The three inputs or answers that drifted most by the newest evaluation."""
    newest = [f for f in (history[0].findings if history else ()) if f["measure"] == "drift" and "value" in f]
    most = sorted(newest, key=lambda f: -f["value"])[:3]
    drifts = [_points(history, now, "drift", f["about"], interval=False) for f in most]
    lines = tuple(
        Series(worded.about(words, f, manifest, charter), points, tone)
        for f, points, tone in zip(most, drifts, _TONES, strict=False)
    )
    title = words("committee.plot.drift")
    limits = _limits(words, charter, model, "drift")
    named = TrendWords(words("committee.plot.drift_axis"), words("committee.plot.nothing"), words.figure, words.day)

    def draw(*, narrow: bool = False) -> Svg:
        return trend(lines, limits, named, title, words("committee.plot.drift_told"), narrow=narrow)

    return Plot("drift", title, draw)


def _burden(words: Phrasebook, charter: Charter, model: str, history: Sequence[Verdict], now: datetime) -> Plot:
    line = Series("", _points(history, now, "burden", "", interval=True))
    title, limits = words("committee.plot.burden"), _limits(words, charter, model, "burden")
    named = TrendWords(words("committee.measure.burden"), words("committee.plot.nothing"), words.figure, words.day)

    def draw(*, narrow: bool = False) -> Svg:
        return trend((line,), limits, named, title, words("committee.plot.burden_told"), narrow=narrow)

    return Plot("burden", title, draw)


def _funnel(words: Phrasebook, funnel: Funnel) -> Plot:
    title = words("committee.plot.funnel")
    counts = {
        "shown": funnel.shown,
        "opened": funnel.opened,
        "accepted": funnel.accepted,
        "overridden": funnel.overridden,
    }
    # a line from nothing to the count
    rows = [
        IntervalRow(words(f"committee.funnel.{name}"), float(n), 0.0, float(n), words.number(n, 0))
        for name, n in counts.items()
    ]
    named = IntervalWords(words("committee.funnel.axis"), figure=words.figure)

    def draw(*, narrow: bool = False) -> Svg:
        return intervals(rows, None, named, title, words("committee.plot.funnel_told"), narrow=narrow)

    return Plot("funnel", title, draw)


def _forest(words: Phrasebook, charter: Charter, model: str, by_site: Sequence[Verdict]) -> Plot:
    rows = [
        _row(words, verdict.site, f)
        for verdict in by_site
        for f in verdict.findings
        if f["measure"] == "auc" and f["about"] == ""
    ]
    limit = charter.limits_of(model, "auc").act
    title = words("committee.plot.forest")
    named = IntervalWords(
        words("committee.measure.auc"),
        words("committee.level.act") if limit else "",
        words("committee.plot.nothing"),
        words.figure,
    )

    def draw(*, narrow: bool = False) -> Svg:
        return intervals(rows, limit, named, title, words("committee.plot.forest_told"), narrow=narrow)

    return Plot("sites", title, draw)


def _gaps(words: Phrasebook, manifest: Manifest | None, charter: Charter, newest: Sequence[Mapping[str, Any]]) -> Plot:
    rows = [
        _row(words, worded.about(words, f, manifest, charter), f) for f in newest if f["measure"] == "gap_sensitivity"
    ]
    title = words("committee.plot.gaps")
    named = IntervalWords(
        words("committee.measure.gap_sensitivity"),
        words("committee.plot.even"),
        words("committee.plot.nothing"),
        words.figure,
    )

    def draw(*, narrow: bool = False) -> Svg:
        return intervals(rows, 0.0, named, title, words("committee.plot.gaps_told"), percent=True, narrow=narrow)

    return Plot("gaps", title, draw)


def _row(words: Phrasebook, label: str, f: Mapping[str, Any]) -> IntervalRow:
    if "value" not in f or f["upper"] is None:
        return IntervalRow(label, None, None, None, worded.said(words, f))
    return IntervalRow(label, f["value"], f["lower"], f["upper"], worded.said(words, f))
