"""When not to speak: the reasons a risk card is held back, each with a code the ledger keeps.

Card rule 9 of the clinical governance: known cancer, hospice, deceased, age outside range, recent CT or MR of the
pancreas, an order or referral already under way.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

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
_MADE_BEFORE = timedelta(days=14)
"""Work-up asked for this shortly before a finding may have been asked for because of it. The fortnight is the time
NICE NG12 gives an urgent CT; it is this product's choice."""
_HOSPICE_ORDER_DAYS = 366.0


@dataclass(frozen=True)
class Held:
    reason: str
    until: date | None = None
    fact: Fact | None = None


def known_cancer(record: Record) -> Fact | None:
    """A diagnosis, past or present; a suspicion is no reason to stop looking."""
    return next((f for f in record.of(*KNOWN_CANCER) if not f.provisional), None)


def held_back(
    record: Record,
    policy: Policy,
    *,
    ages: tuple[int, int],
    recent_imaging: str,
    active_order: str,
    modalities: tuple[str, ...],
    since: datetime | None,
    red_flag: bool = False,
) -> Held | None:
    """The first reason not to give a risk card, or None. ``since``: when the newest finding behind the card arose;
    imaging from before it has not answered it, nor has an order that was carried out before it. ``red_flag``: the
    finding can't wait for a referral that was made without it."""
    if record.deceased:
        return Held("deceased")
    if fact := known_cancer(record):
        return Held("known-cancer", fact=fact)
    if fact := _hospice(record):
        return Held("hospice-or-palliative", fact=fact)
    if record.age is not None and not ages[0] <= record.age <= ages[1]:
        return Held("age-outside-range")
    return _imaged(record, recent_imaging, modalities, since) or _ordered(record, policy, active_order, since, red_flag)


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


def _imaged(record: Record, window: str, modalities: tuple[str, ...], since: datetime | None) -> Held | None:
    for fact in record.of(*IMAGING):
        if fact.when is None or fact.when.days_before(record.now) > days(window):
            continue
        if since is not None and fact.when.latest < since:
            continue
        if set(fact.modalities) & set(modalities):
            return Held("recent-imaging", (fact.when.middle + timedelta(days=days(window))).date(), fact)
    return None


def _ordered(record: Record, policy: Policy, window: str, since: datetime | None, red_flag: bool) -> Held | None:
    """The work-up under its general codes, or under the codes this site's policy orders it with."""
    site = {(o.system, o.code) for name, o in policy.orders.items() if name in WORKUP}
    for fact in [*record.of(*WORKUP), *(o for o in record.orders if site & set(o.codes))]:
        recent = fact.when is None or fact.when.days_before(record.now) <= days(window)
        if recent and _answers(fact, since, record.now, red_flag):
            return Held("work-up-ordered", fact=fact)
    return None


def _answers(order: Fact, since: datetime | None, now: datetime, red_flag: bool) -> bool:
    if order.status in _STANDING and (order.when is None or not red_flag):
        return True
    if order.status not in _STANDING | _FOR_A_WHILE or order.when is None:
        return False
    return order.when.latest >= (since or now) - _MADE_BEFORE
