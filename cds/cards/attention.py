"""Whose attention a card costs, and whether it is worth it: what was said before is not said again at each opening, and
one person and one patient cost no more cards than the policy allows.

Everything here is a plain function of what was shown before, so that a policy can be tried on past calls by the same
code that holds cards back today. Whatever is not known (who looks, what was shown) speaks for showing the card.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Literal, Protocol, TypeVar

from cds.policy.schema import Policy
from cds.record.inputs import days
from cds.services.case import Repeat

SNOOZED, SHOWN_BEFORE = "snoozed", "shown-before"
OVER_CLINICIAN, OVER_PATIENT = "over-clinician-budget", "over-patient-budget"
OVER_CALL = "over-card-limit"


class Speaking(Protocol):
    """What is asked of a card to be: a draft, or one that a past call would have given."""

    @property
    def topic(self) -> str: ...
    @property
    def memory(self) -> str: ...
    @property
    def silenced_by(self) -> tuple[str, ...]: ...
    @property
    def band(self) -> int: ...
    @property
    def flags(self) -> tuple[str, ...]: ...
    @property
    def repeat(self) -> Repeat: ...
    @property
    def rank(self) -> Literal["safety", "action", "information"]: ...
    @property
    def indicator(self) -> Literal["info", "warning"]: ...


S = TypeVar("S", bound=Speaking)


@dataclass(frozen=True)
class Shown:
    """A card that went out."""

    patient: str
    memory: str
    """``topic/kind``, as the ledger names it."""
    at: datetime
    user: str | None
    band: int = 0
    flags: frozenset[str] = frozenset()

    @property
    def topic(self) -> str:
        return self.memory.partition("/")[0]


@dataclass(frozen=True)
class Opening:
    """Who opens whose chart, and when."""

    patient: str
    user: str | None
    hook: str
    now: datetime
    day_began: datetime
    """The clinician's day, in the hospital's time zone."""


@dataclass(frozen=True)
class Held(Generic[S]):
    draft: S
    reason: str
    until: datetime | None


Snoozes = Mapping[str, tuple[str, datetime]]
"""``topic/kind`` -> (override reason, end), whether it lies ahead or behind."""


def sort_out(
    drafts: Sequence[S], policy: Policy, opening: Opening, shown: Sequence[Shown], snoozes: Snoozes
) -> tuple[list[S], list[Held[S]]]:
    """(to show, held back); ``drafts`` in their order, the most important first."""
    awake: list[S] = []
    held: list[Held[S]] = []
    for draft in drafts:
        back = _snoozed(draft, opening, snoozes) or _repeated(draft, policy, opening, shown, snoozes)
        if back is None:
            awake.append(draft)
        else:
            held.append(back)
    within, over = _within_budget(awake, policy, opening, shown)
    return within, [*held, *over]


def memory_needed(policy: Policy) -> timedelta:
    """How far back a decision may look for cards shown."""
    repeats, budget = policy.repeats, policy.budget
    lengths = [repeats.silent_for, repeats.warnings_silent_for]
    if budget.per_patient_topic is not None:
        lengths.append(budget.patient_topic_within)
    return timedelta(days=max(days(length) for length in lengths))


def _snoozed(draft: S, opening: Opening, snoozes: Snoozes) -> Held[S] | None:
    """A snooze holds for the reason it was given on and for weaker ones: new jaundice after a snoozed score speaks."""
    for name in draft.silenced_by:
        reason, until = snoozes.get(name, ("", opening.now))
        if until > opening.now:
            return Held(draft, f"{SNOOZED}:{reason}", until)
    return None


def _repeated(draft: S, policy: Policy, opening: Opening, shown: Sequence[Shown], snoozes: Snoozes) -> Held[S] | None:
    """Shown before, and nothing about it is new."""
    if draft.repeat != "once" or draft.rank == "safety" or opening.hook not in policy.repeats.hooks:
        return None
    # a reason given for an override sets its own time: what was shown before that ended is settled
    settled = max((snoozes[name][1] for name in draft.silenced_by if name in snoozes), default=None)
    mine = [s for s in shown if s.patient == opening.patient and (settled is None or s.at > settled)]
    return _shown_to_reader(draft, policy, opening, mine) or _shown_to_all(draft, policy, opening, mine)


def _shown_to_reader(draft: S, policy: Policy, opening: Opening, shown: Sequence[Shown]) -> Held[S] | None:
    repeats = policy.repeats
    silent = timedelta(days=days(repeats.warnings_silent_for if draft.indicator == "warning" else repeats.silent_for))
    if opening.user is None:
        return None
    seen = [s for s in shown if s.user == opening.user and s.at > opening.now - silent]
    before = [s for s in seen if s.memory in draft.silenced_by]
    if not before or _is_new(draft, seen, before):
        return None
    first = min(s.at for s in before)
    if opening.now - first <= timedelta(minutes=repeats.visit_minutes):
        return None
    return Held(draft, SHOWN_BEFORE, max(s.at for s in before) + silent)


def _shown_to_all(draft: S, policy: Policy, opening: Opening, shown: Sequence[Shown]) -> Held[S] | None:
    """Whoever looked: a clinician and a day are one showing, and this one's own today is not counted against them."""
    most = policy.budget.per_patient_topic
    if most is None or draft.indicator == "warning":
        return None
    within = timedelta(days=days(policy.budget.patient_topic_within))
    seen = [s for s in shown if s.topic == draft.topic and s.at > opening.now - within]
    before = [s for s in seen if s.memory in draft.silenced_by]
    zone = opening.day_began.tzinfo
    showings = {
        (s.user, s.at.astimezone(zone).date()): s.at
        for s in before
        if s.user != opening.user or s.at < opening.day_began
    }
    if len(showings) < most or _is_new(draft, seen, before):
        return None
    return Held(draft, OVER_PATIENT, sorted(showings.values())[-most] + within)


def _is_new(draft: S, seen: Sequence[Shown], before: Sequence[Shown]) -> bool:
    """A red flag that no card of the topic had, or a higher band than was shown of this kind."""
    known = {flag for s in seen if s.topic == draft.topic for flag in s.flags}
    if set(draft.flags) - known:
        return True
    return all(s.memory == draft.memory and s.band < draft.band for s in before)


def _within_budget(
    drafts: Sequence[S], policy: Policy, opening: Opening, shown: Sequence[Shown]
) -> tuple[list[S], list[Held[S]]]:
    most = policy.budget.per_clinician_day
    if most is None or opening.user is None:
        return list(drafts), []
    spent = {(s.patient, s.topic) for s in shown if s.user == opening.user and s.at >= opening.day_began}
    awake: list[S] = []
    held: list[Held[S]] = []
    for draft in drafts:
        this = (opening.patient, draft.topic)
        if this in spent or len(spent) < most or _always(draft):
            spent.add(this)
            awake.append(draft)
        else:
            held.append(Held(draft, OVER_CLINICIAN, opening.day_began + timedelta(days=1)))
    return awake, held


def _always(draft: Speaking) -> bool:
    return draft.indicator == "warning" or draft.rank == "safety" or draft.repeat == "always"
