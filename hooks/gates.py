"""When not to speak: the reasons a risk card is held back, each with a code the ledger keeps.

Card rule 9 of the clinical governance: known cancer, hospice, deceased, age outside range, recent CT or MR of the
pancreas, an order or referral already under way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice

import msgspec

from cds.policy.schema import Policy
from cds.record.facts import Fact, Record
from cds.record.inputs import days

KNOWN_CANCER = ("pancreatic-cancer", "pancreatic-neuroendocrine", "pancreatic-cancer-other")
HOSPICE = ("hospice-or-palliative",)
HOSPICE_ORDER = ("hospice-order",)
IMAGING = ("abdomen-or-pancreas",)
WORKUP = ("ct-pancreas", "mr-pancreas", "referral-hpb")
READS = (*KNOWN_CANCER, *HOSPICE, *HOSPICE_ORDER, *IMAGING, *WORKUP)

_STANDING = frozenset({"active", "on-hold"})
# a completed CT order whose study is not filed yet is work-up under way, too, and so is one about to be signed; neither
# for longer than the study takes to be filed, or the draft to be forgotten
_FOR_A_WHILE = frozenset({"completed", "draft"})
_MADE_BEFORE_DAYS = 14.0
"""Work-up asked for this shortly before a finding may have been asked for because of it. The fortnight is the time
NICE NG12 gives an urgent CT; it is this product's choice."""
_HOSPICE_ORDER_DAYS = 366.0
_MOST = 20
"""Of each kind, newest first: more would say nothing else."""


class Seen(msgspec.Struct, frozen=True, omit_defaults=True):
    """An imaging study or an order, as the gates see it."""

    source: str
    days: float | None = None
    """Before the call, of the middle of what its date may mean; None: undated."""
    latest: float = 0.0
    """Before the call, of the latest moment that its date may mean."""
    middle: str = ""
    """As ISO 8601."""
    kinds: tuple[str, ...] = ()
    """DICOM modalities."""
    standing: bool = False
    """An order that nobody has carried out or called off."""


class Standing(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the gates know of a record: enough to ask them again later, under other limits."""

    fixed: str = ""
    """A reason that no limit changes; empty: there is none."""
    source: str = ""
    """``Type/id`` of the resource that is the fixed reason."""
    age: int | None = None
    imaging: tuple[Seen, ...] = ()
    orders: tuple[Seen, ...] = ()
    """Work-up under way."""


@dataclass(frozen=True)
class Held:
    reason: str
    until: date | None = None
    source: str = ""
    """``Type/id`` of the resource that is the reason, where one is."""


def known_cancer(record: Record) -> Fact | None:
    """A diagnosis, past or present; a suspicion is no reason to stop looking."""
    return next((f for f in record.of(*KNOWN_CANCER) if not f.provisional), None)


def standing(record: Record, policy: Policy) -> Standing:
    fixed, fact = _fixed(record)
    return Standing(
        fixed=fixed,
        source=fact.source if fact is not None else "",
        age=record.age,
        imaging=_seen(record, (f for f in record.of(*IMAGING) if f.when is not None)),
        orders=_seen(record, _under_way(record, policy)),
    )


def judge(
    known: Standing,
    *,
    ages: tuple[int, int],
    recent_imaging: str,
    active_order: str,
    modalities: tuple[str, ...],
    since_days: float | None,
    red_flag: bool = False,
) -> Held | None:
    """The first reason not to give a risk card, or None. ``since_days``: how long ago the newest finding behind the
    card arose; imaging from before it has not answered it, nor has an order that was carried out before it.
    ``red_flag``: the finding can't wait for a referral that was made without it."""
    if known.fixed:
        return Held(known.fixed, source=known.source)
    if known.age is not None and not ages[0] <= known.age <= ages[1]:
        return Held("age-outside-range")
    return _imaged(known, recent_imaging, modalities, since_days) or _ordered(known, active_order, since_days, red_flag)


def _fixed(record: Record) -> tuple[str, Fact | None]:
    if record.deceased:
        return "deceased", None
    if fact := known_cancer(record):
        return "known-cancer", fact
    if fact := _hospice(record):
        return "hospice-or-palliative", fact
    return "", None


def _seen(record: Record, facts: Iterable[Fact]) -> tuple[Seen, ...]:
    return tuple(
        Seen(
            fact.source,
            fact.when.days_before(record.now),
            days_between(fact.when.latest, record.now),
            fact.when.middle.isoformat(),
            fact.modalities,
            fact.status in _STANDING,
        )
        if fact.when is not None
        else Seen(fact.source, standing=fact.status in _STANDING)
        for fact in islice(facts, _MOST)
    )


def days_between(earlier: datetime, later: datetime) -> float:
    return (later - earlier).total_seconds() / 86400


def _hospice(record: Record) -> Fact | None:
    """Hospice or palliative care that holds now: an active condition, or a standing order of the last year."""
    care = next((f for f in record.of(*HOSPICE) if f.status != "inactive" and not f.provisional), None)
    return care or next(
        (
            f
            for f in record.of(*HOSPICE_ORDER)
            if f.status in _STANDING and (f.when is None or f.when.days_before(record.now) <= _HOSPICE_ORDER_DAYS)
        ),
        None,
    )


def _imaged(known: Standing, window: str, modalities: tuple[str, ...], since_days: float | None) -> Held | None:
    for study in known.imaging:
        if study.days is None or study.days > days(window):
            continue
        if since_days is not None and study.latest > since_days:
            continue
        if set(study.kinds) & set(modalities):
            until = datetime.fromisoformat(study.middle) + timedelta(days=days(window))
            return Held("recent-imaging", until.date(), study.source)
    return None


def may_have_answered(record: Record, window: str, modalities: tuple[str, ...], since_days: float | None) -> list[Fact]:
    """Imaging that would hold a card back, were it known to be of the abdomen: no code here tells of what it is."""
    kinds = set(modalities)
    found = []
    for fact in record.unplaced:
        if fact.when is None or fact.when.days_before(record.now) > days(window):
            continue
        if since_days is not None and days_between(fact.when.latest, record.now) > since_days:
            continue
        if not fact.modalities or kinds & set(fact.modalities):
            found.append(fact)
    return found


def _ordered(known: Standing, window: str, since_days: float | None, red_flag: bool) -> Held | None:
    for order in known.orders:
        recent = order.days is None or order.days <= days(window)
        if recent and _answers(order, since_days, red_flag):
            return Held("work-up-ordered", source=order.source)
    return None


def _answers(order: Seen, since_days: float | None, red_flag: bool) -> bool:
    if order.standing and (order.days is None or not red_flag):
        return True
    return order.days is not None and order.latest <= (since_days or 0.0) + _MADE_BEFORE_DAYS


def _under_way(record: Record, policy: Policy) -> Iterator[Fact]:
    """The work-up under its general codes, or under the codes this site's policy orders it with."""
    site = {(o.system, o.code) for name, o in policy.orders.items() if name in WORKUP}
    for fact in [*record.of(*WORKUP), *(o for o in record.orders if site & set(o.codes))]:
        if fact.status in _STANDING | _FOR_A_WHILE:
            yield fact
