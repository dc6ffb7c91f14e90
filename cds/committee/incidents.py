"""Incidents: reported by anybody, looked at by a person with a name, joined to the call they are about, and closed."""

from __future__ import annotations

from datetime import datetime

from cds.committee.actions import require_member
from cds.committee.charter import Charter
from cds.errors import CommitteeError
from cds.ids import new_id
from cds.ledger import ProblemEntry, ProblemKind
from cds.ledger.book import Book
from cds.ledger.committee_tables import incident_events
from cds.ledger.incidents import (
    Incident,
    IncidentAction,
    IncidentEvent,
    Severity,
    call_exists,
    call_of_card,
    incidents,
)
from cds.ledger.tables import problems

_SHORTEST = 8
"""Characters of an incident's number that people type."""


def report(
    book: Book, client: str, kind: ProblemKind, text: str, now: datetime, *, call: str | None, card: str | None
) -> ProblemEntry:
    """A problem that somebody told the committee of. Raises CommitteeError for a call or card the ledger lacks."""
    if card is not None:
        of_card = book.read(lambda c: call_of_card(c, card))
        if of_card is None:
            raise CommitteeError("the ledger holds no such card; leave --card away if its number is not known")
        call = call or of_card
    if call is not None and not book.read(lambda c: call_exists(c, call)):
        raise CommitteeError("the ledger holds no such call; leave --call away if its number is not known")
    if len(text.strip()) < 10:
        raise CommitteeError("say in a sentence what happened; leave the patient's name out")
    entry = ProblemEntry(new_id(), now, call, card, client, None, kind, text.strip())
    book.put_all(problems, [dict(entry.__dict__)])
    return entry


def act(
    book: Book,
    charter: Charter,
    number: str,
    action: IncidentAction,
    person: str,
    now: datetime,
    *,
    text: str = "",
    severity: Severity | None = None,
    call: str | None = None,
) -> Incident:
    """The incident as it was before. Raises CommitteeError for what can't be done with it."""
    require_member(charter, person, now)
    found = find(book, number)
    if found.state == "closed" and action not in ("reopen", "note"):
        raise CommitteeError("it is closed; reopen it first", "incident_closed")
    if action == "reopen" and found.state != "closed":
        raise CommitteeError("it is not closed", "incident_open")
    if action == "close" and found.severity is None:
        raise CommitteeError("say how serious it was before it is closed: triage it first", "incident_untriaged")
    if action in ("close", "reopen", "note") and len(text.strip()) < 10:
        raise CommitteeError("say in a sentence what was found or done; leave the patient's name out", "incident_text")
    if call is not None and not book.read(lambda c: call_exists(c, call)):
        raise CommitteeError("the ledger holds no such call", "no_call")
    event = IncidentEvent(new_id(), now, found.problem.id, action, person.strip(), severity, call, text.strip())
    book.put_all(incident_events, [dict(event.__dict__)])
    return found


def find(book: Book, number: str) -> Incident:
    """By its number or the beginning of it. Raises CommitteeError."""
    if len(number) < _SHORTEST:
        raise CommitteeError(f"give at least {_SHORTEST} characters of the incident's number")
    matching = [i for i in book.read(incidents) if i.problem.id.startswith(number)]
    if len(matching) != 1:
        why = "no incident has" if not matching else f"{len(matching)} incidents have"
        raise CommitteeError(f"{why} a number that begins so; `cds committee incidents list` shows them")
    return matching[0]
