"""What a clinician asked not to hear again yet: an override's reason silences its topic for this patient."""

from __future__ import annotations

from datetime import datetime, timedelta

from cds.errors import LedgerError
from cds.ledger import Ledger
from cds.policy.schema import Policy
from cds.record.inputs import days
from cds.services.case import CardDraft, Suppressed, remembered_as


def awake_and_snoozed(
    drafts: list[CardDraft], policy: Policy, ledger: Ledger, patient_key: str, now: datetime
) -> tuple[list[CardDraft], list[Suppressed]]:
    """Drafts to show, and those held back with reason and end. The ledger is asked only if there is a draft.

    A snooze holds for the reason it was given on: a weightier one (new jaundice after a snoozed score) speaks.
    """
    quiet = _snoozed(policy, ledger, patient_key, now) if drafts else {}
    awake: list[CardDraft] = []
    held: list[Suppressed] = []
    for draft in drafts:
        silencing = (draft.memory, *(remembered_as(draft.topic, kind) for kind in draft.quieted_by))
        found = next((quiet[name] for name in silencing if name in quiet), None)
        if found is None:
            awake.append(draft)
        else:
            reason, until = found
            held.append(Suppressed(draft.memory, f"snoozed:{reason}", until.date(), draft.models))
    return awake, held


def _snoozed(policy: Policy, ledger: Ledger, patient_key: str, now: datetime) -> dict[str, tuple[str, datetime]]:
    """Topic and kind -> (override reason, until)."""
    lengths = {code: timedelta(days=days(reason.snooze)) for code, reason in policy.override_reasons.items()}
    longest = max(lengths.values(), default=timedelta())
    if longest <= timedelta():
        return {}
    try:
        overrides = ledger.overrides(patient_key, now - longest)
    except LedgerError:
        return {}  # without the ledger a card may be repeated; it must not be withheld
    found: dict[str, tuple[str, datetime]] = {}
    for override in overrides:
        until = override.at + lengths.get(override.reason_code or "", timedelta())
        if until > now:
            found[override.topic] = (override.reason_code or "", until)
    return found
