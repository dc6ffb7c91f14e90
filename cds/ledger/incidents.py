"""What became of problems that people reported: looked at, joined to a call, closed. Takes a connection each.

A problem's own row never changes; its state is what the last of its events says.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from cds.ledger import rows
from cds.ledger.committee_tables import incident_events
from cds.ledger.entries import ProblemEntry
from cds.ledger.tables import calls, cards, problems

IncidentAction = Literal["triage", "link", "note", "close", "reopen"]
Severity = Literal["none", "minor", "serious", "harm"]
SEVERITIES: tuple[Severity, ...] = ("none", "minor", "serious", "harm")


@dataclass(frozen=True)
class IncidentEvent:
    id: str
    at: datetime
    problem_id: str
    action: IncidentAction
    person: str
    severity: Severity | None
    call_id: str | None
    text: str
    """May name a patient, as a problem's own text may: for the committee alone."""


@dataclass(frozen=True)
class Incident:
    problem: ProblemEntry
    events: tuple[IncidentEvent, ...]
    """Oldest first."""

    @property
    def state(self) -> Literal["open", "triaged", "closed"]:
        for event in reversed(self.events):
            if event.action in ("close", "reopen"):
                return "closed" if event.action == "close" else "open"
            if event.action == "triage":
                return "triaged"
        return "open"

    @property
    def severity(self) -> Severity | None:
        return next((e.severity for e in reversed(self.events) if e.severity is not None), None)

    @property
    def call_id(self) -> str | None:
        """The call it is about: as linked, else as reported."""
        return next((e.call_id for e in reversed(self.events) if e.call_id is not None), self.problem.call_id)


def incidents(connection: sa.Connection) -> tuple[Incident, ...]:
    """All, newest first."""
    found = connection.execute(sa.select(problems).order_by(problems.c.at.desc(), problems.c.id.desc()))
    by_problem: defaultdict[str, list[IncidentEvent]] = defaultdict(list)
    events = sa.select(incident_events).order_by(incident_events.c.at, incident_events.c.id)
    for row in connection.execute(events).mappings():
        by_problem[row["problem_id"]].append(IncidentEvent(**row))
    return tuple(
        Incident(problem, tuple(by_problem[problem.id])) for problem in map(rows.read_problem, found.mappings())
    )


def call_exists(connection: sa.Connection, call_id: str) -> bool:
    return connection.execute(sa.select(calls.c.id).where(calls.c.id == call_id)).first() is not None


def call_of_card(connection: sa.Connection, card_id: str) -> str | None:
    found: str | None = connection.execute(sa.select(cards.c.call_id).where(cards.c.id == card_id)).scalar_one_or_none()
    return found
