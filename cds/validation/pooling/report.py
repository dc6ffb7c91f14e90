"""The pooled answer told: as text, as JSON and as a page with its forest and funnel plots."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from scipy.special import logit

from cds.charts.forest import ForestRow, ForestSum, FunnelPoint, forest, funnel
from cds.charts.svg import Svg, available, stylesheet
from cds.validation.pooling.measures import TooFew
from cds.validation.pooling.meta import FEWEST_FOR_NEXT
from cds.validation.pooling.pool import Interval, Measure, Pooled, RoundResult
from cds.validation.result import WHOLE
from cds.validation.review import TEMPLATES

NAMES: Mapping[Measure, str] = {
    "auc": "Discrimination (AUC)",
    "oe": "Observed over expected events (O/E)",
    "slope": "Calibration slope",
    "intercept": "Calibration intercept",
}
_IDEAL: Mapping[Measure, float | None] = {"auc": 0.5, "oe": 1.0, "slope": 1.0, "intercept": 0.0}
_FUNNEL_AXIS: Mapping[Measure, str] = {
    "auc": "logit of the AUC",
    "oe": "log O/E",
    "slope": "slope",
    "intercept": "intercept",
}
LIMITS = (
    "Pooled from counts by score bin; people in one bin count as tied, so an AUC is a little low (by less than 0.003 "
    "at 50 bins). What is written for the next hospital rests on few hospitals and is wide for that reason. Figures "
    "say how the model ranked and calibrated where it was tried, not that acting on it helps."
)
CENSORED = (
    "Some people were lost from view before the horizon. They are represented by those who stayed, which is right only "
    "if being lost says nothing about the outcome."
)


@dataclass(frozen=True)
class Part:
    name: str
    sentence: str
    charts: tuple[Svg, ...]


@dataclass(frozen=True)
class Section:
    heading: str
    note: str
    parts: tuple[Part, ...]


def sentence(one: Pooled) -> str:
    if isinstance(one.together, TooFew):
        return f"{str(one.together)[0].upper()}{str(one.together)[1:]}."
    said = f"All people together: {told(one.together)}."
    if isinstance(one.mean, Interval) and one.meta is not None:
        said += f" Mean of {one.meta.hospitals} hospitals: {told(one.mean)}"
        if one.following is not None:
            said += f"; the next hospital: {one.following[0]:.2f} to {one.following[1]:.2f}"
        else:
            said += f"; what the next one may expect needs at least {FEWEST_FOR_NEXT} hospitals"
        said += f". Between hospitals: I² {100 * one.meta.i2:.0f} %, Q {one.meta.q:.1f} ({_p(one.meta.p)})."
    else:
        said += " One hospital has a figure, so there is nothing to pool across hospitals."
    return said


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def told(one: Interval) -> str:
    return f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"


def text(found: RoundResult) -> str:
    asked = found.round
    lines = [
        f"{asked.title}: {asked.model.id} {asked.model.version}",
        f"{found.people} people in {len(found.sites)} hospitals: {', '.join(found.sites)}",
        LIMITS,
    ]
    if asked.outcome.horizons:
        lines.append(CENSORED)
    for heading, figures in _grouped(found):
        lines += ["", heading]
        for one in figures:
            lines.append(f"  {NAMES[one.measure]}: {sentence(one)}")
            if one.group == WHOLE:
                lines += [f"    {site.site:<24} {_figure(site.figure)}" for site in one.sites]
    lines += [f"{site} did not send: {', '.join(groups)}" for site, groups in found.hidden]
    return "\n".join(lines)


def plain(found: RoundResult) -> dict[str, Any]:
    """For machines: everything, with "not enough data" as words in the place of a figure."""
    return {
        "round": found.round.model_dump(mode="json"),
        "sites": list(found.sites),
        "people": found.people,
        "events": list(found.events),
        "hidden": {site: list(groups) for site, groups in found.hidden},
        "figures": [_plain(one) for one in found.figures],
    }


def page(found: RoundResult) -> str:
    """Without matplotlib the page has the sentences and no plots."""
    sections = [
        Section(heading, CENSORED if one[0].horizon is not None else "", tuple(_part(each) for each in one))
        for heading, one in _grouped(found)
    ]
    return TEMPLATES.get_template("pooled.html").render(
        found=found, sections=sections, limits=LIMITS, chart_css=stylesheet() if available() else ""
    )


def _grouped(found: RoundResult) -> list[tuple[str, list[Pooled]]]:
    grouped: dict[str, list[Pooled]] = {}
    for one in found.figures:
        heading = ("All people" if one.group == WHOLE else one.group) + (
            "" if one.horizon is None else f", within {one.horizon} months"
        )
        grouped.setdefault(heading, []).append(one)
    return list(grouped.items())


def _part(one: Pooled) -> Part:
    charts: tuple[Svg, ...] = ()
    if available() and any(isinstance(site.figure, Interval) for site in one.sites):
        charts = (_forest(one), *_funnel(one))
    return Part(NAMES[one.measure], sentence(one), charts)


def _forest(one: Pooled) -> Svg:
    rows = tuple(
        ForestRow(site.site, told(site.figure), site.figure.value, site.figure.low, site.figure.high)
        if isinstance(site.figure, Interval)
        else ForestRow(site.site, str(site.figure))
        for site in one.sites
    )
    total = None
    if isinstance(one.mean, Interval):
        following = one.following
        total = ForestSum(
            "mean of hospitals",
            told(one.mean),
            one.mean.value,
            one.mean.low,
            one.mean.high,
            "the next hospital",
            "" if following is None else f"{following[0]:.3f} to {following[1]:.3f}",
            following,
        )
    title = f"{NAMES[one.measure]} by hospital"
    return forest(
        rows, total, title, sentence(one), axis=NAMES[one.measure], reference=_IDEAL[one.measure],
        ratio=one.measure == "oe",
    )  # fmt: skip


def _funnel(one: Pooled) -> Sequence[Svg]:
    if one.meta is None or one.meta.hospitals < FEWEST_FOR_NEXT:
        return ()
    points = tuple(
        FunnelPoint(site.site, value, site.error)
        for site in one.sites
        if site.error is not None and (value := _on_scale(one.measure, site.figure)) is not None
    )
    title = f"{NAMES[one.measure]}: hospitals by precision"
    return (
        funnel(
            points, one.meta.value, title, sentence(one), axis=_FUNNEL_AXIS[one.measure], precision="standard error"
        ),
    )


def _on_scale(measure: Measure, figure: Interval | TooFew) -> float | None:
    if isinstance(figure, TooFew):
        return None
    if measure == "auc":
        return float(logit(figure.value))
    if measure == "oe":
        return math.log(figure.value)
    return figure.value


def _figure(one: Interval | TooFew) -> str:
    return str(one) if isinstance(one, TooFew) else told(one)


def _plain(one: Pooled) -> dict[str, Any]:
    def figure(found: Interval | TooFew | None) -> Any:
        return str(found) if isinstance(found, TooFew) else None if found is None else asdict(found)

    return {
        "measure": one.measure,
        "horizon_months": one.horizon,
        "group": one.group,
        "together": figure(one.together),
        "mean": figure(one.mean),
        "next": None if one.following is None else list(one.following),
        "i2": None if one.meta is None else one.meta.i2,
        "q": None if one.meta is None else one.meta.q,
        "p": None if one.meta is None else one.meta.p,
        "sites": [
            {"site": s.site, "people": s.people, "events": s.events, "figure": figure(s.figure)} for s in one.sites
        ],
    }
