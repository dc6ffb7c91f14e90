"""A preview in figures, as JSON holds them: small counts hidden, and nothing that pretends to be known.

Text and page are made from these figures and from nothing else.
"""

from __future__ import annotations

from collections.abc import Set
from heapq import nlargest
from typing import Any

import numpy as np

from cds.preview.cells import Count, rounded, small, spread, together
from cds.preview.dials import Threshold
from cds.preview.followed import Cohort, Found, Share, lacking, net_benefit, net_benefit_of_all
from cds.preview.notes import notes
from cds.preview.preview import Dial, Preview
from cds.preview.tally import Tally

Json = dict[str, Any]

_CASES = 10
"""Of fewer expected cases, chance alone may find all or none."""


def figures(preview: Preview) -> Json:
    seen, asked = preview.seen, preview.asked
    patients = _patients(preview)
    about = patients["before"].about
    return {
        "policy": {"name": asked.tried.name, "version": asked.tried.version},
        "window": {
            "since": asked.since.isoformat(timespec="seconds"),
            "until": asked.until.isoformat(timespec="seconds"),
            "weeks": round(seen.weeks, 1),
            "calls": seen.calls,
            "predictions": seen.predictions,
            "patients": len(seen.patients),
            "clinicians": len(seen.users),
            "cardsShownThen": rounded(seen.shown, asked.least) if about else seen.shown,
        },
        "differences": [
            {
                "key": each.difference.key,
                "before": each.difference.before,
                "after": each.difference.after,
                "does": each.difference.does,
                "services": list(each.services),
                "someCallers": each.some_callers,
            }
            for each in preview.changes
        ],
        "workload": {
            "before": workload(preview, preview.before, about=about),
            "after": workload(preview, preview.after, about=about),
        },
        "patients": {name: count.json for name, count in patients.items()},
        "found": [_found(preview, service, cohort) for service, cohort in preview.cohorts.items()],
        "outcomesKept": asked.outcomes is not None,
        "leastCount": asked.least,
        "thresholds": [_dial(preview, dial) for dial in preview.dials],
        "notes": notes(preview),
    }


def _patients(preview: Preview) -> dict[str, Count]:
    before, after = preview.before.patients, preview.after.patients
    parts = {"newly": len(after - before), "noLonger": len(before - after)}
    wholes = {"both": len(before & after), "before": len(before), "after": len(after)}
    return together(parts, wholes, preview.asked.least)


def workload(preview: Preview, tally: Tally, *, about: bool) -> Json:
    """``about``: counts are rounded, since their difference would tell what is hidden, and rates are made of those."""
    seen, to = preview.seen, preview.asked.least if about else 1
    total, calls = rounded(tally.total, to), rounded(tally.calls, to)
    topics: dict[str, int] = {}
    for (topic, _), count in tally.cards.items():
        topics[topic] = topics.get(topic, 0) + count
    topics = {t: rounded(n, to) for t, n in sorted(topics.items(), key=lambda item: -item[1])}
    held = {r: rounded(n, to) for r, n in sorted(tally.held.items(), key=lambda item: -item[1])}
    return {
        "cards": total,
        "about": about,
        "cardsPerWeek": per_week(total, seen.weeks),
        "per1000Patients": significant(1000 * total / len(seen.patients)),
        "callsWithCardPer1000": significant(1000 * calls / seen.calls),
        "topics": {t: per_week(n, seen.weeks) for t, n in topics.items()},
        "topicsPer1000Patients": {t: significant(1000 * n / len(seen.patients)) for t, n in topics.items()},
        "heldBack": {r: per_week(n, seen.weeks) for r, n in held.items()},
        "perClinician": None if about else _per_clinician(preview, tally),
    }


def per_week(count: int, weeks: float) -> float | None:
    """None: less than a week was seen, and a week can't be told from it."""
    return significant(count / weeks) if weeks >= 1 else None


def significant(value: float) -> float:
    """Two digits: more would say more than is known."""
    return float(f"{value:.2g}")


