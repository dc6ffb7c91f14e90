"""A preview in figures, as JSON holds them: small counts hidden, and nothing that pretends to be known.

Text and page are made from these figures and from nothing else.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np

from cds.preview.cells import Count, spread, together
from cds.preview.dials import Threshold
from cds.preview.followed import Cohort, Found, Share, lacking, net_benefit, net_benefit_of_all
from cds.preview.preview import Dial, Preview
from cds.preview.reach import words_only
from cds.preview.tally import Tally

Json = dict[str, Any]

_CASES = 10
"""Of fewer expected cases, chance alone may find all or none."""


def figures(preview: Preview) -> Json:
    seen, asked = preview.seen, preview.asked
    patients = _patients(preview)
    about = patients["before"].about
    return {
        "policy": {"name": preview.policy.name, "version": preview.policy.version},
        "window": {
            "since": asked.since.isoformat(timespec="seconds"),
            "until": asked.until.isoformat(timespec="seconds"),
            "weeks": round(seen.weeks, 1),
            "calls": seen.calls,
            "predictions": seen.predictions,
            "patients": len(seen.patients),
            "clinicians": len(seen.users),
            "cardsShownThen": seen.shown,
        },
        "differences": [
            {"key": d.key, "before": d.before, "after": d.after, "does": d.does} for d in preview.differences
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
    """``about``: counts are rounded, since their difference would tell what is hidden."""
    seen, least = preview.seen, preview.asked.least
    total = round(tally.total / least) * least if about else tally.total
    topics: dict[str, int] = {}
    for (topic, _), count in tally.cards.items():
        topics[topic] = topics.get(topic, 0) + count
    return {
        "cards": total,
        "about": about,
        "cardsPerWeek": per_week(tally.total, seen.weeks),
        "per1000Patients": significant(1000 * tally.total / len(seen.patients)),
        "callsWithCardPer1000": significant(1000 * tally.calls / seen.calls),
        "topics": {t: per_week(n, seen.weeks) for t, n in sorted(topics.items(), key=lambda item: -item[1])},
        "topicsPer1000Patients": {t: significant(1000 * n / len(seen.patients)) for t, n in topics.items()},
        "heldBack": {r: per_week(n, seen.weeks) for r, n in sorted(tally.held.items(), key=lambda item: -item[1])},
        "perClinician": _per_clinician(preview, tally),
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
    return {
        "service": service,
        "topic": topic,
        "outcome": again.outcome,
        "label": dict(preview.asked.outcomes.charter.outcomes[again.outcome].label) if preview.asked.outcomes else {},
        "withinDays": preview.asked.within_days or again.within_days,
        "cases": Count(len(cohort.cases), least).json,
        "others": Count(len(cohort.others), preview.asked.least).json,
        "hadBefore": Count(cohort.before, preview.asked.least).json,
        "notFollowedYet": Count(cohort.unknown, preview.asked.least).json,
        "known": _known(cohort, preview),
        "why": {"code": why.code, "needed": why.needed, **Count(why.count, least).json} if why is not None else None,
        "before": None if why else measured(cohort, preview.before.alerted.get(topic, set())),
        "after": None if why else measured(cohort, preview.after.alerted.get(topic, set())),
    }


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


def measured(cohort: Cohort, alerted: Set[str]) -> Json:
    found = Found.of(cohort, alerted)
    return {"ppv": _share(found.ppv), "sensitivity": _share(found.sensitivity), "missed": _share(found.missed)}


def _share(share: Share | None) -> Json | None:
    if share is None:
        return None
    low, high = share.interval
    return {"value": round(share.value, 3), "low": round(low, 3), "high": round(high, 3)}


def _dial(preview: Preview, dial: Dial) -> Json:
    threshold = dial.threshold
    topic, cohort = _watched(preview, threshold)
    chances = preview.seen.chances.get(threshold.key, {})
    rows = []
    for row in dial.rows:
        alerted = row.tally.alerted.get(topic, set())
        told = cohort if cohort is not None and lacking(cohort, preview.asked.needed) is None else None
        rows.append(
            {
                "value": row.value,
                "cardsPerWeek": per_week(row.tally.total, preview.seen.weeks),
                "per1000Patients": significant(1000 * row.tally.total / len(preview.seen.patients)),
                "alerted": Count(len(alerted), preview.asked.least, about=True).json,
                "expected": expected(chances, alerted),
                **(measured(told, alerted) if told is not None else {}),
                **(_benefit(told, alerted, row.value) if told is not None and threshold.probability else {}),
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


def expected(chances: dict[str, float], alerted: Set[str]) -> Json | None:
    """What the model itself expects: how many of those alerted have it, which part of all who have it is alerted, and
    how many of 1,000 patients are missed. As true as its chances are in this hospital, and no truer: the 95% intervals
    are what chance alone does if they are."""
    from scipy.stats import binom, poisson  # a second's import, of nobody who asks for help alone

    known = [chances[patient] for patient in alerted if patient in chances]
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


def _between(value: float, low: float, high: float, of: float, most: float | None) -> Json:
    found = {"value": value / of, "low": low / of, "high": high / of}
    return {name: significant(each if most is None else min(each, most)) for name, each in found.items()}


def _benefit(cohort: Cohort, alerted: Set[str], threshold: float) -> Json:
    """Per 1,000 patients."""
    return {
        "netBenefit": significant(1000 * net_benefit(cohort, alerted, threshold)),
        "netBenefitOfAll": significant(1000 * net_benefit_of_all(cohort, threshold)),
    }


def notes(preview: Preview) -> list[Json]:
    """What a reader must know beside the figures: codes of the catalogue, and their values."""
    seen, found = preview.seen, list[Json]()
    if seen.weeks < 1 and preview.asked.since < preview.asked.until:
        found.append({"note": "short"})
    if seen.unweighed:
        found.append({"note": "unweighed", "calls": seen.unweighed})
    for model, count in sorted(seen.other_versions.items()):
        found.append({"note": "other-version", "model": model, "answers": count})
    for model, count in sorted(seen.withheld.items()):
        if count:
            found.append({"note": "withheld", "model": model, "answers": count})
    if preview.asked.outcomes is not None:
        kept = preview.asked.outcomes.charter.outcomes
        wanted = {s.again.outcome for s in seen.services.values() if s.again is not None and s.id in seen.asked}
        found += [{"note": "not-in-charter", "outcome": name} for name in sorted(wanted - set(kept))]
    found += _not_seen(preview)
    if preview.asked.broken:
        found.append({"note": "broken", "lines": preview.asked.broken})
    found += [{"note": "empty-month", "month": month} for month in _empty_months(preview)]
    return found


def _not_seen(preview: Preview) -> list[Json]:
    """What the stored calls can't tell of this change, each with its count."""
    seen, asked = preview.seen, preview.asked
    found: list[Json] = [{"note": "whole", "calls": seen.whole}] if seen.whole else []
    found += [{"note": "kept-too-little", "setting": k, "calls": n} for k, n in sorted(seen.unseen.items())]
    for reach in preview.reaches:
        if not any(key in seen.services for key in reach.services):
            names = sorted({id for id, _ in reach.services})
            found.append({"note": "no-call-of", "setting": reach.setting, "services": ", ".join(names) or "–"})
    found += [{"note": "words-only", "setting": key} for key in words_only(preview.differences)]
    found += [{"note": "gone-service", "service": s, "calls": n} for s, n in sorted(seen.gone_services.items())]
    found += [{"note": "gone-model", "model": m, "answers": n} for m, n in sorted(seen.gone_models.items())]
    if asked.from_day is not None:
        found.append({"note": "from-day", "day": asked.from_day.isoformat()})
    if asked.trial_ends:
        found.append({"note": "trial-ends"})
    return found


def _empty_months(preview: Preview) -> list[str]:
    """Without a single call, between the first and the last."""
    months = preview.seen.months
    if not months:
        return []
    year, month = map(int, min(months).split("-"))
    found = []
    while (name := f"{year}-{month:02}") <= max(months):
        if name not in months:
            found.append(name)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return found
