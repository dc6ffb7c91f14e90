"""When not to speak: the reasons a risk card is held back, each with a code the ledger keeps.

Card rule 9 of the clinical governance: known cancer, hospice, deceased, age outside range, recent CT or MR of the
pancreas, an order or referral already under way.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from cds.policy.schema import Policy
from cds.record.facts import Fact, Record
from cds.record.inputs import days

KNOWN_CANCER = ("pancreatic-cancer", "pancreatic-neuroendocrine")
HOSPICE = ("hospice-or-palliative", "hospice-order")
IMAGING = ("abdomen-or-pancreas",)
WORKUP = ("ct-pancreas", "mr-pancreas", "referral-hpb")
READS = (*KNOWN_CANCER, *HOSPICE, *IMAGING, *WORKUP)

_ACTIVE_ORDER = frozenset({"active", "on-hold", "draft"})


@dataclass(frozen=True)
class Held:
    reason: str
    until: date | None = None
    fact: Fact | None = None


def is_confirmed(fact: Fact) -> bool:
    """A diagnosis that stands: not provisional, not one of a differential. Servers that send no verification
    status mean a problem-list entry."""
    return fact.status not in ("provisional", "differential", "unconfirmed")


def known_cancer(record: Record) -> Fact | None:
    return next((f for f in record.of(*KNOWN_CANCER) if is_confirmed(f)), None)


def held_back(
    record: Record,
    policy: Policy,
    *,
    ages: tuple[int, int],
    recent_imaging: str,
    active_order: str,
    modalities: tuple[str, ...],
) -> Held | None:
    """The first reason not to give a risk card, or None."""
    if record.deceased:
        return Held("deceased")
    if fact := known_cancer(record):
        return Held("known-cancer", fact=fact)
    if fact := next((f for f in record.of(*HOSPICE) if f.status != "inactive"), None):
        return Held("hospice-or-palliative", fact=fact)
    if record.age is not None and not ages[0] <= record.age <= ages[1]:
        return Held("age-outside-range")
    return _imaged(record, recent_imaging, modalities) or _ordered(record, policy, active_order)


def _imaged(record: Record, window: str, modalities: tuple[str, ...]) -> Held | None:
    for fact in record.of(*IMAGING):
        if fact.when is None or fact.when.days_before(record.now) > days(window):
            continue
        if set(fact.modalities) & set(modalities):
            return Held("recent-imaging", (fact.when.middle + timedelta(days=days(window))).date(), fact)
    return None


def _ordered(record: Record, policy: Policy, window: str) -> Held | None:
    """The work-up under its general codes, or under the codes this site's policy orders it with."""
    site = {(o.system, o.code) for name, o in policy.orders.items() if name in WORKUP}
    for fact in [*record.of(*WORKUP), *(o for o in record.orders if site & set(o.codes))]:
        recent = fact.when is None or fact.when.days_before(record.now) <= days(window)
        if fact.status in _ACTIVE_ORDER and recent:
            return Held("work-up-ordered", fact=fact)
    return None
