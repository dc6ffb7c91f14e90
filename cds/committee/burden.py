"""How much a model's cards ask of clinicians, and what they do with them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from cds.committee.charter import Charter
from cds.committee.findings import Finding, falling, rising
from cds.ledger.outcomes import OutcomeEvent
from cds.ledger.response import GivenCard
from cds.measures.censoring import Followed, free_of_event
from cds.measures.estimate import Estimate, Measured, Minimum, NotEnough, Z
from cds.measures.proportions import ratio, wilson_counts

TWO_WEEKS = 14
_FEW_ANSWERS = 20
"""Accepted cards in the baseline: below, nothing can fall much."""


@dataclass(frozen=True)
class Funnel:
    """Of the cards of a period."""

    shown: int
    opened: int
    accepted: int
    overridden: int
    reasons: Mapping[str, int]


def funnel(cards: Sequence[GivenCard]) -> Funnel:
    outcomes = Counter(card.outcome for card in cards)
    reasons = Counter(card.reason or "none given" for card in cards if card.outcome == "overridden")
    return Funnel(
        len(cards),
        sum(card.opened for card in cards),
        outcomes["accepted"],
        outcomes["overridden"],
        dict(reasons.most_common()),
    )


def burdened(model: str, asked: int, cards: Sequence[GivenCard], charter: Charter) -> list[Finding]:
    """``asked``: how many calls asked the model in the period of the cards."""
    share = Minimum(people=charter.minimum.share)
    per_100 = _times(_share(len({c.id for c in cards}), asked, share), 100.0)
    found = funnel(cards)
    return [
        rising("burden", "", per_100, charter.limits_of(model, "burden")),
        Finding("per_clinician_day", "", _per_clinician_day(cards, share)),
        Finding("repeated", "", _repeated(cards, share)),
        Finding("opened", "", _share(found.opened, found.shown, share)),
        Finding("accepted", "", _share(found.accepted, found.shown, share)),
        Finding("overridden", "", _share(found.overridden, found.shown, share), detail={"reasons": found.reasons}),
    ]


def answered(model: str, cards: Sequence[GivenCard], before: Sequence[GivenCard], charter: Charter) -> Finding:
    """Do clinicians still do what cards propose? ``before``: cards of the baseline. A ratio, since in one hospital half
    of the cards are accepted and in another every tenth."""
    share = Minimum(people=charter.minimum.share)
    now, usual = (_share(funnel(some).accepted, len(some), share) for some in (cards, before))
    result: Measured
    if not isinstance(now, Estimate) or not isinstance(usual, Estimate):
        result = usual if isinstance(now, Estimate) else now
    elif usual.events < _FEW_ANSWERS:
        result = NotEnough("accepted cards in the baseline", usual.events, _FEW_ANSWERS)
    else:
        result = ratio(now, usual) or Estimate(0.0, 0.0, now.upper / usual.lower, now.n + usual.n, 0)
    return falling("response", "", result, charter.limits_of(model, "response"))


def looked_within(
    cards: Sequence[GivenCard], events: Sequence[OutcomeEvent], outcome: str, until: date, charter: Charter
) -> Finding:
    """Share of patients with a card who were examined for ``outcome`` within two weeks of their first one."""
    first: dict[str, datetime] = {}
    for card in cards:
        first.setdefault(card.patient_key, card.at)
    looks: defaultdict[str, list[date]] = defaultdict(list)
    for event in events:
        if event.outcome == outcome and event.kind in ("looked", "event"):
            looks[event.patient_key].append(event.day)
    days, seen = list[float](), list[bool]()
    for key, at in first.items():
        start = at.date()
        after = min((day for day in looks[key] if day >= start), default=None)
        end = max(start, until)
        done = after is not None and after <= end
        days.append(((after if done and after is not None else end) - start).days)
        seen.append(done)
    need = charter.minimum.share
    if len(days) < need:
        return Finding("looked_within", f"{TWO_WEEKS} days", NotEnough("people", len(days), need))
    free = free_of_event(Followed(np.asarray(days, dtype=np.float64), np.asarray(seen)), TWO_WEEKS)
    if isinstance(free, Estimate):
        free = Estimate(1 - free.value, 1 - free.upper, 1 - free.lower, free.n, free.events)
    return Finding("looked_within", f"{TWO_WEEKS} days", free)


def _share(count: int, of: int, minimum: Minimum) -> Measured:
    if of < max(1, minimum.people):
        return NotEnough("cards" if minimum.people else "people", of, max(1, minimum.people))
    return wilson_counts(count, of)


def _times(found: Measured, factor: float) -> Measured:
    if not isinstance(found, Estimate):
        return NotEnough("calls", found.have, found.need) if isinstance(found, NotEnough) else found
    return Estimate(found.value * factor, found.lower * factor, found.upper * factor, found.n, found.events)


def _per_clinician_day(cards: Sequence[GivenCard], minimum: Minimum) -> Measured:
    """Cards on a day on which a clinician gets any; the interval takes days as independent."""
    days = Counter((card.user_key, card.at.date()) for card in cards if card.user_key)
    counts = np.asarray(list(days.values()), dtype=np.float64)
    if len(counts) < minimum.people:
        return NotEnough("clinician-days", len(counts), minimum.people)
    mean, error = float(counts.mean()), float(counts.std(ddof=1)) / float(np.sqrt(len(counts)))
    return Estimate(mean, mean - Z * error, mean + Z * error, len(counts), int(counts.sum()))


def _repeated(cards: Sequence[GivenCard], minimum: Minimum) -> Measured:
    """Share of patients with a card who got the same topic again within 90 days."""
    latest: dict[tuple[str, str], datetime] = {}
    again: dict[str, bool] = {}
    for card in cards:
        key = (card.patient_key, card.topic)
        soon = key in latest and card.at - latest[key] <= timedelta(days=90) and card.at.date() != latest[key].date()
        again[card.patient_key] = again.get(card.patient_key, False) or soon
        latest[key] = card.at
    if len(again) < minimum.people:
        return NotEnough("people", len(again), minimum.people)
    return wilson_counts(sum(again.values()), len(again))
