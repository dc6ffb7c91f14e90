"""What a clinician asked not to hear again yet: an override's reason silences its topic for this patient."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from cds.cards.attention import Snoozes
from cds.ledger import Override
from cds.policy.schema import Policy
from cds.record.inputs import days


def lengths(policy: Policy) -> dict[str, timedelta]:
    """Override reason -> how long it silences; only those that do."""
    found = {code: timedelta(days=days(reason.snooze)) for code, reason in policy.override_reasons.items()}
    return {code: length for code, length in found.items() if length > timedelta()}


def snoozes(policy: Policy, overrides: Iterable[Override]) -> Snoozes:
    """The latest of each topic, as the ledger remembers topics; the end may lie behind."""
    known = lengths(policy)
    return {
        o.topic: (o.reason_code or "", o.at + known[o.reason_code or ""])
        for o in overrides
        if (o.reason_code or "") in known
    }
