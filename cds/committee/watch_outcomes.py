"""How right a model was here: ranking, calibration, use and fairness, for a chance by a horizon or for survival."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from cds.committee.charter import Charter
from cds.committee.cohort import Cohort, Target, alive_at
from cds.committee.findings import Finding, falling, off_one
from cds.committee.follow import FollowUp
from cds.committee.watch_groups import gaps_of
from cds.measures import accuracy, calibration, concordance, discrimination, usefulness
from cds.measures.censoring import Followed, at_horizon
from cds.measures.estimate import Array, Estimate, Flags, Measured, Minimum, NotEnough
from cds.measures.proportions import wilson
from cds.measures.scored import Scored
from cds.measures.survival_calibration import MILESTONES, milestone
from cds.measures.verification import verification

_GAPS_BY = 12.0
"""Months, at most, by which deaths are compared between groups."""


def _minimum(charter: Charter) -> Minimum:
    return Minimum(events=charter.minimum.events, others=charter.minimum.others)


def judged(
    model: str,
    cohort: Cohort,
    found: FollowUp,
    target: Target,
    charter: Charter,
    groups: Mapping[str, Mapping[str, Flags]],
) -> list[Finding]:
    """``groups``: in the order of the cohort's rows."""
    since = min(first_of_newest(found.people, months, charter) for months in _looked_at(target))
    kept = np.flatnonzero(found.kept)[since:]
    values, carded = cohort.values[kept], cohort.carded[kept]
    followed, looked = found.people.where(np.arange(since, len(found.people))), found.looked[since:]
    mine = {name: {g: flags[kept] for g, flags in parts.items()} for name, parts in groups.items()}
    if target.survival:
        told = _survival(model, values, followed, target, charter)
        return [*told, *_survival_gaps(model, values, followed, target, charter, mine)]
    assert target.months is not None
    people = at_horizon(values, followed, target.months)
    return [
        *_by_horizon(model, people, target, charter),
        *_cards(model, people, carded, looked, charter),
        *gaps_of(model, people, mine, target, charter),
    ]


def first_of_newest(people: Followed, months: float, charter: Charter) -> int:
    """Where, in people in the order of their predictions, those begin by whom a model is judged: they hold the newest
    events, and enough of them are of people whom there was time to follow so far. Without the latter, early deaths
    would stand for all."""
    events = np.flatnonzero(people.event & (people.months <= months))
    whole = np.flatnonzero(people.months >= months)
    complete = events[events <= whole[-1]] if len(whole) else events[:0]
    if len(events) <= charter.newest or len(complete) <= charter.minimum.events:
        return 0
    return int(min(events[-charter.newest], complete[-charter.minimum.events]))


def _looked_at(target: Target) -> tuple[float, ...]:
    """Months by which outcomes are counted: of survival every milestone, since each is judged by events of its own."""
    if target.months is not None:
        return (target.months,)
    reached = tuple(m for m in MILESTONES if target.output.times and m <= target.output.times[-1])
    return reached or (math.inf,)


def last_month(target: Target) -> float:
    """How far outcomes are looked at; infinite for a survival function that reaches no milestone."""
    return max(_looked_at(target))


def _by_horizon(model: str, people: Scored, target: Target, charter: Charter) -> list[Finding]:
    enough = _minimum(charter)
    found = [falling("auc", "", discrimination.auc(people, enough), charter.limits_of(model, "auc"))]
    if target.chance:
        ratio = calibration.observed_expected(people, enough)
        found += [
            off_one("ratio", "", ratio, charter.limits_of(model, "ratio")),
            Finding("intercept", "", calibration.intercept(people, enough)),
            falling("slope", "", calibration.slope(people, enough), charter.limits_of(model, "slope")),
            Finding("brier", "", accuracy.brier(people, enough)),
            Finding("scaled_brier", "", accuracy.scaled_brier(people, enough)),
            _curve(people, charter),
        ]
    if target.threshold is not None:
        found += _at_threshold(model, people, target, target.threshold, charter)
    return found


def _curve(people: Scored, charter: Charter) -> Finding:
    """The calibration curve, small enough to keep: every other point, and groups of people."""
    least = Minimum(events=charter.minimum.curve_events, others=charter.minimum.curve_events)
    found = calibration.curve(people, least)
    if not isinstance(found, calibration.CalibrationCurve):
        return Finding("index", "", found)
    drawn = (found.predicted, found.observed, found.lower, found.upper)
    kept = {
        name: _short(values[::2])
        for name, values in zip(("predicted", "observed", "lower", "upper"), drawn, strict=True)
    }
    told = [_group(g.predicted, g.observed) for g in found.groups if g.observed.n >= charter.minimum.cell]
    return Finding(
        "index", "", found.index, detail={"curve": kept, "groups": told, "if_perfect": found.index_if_perfect}
    )


