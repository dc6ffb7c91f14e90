"""Hospitals' signed results put together, after everything that could make the sum wrong has been refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.special import expit

from cds.errors import ValidationRoundError
from cds.measures.estimate import Z
from cds.validation.bins import Bin
from cds.validation.fits import fits
from cds.validation.pooling import measures
from cds.validation.pooling.measures import Estimate, TooFew
from cds.validation.pooling.meta import Meta, analysed
from cds.validation.result import WHOLE, Result, Table
from cds.validation.rounds import Round

Measure = Literal["auc", "oe", "slope", "intercept"]
MEASURES: tuple[Measure, ...] = ("auc", "oe", "slope", "intercept")
NEEDED = 100
"""Events, and people without the event, that the whole round needs for a claim (Collins 2016)."""


@dataclass(frozen=True)
class Interval:
    """On the measure's own scale."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class SiteFigure:
    site: str
    people: int
    events: int
    figure: Interval | TooFew
    error: float | None
    """Standard error on the scale of the meta-analysis: for the funnel."""


@dataclass(frozen=True)
class Pooled:
    measure: Measure
    horizon: int | None
    group: str
    sites: tuple[SiteFigure, ...]
    mean: Interval | TooFew | None
    """Across hospitals, each as it is; None below two."""
    following: tuple[float, float] | None
    """Where the next hospital is expected."""
    meta: Meta | None
    together: Interval | TooFew
    """All people as if in one hospital."""


@dataclass(frozen=True)
class RoundResult:
    round: Round
    sites: tuple[str, ...]
    people: int
    events: tuple[int, ...]
    """By horizon."""
    figures: tuple[Pooled, ...]
    hidden: tuple[tuple[str, tuple[str, ...]], ...]
    """Site -> groups it could not send."""

    def figure(self, measure: Measure, horizon: int | None = None, group: str = WHOLE) -> Pooled | None:
        wanted = (measure, horizon, group)
        return next((f for f in self.figures if (f.measure, f.horizon, f.group) == wanted), None)


_SHOWN: dict[Measure, Callable[[float], float]] = {
    "auc": lambda x: float(expit(x)),
    "oe": math.exp,
    "slope": float,
    "intercept": float,
}


def pooled(asked: Round, results: Sequence[Result]) -> RoundResult:
    """Raises ValidationRoundError, which names the hospital whose result does not fit, and why."""
    if not results:
        raise ValidationRoundError("there is no result to pool")
    for result in results:
        fits(asked, result)
    names = [result.site for result in results]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValidationRoundError(f"{sorted(twice)[0]} sent two results; a hospital counts once")
    ordered = sorted(results, key=lambda result: result.site)
    whole = [result.table(asked.horizons[0], WHOLE) for result in ordered]
    return RoundResult(
        asked,
        tuple(result.site for result in ordered),
        sum(b.people for table in whole if table for b in table.bins),
        tuple(
            sum(b.events for r in ordered if (table := r.table(horizon, WHOLE)) for b in table.bins)
            for horizon in asked.horizons
        ),
        tuple(_figures(asked, ordered)),
        tuple((result.site, result.hidden) for result in ordered if result.hidden),
    )


def _figures(asked: Round, results: Sequence[Result]) -> list[Pooled]:
    groups = [WHOLE, *(f"{column}={level}" for column, levels in asked.subgroups.items() for level in levels)]
    wanted = MEASURES if asked.scale == "probability" else ("auc",)
    return [
        _pooled(asked, measure, horizon, group, [(r.site, t) for r in results if (t := r.table(horizon, group))])
        for horizon in asked.horizons
        for group in groups
        for measure in wanted
    ]


def _pooled(
    asked: Round, measure: Measure, horizon: int | None, group: str, tables: Sequence[tuple[str, Table]]
) -> Pooled:
    found = [(site, table, _estimate(measure, table.rows(), table)) for site, table in tables]
    sites = tuple(
        SiteFigure(
            site,
            sum(b.people for b in table.bins),
            sum(b.events for b in table.bins),
            one if isinstance(one, TooFew) else _interval(measure, one),
            None if isinstance(one, TooFew) else one.error,
        )
        for site, table, one in found
    )
    meta = analysed([one for _, _, one in found if isinstance(one, Estimate)])
    show = _SHOWN[measure]
    few = measures.enough([b for _, table in tables for b in table.rows()], NEEDED)
    mean: Interval | TooFew | None = few
    following = None
    if few is None and meta is not None:
        mean = Interval(show(meta.value), show(meta.low), show(meta.high))
        if meta.next_low is not None and meta.next_high is not None:
            following = (show(meta.next_low), show(meta.next_high))
    return Pooled(measure, horizon, group, sites, mean, following, meta, few or _together(asked, measure, tables))


def _estimate(measure: Measure, bins: Sequence[Bin], table: Table) -> Estimate | TooFew:
    if measure == "auc":
        return measures.auc(bins)
    if measure == "oe":
        seen = table.observed
        return measures.observed_to_expected(bins, None if seen is None else (seen.share, seen.error))
    both = measures.slope(bins)
    if isinstance(both, TooFew):
        return both
    return both[0] if measure == "slope" else both[1]


def _together(asked: Round, measure: Measure, tables: Sequence[tuple[str, Table]]) -> Interval | TooFew:
    rows = [table.rows() for _, table in tables]
    if measure == "auc":
        one: Estimate | TooFew = measures.auc(measures.pooled_table(asked.edges, rows))
    else:
        one = _estimate(measure, [b for table in rows for b in table], _observed_of([table for _, table in tables]))
    return one if isinstance(one, TooFew) else _interval(measure, one)


def _observed_of(tables: Sequence[Table]) -> Table:
    """The hospitals' observed shares, by their people."""
    first = tables[0]
    if first.observed is None:
        return first
    people = [sum(b.people for b in table.bins) for table in tables]
    seen = [table.observed for table in tables if table.observed]
    share = sum(n * o.share for n, o in zip(people, seen, strict=True)) / sum(people)
    error = math.sqrt(sum((n * o.error) ** 2 for n, o in zip(people, seen, strict=True))) / sum(people)
    return first.model_copy(update={"observed": first.observed.model_copy(update={"share": share, "error": error})})


def _interval(measure: Measure, one: Estimate) -> Interval:
    show = _SHOWN[measure]
    return Interval(show(one.value), show(one.value - Z * one.error), show(one.value + Z * one.error))