def _per_clinician(preview: Preview, tally: Tally) -> Json | None:
    """How cards are spread over clinicians; None where they are so few that a distribution names somebody."""
    users, weeks = preview.seen.users, preview.seen.weeks
    if len(users) < preview.asked.least or weeks < 1:
        return None
    counts = [tally.by_user[user] for user in users]
    half, most = np.quantile([count / weeks for count in counts], [0.5, 0.9])
    bands = spread([round(count / weeks) for count in counts], preview.asked.least)
    return {
        "medianPerWeek": significant(float(half)),
        "ninetiethPercentilePerWeek": significant(float(most)),
        "cliniciansByCardsPerWeek": {band: count.json for band, count in bands.items()},
    }


def _found(preview: Preview, service: str, cohort: Cohort) -> Json:
    again = next(s.again for s in preview.seen.services.values() if s.id == service and s.again is not None)
    topic, least = again.topics[0], preview.asked.least
    why = lacking(cohort, preview.asked.needed)
    alerted = [tally.alerted.get(topic, set()) for tally in (preview.before, preview.after)]
    to = hiding(cohort, alerted[0], alerted[1], least)
    # all of these make up those asked about: of one that is hidden, the largest beside it must not tell
    few = [len(cohort.cases), cohort.before, cohort.unknown]
    of_others, of_cases = small(few, least), small([len(cohort.others)], least)
    return {
        "service": service,
        "topic": topic,
        "outcome": again.outcome,
        "label": dict(preview.asked.outcomes.charter.outcomes[again.outcome].label) if preview.asked.outcomes else {},
        "withinDays": preview.asked.within_days or again.within_days,
        "cases": Count(len(cohort.cases), least, of_cases).json,
        "others": Count(len(cohort.others), least, of_others).json,
        "hadBefore": Count(cohort.before, least).json,
        "notFollowedYet": Count(cohort.unknown, least).json,
        "known": _known(cohort, preview),
        "why": {
            "code": why.code,
            "needed": why.needed,
            **Count(why.count, least, of_others if why.code == "too_few_others" else of_cases).json,
        }
        if why is not None
        else None,
        "before": None if why else measured(cohort, alerted[0], to),
        "after": None if why else measured(cohort, alerted[1], to),
        "alertedKnown": {
            name: Count(len(who & (cohort.cases | cohort.others)), least, about=True).json
            for name, who in zip(("before", "after"), alerted, strict=True)
        },
    }


def hiding(cohort: Cohort, before: Set[str], after: Set[str], least: int) -> int:
    """To what both are rounded: 1 where no part of either is small enough to hide. Shares of both, and their
    difference, tell of cases and of others: those alerted, those that are so under one policy alone, and the missed."""
    parts = [before - after, after - before]
    told = [len(part) for part in parts]
    told += [len(part & ended) for part in (*parts, before, after) for ended in (cohort.cases, cohort.others)]
    told += [len(cohort.cases - alerted) for alerted in (before, after)]
    return least if small(told, least) else 1


def _known(cohort: Cohort, preview: Preview) -> Json:
    """How what became of people came to be known. ``through``: silence counts as free of it up to that day; None: there
    is no such day at one site at least."""
    assert preview.asked.outcomes is not None
    through = [told.through for told in cohort.told]
    days = [day for day in through if day is not None]
    return {
        "sources": sorted({source for told in cohort.told for source in told.sources}),
        "through": min(days).isoformat() if days and len(days) == len(through) else None,
        "byContact": any(told.follow == "contact" for told in cohort.told),
        "maturity": preview.asked.outcomes.charter.maturity,
        "faults": sorted({fault for told in cohort.told for fault in told.faults}),
    }


def measured(cohort: Cohort, alerted: Set[str], least: int) -> Json:
    found = Found.of(cohort, alerted, least)
    return {"ppv": _share(found.ppv), "sensitivity": _share(found.sensitivity), "missed": _share(found.missed)}


def _share(share: Share | None) -> Json | None:
    if share is None:
        return None
    low, high = share.interval
    return {"value": round(share.value, 3), "low": round(low, 3), "high": round(high, 3)}


