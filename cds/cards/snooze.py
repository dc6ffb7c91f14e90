"""What a clinician asked not to hear again yet: an override's reason silences its topic for this patient."""

from __future__ import annotations

from datetime import datetime, timedelta

from cds.errors import LedgerError
from cds.ledger import Ledger
from cds.policy.schema import Policy
from cds.record.inputs import days
from cds.services.case import CardDraft, Suppressed


def awake_and_snoozed(
    drafts: list[CardDraft], policy: Policy, ledger: Ledger, patient_key: str, now: datetime
) -> tuple[list[CardDraft], list[Suppressed]]:
    """Drafts to show, and those held back with reason and end. The ledger is asked only if there is a draft."""
    quiet = _snoozed(policy, ledger, patient_key, now) if drafts else {}
    awake = [draft for draft in drafts if draft.topic not in quiet]
    held = [
        Suppressed(d.topic, f"snoozed:{quiet[d.topic][0]}", quiet[d.topic][1].date(), d.models)
        for d in drafts
        if d.topic in quiet
    ]
    return awake, held


def _snoozed(policy: Policy, ledger: Ledger, patient_key: str, now: datetime) -> dict[str, tuple[str, datetime]]:
    """Topic -> (reason, until)."""
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
