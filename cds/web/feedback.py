"""What clinicians did with cards, into the ledger; and the problems that some of their reasons are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime

from cds.engine import Engine
from cds.errors import LedgerError
from cds.ledger import FeedbackEntry, ProblemEntry
from cds.protocol.request import FeedbackItem


def record(engine: Engine, items: Sequence[FeedbackItem], client: str, service: str) -> int:
    """How many were new. Raises LedgerError when neither database nor spool took them."""
    received = engine.now()
    stored = engine.ledger.record_feedback([_entry(item, client, service, received) for item in items])
    for problem in _problems(engine, items, client, service, received):
        engine.ledger.record_problem(problem)
    return stored


def _entry(item: FeedbackItem, client: str, service: str, received: datetime) -> FeedbackEntry:
    return FeedbackEntry(
        card_id=item.card,
        outcome=item.outcome,
        suggestion_ids=item.suggestions,
        reason_code=item.reason_code,
        reason_system=item.reason_system,
        comment_present=item.commented,
        client=client,
        service=service,
        outcome_at=item.at,
        received_at=received,
    )


def _problems(
    engine: Engine, items: Sequence[FeedbackItem], client: str, service: str, at: datetime
) -> Iterator[ProblemEntry]:
    """A snooze ends and the record is as wrong as before: somebody has to be told, once for each card."""
    reasons = engine.policies.current(client, service).override_reasons
    for item in items:
        reason = reasons.get(item.reason_code or "")
        if item.outcome == "overridden" and reason is not None and reason.problem is not None:
            yield ProblemEntry(
                id=_id(client, item),
                at=at,
                call_id=_call_of(engine, item.card),
                card_id=item.card,
                client=client,
                user_key=None,
                kind=reason.problem,
                text="",  # a comment's words may name the patient, so they are not kept
            )


def _id(client: str, item: FeedbackItem) -> str:
    """The same for the same card and reason: feedback may be sent again, and later again with another time."""
    text = "\0".join((client, item.card, item.reason_code or ""))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _call_of(engine: Engine, card: str) -> str | None:
    try:
        found = engine.ledger.card(card)
    except LedgerError:
        return None  # the database is away: the problem goes to the spool, and the card's id leads to the call later
    return found.call_id if found is not None else None