def _group(predicted: float, observed: Estimate) -> dict[str, float]:
    told = {"predicted": predicted, "observed": observed.value, "lower": observed.lower, "upper": observed.upper}
    return {name: round(value, 5) for name, value in told.items()} | {"n": observed.n}


def _short(values: Array) -> list[float]:
    return [round(float(v), 5) for v in values]


def _at_threshold(model: str, people: Scored, target: Target, threshold: float, charter: Charter) -> list[Finding]:
    share = Minimum(people=charter.minimum.share)
    found = usefulness.at_threshold(
        people, threshold, share, _minimum(charter), benefits=target.chance and 0 < threshold < 1
    )
    told = [
        Finding("flagged", "", found.flagged),
        falling("ppv", "", found.ppv, charter.limits_of(model, "ppv")),
        Finding("sensitivity", "", found.sensitivity),
        Finding("specificity", "", found.specificity),
        Finding("evaluate", "", found.evaluate),
    ]
    if found.benefit is not None and found.over_all is not None:
        told.append(falling("benefit", "", found.benefit, charter.limits_of(model, "benefit")))
        told.append(Finding("benefit_over_all", "", found.over_all))
    return told


def _cards(model: str, people: Scored, carded: Flags, looked: Flags, charter: Charter) -> list[Finding]:
    """Of cards that really went out, and of what looking only at some does to sensitivity."""
    share = Minimum(people=charter.minimum.share)
    given = people.where(carded).known
    ppv: Measured
    if (lacking := share.lacking(given.n, given.events)) is not None:
        ppv = lacking
    else:
        ppv = wilson(given.event, given.weight)
    known = people.weight > 0
    verified = verification(carded[known], looked[known], people.event[known], share)
    return [
        Finding("card_ppv", "", ppv),
        Finding("looked_at", "with a card", verified.flagged),
        Finding("looked_at", "without a card", verified.others),
        Finding("corrected_sensitivity", "of cards", verified.sensitivity),
        Finding("corrected_specificity", "of cards", verified.specificity),
    ]


def _survival_gaps(
    model: str,
    values: Array,
    people: Followed,
    target: Target,
    charter: Charter,
    groups: Mapping[str, Mapping[str, Flags]],
) -> list[Finding]:
    """Of death by one time, as of any chance by a horizon: each further time would be as many tests again, of the same
    people."""
    by = max(
        (m for m in MILESTONES if m <= _GAPS_BY and target.output.times and m <= target.output.times[-1]), default=None
    )
    alive = None if by is None else alive_at(values, target.output.times, by)
    if by is None or alive is None or not len(people):
        return []
    found = gaps_of(model, at_horizon(1 - alive, people, by), groups, target, charter)
    return [replace(one, detail={**one.detail, "months": by}) for one in found]


def _survival(model: str, values: Array, people: Followed, target: Target, charter: Charter) -> list[Finding]:
    """``values``: [people, times] chances to live so long."""
    enough, times = _minimum(charter), target.output.times
    flexible = Minimum(events=charter.minimum.curve_events)
    found: list[Finding] = []
    last = max((m for m in MILESTONES if alive_at(values, times, m) is not None), default=None)
    if last is None or not len(people):
        return [Finding("auc", "", NotEnough("people", 0, enough.events))]
    ranked = alive_at(values, times, last)
    assert ranked is not None
    ranking = Minimum(events=charter.minimum.events)
    found.append(falling("auc", "", concordance.uno_c(-ranked, people, last, ranking), charter.limits_of(model, "auc")))
    found.append(Finding("harrell", "", concordance.harrell_c(-ranked, people, ranking)))
    for months in MILESTONES:
        alive = alive_at(values, times, months)
        if alive is None:
            continue
        about = f"{months:g} months"
        at = milestone(alive, people, months, enough, flexible)
        found += [
            Finding("auc_at", about, concordance.auc_at(-alive, people, months, enough)),
            Finding("alive", about, at.observed, detail={"predicted": at.predicted}),
            off_one("ratio", about, at.ratio, charter.limits_of(model, "ratio")),
            falling("slope", about, at.slope, charter.limits_of(model, "slope")),
            Finding("index", about, at.index, detail={"groups": [_group(p, o) for p, o in at.groups]}),
        ]
    grid = [t for t in times if 0 < t <= last]
    if len(grid) >= 2:
        risk = 1 - np.column_stack([alive for t in grid if (alive := alive_at(values, times, t)) is not None])
        found.append(Finding("integrated_brier", "", accuracy.integrated_brier(risk, grid, people, enough)))
    return found
