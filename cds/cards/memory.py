"""What the ledger remembers of cards, put to the question whether another is worth a clinician's attention."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from cds.cards import attention, snooze
from cds.cards.attention import Held, Opening, Shown
from cds.errors import LedgerError
from cds.ledger import Ledger
from cds.policy.schema import Policy
from cds.services.case import CardDraft

_ROWS_A_CARD = 8
"""A card of a budget is a topic of a patient, which the ledger may hold several times: charts are opened again."""


def sorted_out(
    drafts: Sequence[CardDraft], policy: Policy, ledger: Ledger, opening: Opening
) -> tuple[list[CardDraft], list[Held[CardDraft]]]:
    """(to show, held back). The ledger is asked only if there is a draft; while it is down nothing is held back: a
    repeated card is better than a withheld one."""
    if not drafts:
        return [], []
    back = attention.memory_needed(policy)
    longest = max(snooze.lengths(policy).values(), default=timedelta())
    snoozes: attention.Snoozes = {}
    shown: list[Shown] = []
    try:
        if longest:
            snoozes = snooze.snoozes(policy, ledger.overrides(opening.patient, opening.now - longest - back))
        if policy.budget.per_clinician_day is not None or opening.hook in policy.repeats.hooks:
            most = _ROWS_A_CARD * (policy.budget.per_clinician_day or 0)
            found = ledger.shown_cards(opening.patient, opening.now - back, opening.user, opening.day_began, most)
            shown = [Shown(c.patient_key, c.topic, c.at, c.user_key, c.band, c.flags) for c in found]
    except LedgerError:
        snoozes, shown = {}, []
    return attention.sort_out(drafts, policy, opening, shown, snoozes)
