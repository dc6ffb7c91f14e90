"""What became of patients: events found or imported, and how far each source was asked. Takes a connection each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

import sqlalchemy as sa

from cds.ledger.committee_tables import outcome_events, outcome_sweeps
from cds.ledger.tables import calls

Kind = Literal["event", "looked", "contact"]
Source = Literal["fhir", "registry"]


@dataclass(frozen=True)
class OutcomeEvent:
    """One thing that happened to one patient, known by a keyed hash."""

    client: str
    patient_key: str
    kind: Kind
    """``event``: the outcome; ``looked``: somebody examined the patient for it; ``contact``: the patient was seen."""
    outcome: str
    """Its name in the charter; empty for a contact."""
    day: date
    source: Source
    reference: str | None
    """``Type/id``, where it came from a record."""

    @property
    def id(self) -> str:
        """Found again, by whatever sweep, it is the same."""
        told = (self.client, self.patient_key, self.kind, self.outcome, self.day.isoformat(), self.source)
        return hashlib.sha256("\x1f".join(told).encode()).hexdigest()

    def row(self, sweep_id: str, at: datetime) -> dict[str, Any]:
        return {**self.__dict__, "id": self.id, "sweep_id": sweep_id, "recorded_at": at}


@dataclass(frozen=True)
class Sweep:
    """One time a source was asked, or one file imported."""

    id: str
    at: datetime
    client: str
    source: Source
    name: str
    """Which registry; empty for the EHR itself."""
    person: str | None
    outcomes: tuple[str, ...]
    since: date | None
    """What was asked for happened from this day on."""
    through: date | None
    """Up to this day the source is said to know of every outcome; None: it is not, so silence proves nothing."""
    counts: Mapping[str, int] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    """What could not be asked, as sentences; of nobody in particular."""

    @property
    def row(self) -> dict[str, Any]:
        return {
            **self.__dict__,
            "counts": dict(self.counts),
            "outcomes": list(self.outcomes),
            "faults": list(self.faults),
        }


def sweeps(connection: sa.Connection, client: str | None = None) -> tuple[Sweep, ...]:
    """Newest first."""
    question = sa.select(outcome_sweeps).order_by(outcome_sweeps.c.at.desc(), outcome_sweeps.c.id.desc())
    if client is not None:
        question = question.where(outcome_sweeps.c.client == client)
    return tuple(
        Sweep(**{**row, "outcomes": tuple(row["outcomes"]), "faults": tuple(row["faults"])})
        for row in connection.execute(question).mappings()
    )


def events(connection: sa.Connection, client: str, outcomes: Iterable[str]) -> tuple[OutcomeEvent, ...]:
    """Those of these outcomes, and every contact, of one client's patients, the earliest first."""
    wanted = sa.or_(outcome_events.c.outcome.in_(list(outcomes)), outcome_events.c.kind == "contact")
    columns = [column for column in outcome_events.c if column.name not in ("id", "sweep_id", "recorded_at")]
    question = sa.select(*columns).where(outcome_events.c.client == client, wanted).order_by(outcome_events.c.day)
    return tuple(OutcomeEvent(**row) for row in connection.execute(question).mappings())


def of_nobody_left(since: datetime | None = None) -> sa.ColumnElement[bool]:
    """Events of patients whose calls have all gone: nothing is left for them to be an outcome of.

    ``since``: as if calls before it had gone, too.
    """
    theirs = sa.exists().where(calls.c.client == outcome_events.c.client)
    theirs = theirs.where(calls.c.patient_key == outcome_events.c.patient_key)
    return ~(theirs if since is None else theirs.where(calls.c.at >= since))


def predicted_patients(connection: sa.Connection, client: str) -> frozenset[str]:
    """Keys of the client's patients of whom there was a call. Only their outcomes are kept."""
    question = sa.select(calls.c.patient_key).where(calls.c.client == client, calls.c.patient_key != "").distinct()
    return frozenset(connection.execute(question).scalars())


def counted(connection: sa.Connection) -> tuple[tuple[str, str, str, int, date, date], ...]:
    """(client, kind, outcome, patients, first day, last day)"""
    c = outcome_events.c
    question = (
        sa.select(
            c.client, c.kind, c.outcome, sa.func.count(c.patient_key.distinct()), sa.func.min(c.day), sa.func.max(c.day)
        )
        .group_by(c.client, c.kind, c.outcome)
        .order_by(c.client, c.kind, c.outcome)
    )
    return tuple(tuple(row) for row in connection.execute(question))


@dataclass(frozen=True)
class Arrival:
    """When an outcome happened, and when the record told of it."""

    patient_key: str
    source: Source
    day: date
    recorded_at: datetime


def arrivals(connection: sa.Connection, client: str, outcome: str) -> tuple[Arrival, ...]:
    """The earliest first."""
    c = outcome_events.c
    question = (
        sa.select(c.patient_key, c.source, c.day, c.recorded_at)
        .where(c.client == client, c.kind == "event", c.outcome == outcome)
        .order_by(c.day, c.id)
    )
    return tuple(Arrival(**row) for row in connection.execute(question).mappings())
