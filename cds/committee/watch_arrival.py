"""Do outcomes still reach the record as soon as they did? A model looks better, or worse, when they don't.

Counted at the newest question to a source and at the one before the baseline: the outcomes within the horizon that lay
no longer back than ``maturity`` and were known by then, for the time people were at risk in it. Two periods that share
no day, so chance is that of two independent counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from cds.committee.charter import Charter
from cds.committee.findings import Finding, falling
from cds.ledger.outcomes import Arrival, Sweep
from cds.measures.estimate import Array, Estimate, Measured, NotEnough
from cds.measures.proportions import wilson_counts
from cds.record.inputs import days
from cds.record.moments import day_beside


@dataclass(frozen=True)
class Risked:
    """People with a prediction, in days of the calendar: from when, and when their first outcome was and was known."""

    start: Array
    event: Array
    """nan: none."""
    known: Array


def arriving(
    model: str, source: str, people: Risked, asked: Sequence[float], horizon: float, charter: Charter
) -> Finding:
    """``asked``: days on which the source was asked, the newest last; ``horizon``: days."""
    apart = max(days(charter.baseline), days(charter.maturity))
    earlier = [day for day in asked if day <= asked[-1] - apart] if asked else []
    limits = charter.limits_of(model, "arriving")
    if not earlier:
        return falling(
            "arriving", source, NotEnough("days since the first question", _since(asked), int(apart)), limits
        )
    now, before = (_counted(people, day, horizon, days(charter.maturity)) for day in (asked[-1], earlier[-1]))
    return falling("arriving", source, _compared(now, before, charter.minimum.share), limits)


def _since(asked: Sequence[float]) -> int:
    return int(asked[-1] - asked[0]) if asked else 0


def _counted(people: Risked, day: float, horizon: float, back: float) -> tuple[int, float]:
    """(outcomes, days at risk)"""
    begin, end = np.maximum(people.start, day - back), np.minimum(people.start + horizon, day)
    with np.errstate(invalid="ignore"):
        seen = (people.event > begin) & (people.event <= end) & (people.known <= day)
        end = np.where(seen, people.event, end)
    return int(seen.sum()), float(np.maximum(0.0, end - begin).sum())


def _compared(now: tuple[int, float], before: tuple[int, float], need: int) -> Measured:
    """The ratio of the two rates, from the share of all outcomes that are new ones."""
    if before[0] < need:
        return NotEnough("outcomes in the baseline", before[0], need)
    if now[1] <= 0:
        return NotEnough("people at risk", 0, 1)
    share = wilson_counts(now[0], now[0] + before[0])
    scale = before[1] / now[1]
    value, lower, upper = (x / (1 - x) * scale if x < 1 else np.inf for x in (share.value, share.lower, share.upper))
    return Estimate(float(value), float(lower), float(upper), now[0] + before[0], now[0])


def arrivals(
    model: str,
    who: Iterable[tuple[str, datetime]],
    found: Iterable[Arrival],
    sweeps: Iterable[Sweep],
    outcome: str,
    horizon: float,
    charter: Charter,
    now: datetime,
) -> list[Finding]:
    """One finding a source. ``who``: patient key and moment of the first prediction; ``horizon``: days; ``now``: in the
    hospital's time zone, whose days they are, as an outcome's day is."""
    people = list(who)
    told = []
    by_source: dict[str, dict[str, Arrival]] = {}
    for arrival in found:  # the earliest first
        by_source.setdefault(arrival.source, {}).setdefault(arrival.patient_key, arrival)
    start = np.asarray([_ordinal(at, now) for _, at in people], dtype=np.float64)
    asked: dict[str, list[float]] = {}
    for sweep in sweeps:
        if outcome in sweep.outcomes:
            asked.setdefault(sweep.source, []).append(_ordinal(sweep.at, now))
    for source, when in sorted(asked.items()):
        mine = by_source.get(source, {})
        event, known = _times(people, mine, now)
        told.append(arriving(model, source, Risked(start, event, known), sorted(when), horizon, charter))
    return told


def _times(people: Sequence[tuple[str, datetime]], mine: Mapping[str, Arrival], now: datetime) -> tuple[Array, Array]:
    met = [mine.get(key) for key, _ in people]
    event = np.asarray([float(a.day.toordinal()) if a is not None else np.nan for a in met], dtype=np.float64)
    known = np.asarray([_ordinal(a.recorded_at, now) if a is not None else np.nan for a in met], dtype=np.float64)
    return event, known


def _ordinal(at: datetime, now: datetime) -> float:
    return float(day_beside(at, now).toordinal())