def _dial(preview: Preview, dial: Dial) -> Json:
    """Neighbours differ by few patients, so every count is rounded, and rates are made of those."""
    threshold, least = dial.threshold, preview.asked.least
    topic, cohort = _watched(preview, threshold)
    chances = preview.seen.chances.get(threshold.key, {})
    rows = []
    for row in dial.rows:
        alerted = row.tally.alerted.get(topic, set())
        told = cohort if cohort is not None and lacking(cohort, preview.asked.needed) is None else None
        total = rounded(row.tally.total, least)
        rows.append(
            {
                "value": row.value,
                "cardsPerWeek": per_week(total, preview.seen.weeks),
                "per1000Patients": significant(1000 * total / len(preview.seen.patients)),
                "alerted": Count(len(alerted), least, about=True).json,
                "expected": expected(chances, alerted, least),
                **(measured(told, alerted, least) if told is not None else {}),
                **(_benefit(told, alerted, row.value, least) if told is not None and threshold.probability else {}),
            }
        )
    return {
        "key": threshold.key,
        "label": dict(threshold.label),
        "probability": threshold.probability,
        "before": dial.before,
        "after": dial.after,
        "rows": rows,
    }


def _watched(preview: Preview, threshold: Threshold) -> tuple[str, Cohort | None]:
    """(topic of its cards, whose outcomes tell)"""
    return threshold.topic, preview.cohorts.get(threshold.service) if threshold.path[0] == "services" else None


def expected(chances: dict[str, float], alerted: Set[str], least: int = 1) -> Json | None:
    """What the model itself expects: how many of those alerted have it, which part of all who have it is alerted, and
    how many of 1,000 patients are missed. As true as its chances are in this hospital, and no truer: the 95% intervals
    are what chance alone does if they are. ``least``: to which the number alerted is rounded."""
    from scipy.stats import binom, poisson  # a second's import, of nobody who asks for help alone

    known = _about(chances, alerted, least)
    everybody, hits = sum(chances.values()), sum(known)
    if not chances or everybody <= 0:
        return None
    missed = max(0.0, everybody - hits)
    # a sum of many unlike chances varies less than the Poisson number of the same mean (Le Cam 1960), so its interval
    # is rather too wide than too narrow
    few, many = poisson.interval(0.95, hits)
    least, most = poisson.interval(0.95, missed)
    many, most = max(many, 1), max(most, 1)  # however unlikely, one more can't be ruled out
    cases, share = max(1, round(everybody)), min(1.0, hits / everybody)
    low, high = binom.interval(0.95, cases, share) if cases >= _CASES else (0.0, cases)
    return {
        "ppv": _between(hits, few, many, len(known), 1) if known else None,
        "sensitivity": _between(share * cases, low, high, cases, 1),
        "missedPer1000": _between(missed, least, most, len(chances) / 1000, None),
    }


def _about(chances: dict[str, float], alerted: Set[str], least: int) -> list[float]:
    """Chances of a rounded number of those alerted: the lowest left out, or of others the next lower ones added. So
    figures rise and fall with the threshold, and are the same for numbers that round alike."""
    known = sorted((chances[patient] for patient in alerted if patient in chances), reverse=True)
    wanted = rounded(len(known), least)
    if wanted <= len(known):
        return known[:wanted]
    lower = (c for patient, c in chances.items() if patient not in alerted and c <= known[-1])
    return known + nlargest(wanted - len(known), lower)


def _between(value: float, low: float, high: float, of: float, most: float | None) -> Json:
    found = {"value": value / of, "low": low / of, "high": high / of}
    return {name: significant(each if most is None else min(each, most)) for name, each in found.items()}


def _benefit(cohort: Cohort, alerted: Set[str], threshold: float, least: int) -> Json:
    """Per 1,000 patients."""
    return {
        "netBenefit": significant(1000 * net_benefit(cohort, alerted, threshold, least)),
        "netBenefitOfAll": significant(1000 * net_benefit_of_all(cohort, threshold)),
    }
