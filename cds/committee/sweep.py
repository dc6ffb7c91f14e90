"""Finding or importing outcomes, from settings to stored rows: what the commands and the worker do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from cds.committee.charter import Charter
from cds.committee.find import Finder
from cds.committee.outcome_file import read_outcomes
from cds.errors import CommitteeError, SettingsError
from cds.fhir.client import FhirClient, Target
from cds.ids import new_id
from cds.ledger import Ledger
from cds.ledger.book import Book
from cds.ledger.committee_tables import outcome_events, outcome_sweeps
from cds.ledger.outcomes import OutcomeEvent, Sweep, predicted_patients
from cds.ledger.tables import calls
from cds.record.moments import day_beside
from cds.record.vocabulary import Vocabulary
from cds.settings import Settings
from cds.trust.allowlist import AllowList


def import_file(
    path: Path,
    client: str,
    name: str,
    *,
    settings: Settings,
    charter: Charter,
    ledger: Ledger,
    book: Book,
    now: datetime,
    person: str | None = None,
    through: date | None = None,
) -> tuple[Sweep, int]:
    """The sweep as stored, and how many of its events were new. ``through``: the registry is complete up to that day.

    Raises OutcomeFileError, SettingsError for an unknown client, CommitteeError for a ``through`` in the future.
    """
    _require_client(settings, client)
    if through is not None and through > now.date():
        raise CommitteeError("complete-through lies in the future: a registry can't be complete up to a day to come")
    known = book.read(lambda c: predicted_patients(c, client))
    found = read_outcomes(
        path, client, charter.outcomes, now.date(), lambda patient: ledger.patient_key(client, patient), known
    )
    counts = {"lines": found.lines, "patients": found.patients, "predicted": found.known}
    sweep = Sweep(
        id=new_id(),
        at=now,
        client=client,
        source="registry",
        name=name,
        person=person,
        outcomes=tuple(charter.outcomes),
        since=None,
        through=through,
        counts=counts | _counted(found.events),
    )
    return sweep, _store(book, sweep, found.events)


def find_in_ehr(
    client: str,
    *,
    settings: Settings,
    charter: Charter,
    vocabulary: Vocabulary,
    ledger: Ledger,
    book: Book,
    now: datetime,
    since: date | None = None,
    person: str | None = None,
) -> tuple[Sweep, int]:
    """The sweep as stored, and how many of its events were new. ``since``: default the day of the first call.

    Raises SettingsError for a client without an address the service may ask, CommitteeError before the first call.
    """
    target = target_of(settings, client)
    first = since or first_call(book, client, now)
    if first is None:
        raise CommitteeError(f"client '{client}': the ledger has no call yet, so there is nobody to ask about")
    known = book.read(lambda c: predicted_patients(c, client))
    fhir_client = FhirClient(settings.fhir.model_copy(update={"page_limit": 100}), settings.ca_file)
    finder = Finder(
        client,
        fhir_client,
        target,
        vocabulary,
        ZoneInfo(settings.timezone),
        lambda patient: ledger.patient_key(client, patient),
    )
    found = finder.find(charter, known, first, now)
    whole = tuple(name for name in charter.outcomes if name not in found.incomplete)
    sweep = Sweep(
        id=new_id(),
        at=now,
        client=client,
        source="fhir",
        name="",
        person=person,
        outcomes=whole,
        since=first,
        through=now.date() if whole else None,
        counts={"queries": found.asked, "patients": found.people} | _counted(found.events),
        faults=found.faults,
    )
    return sweep, _store(book, sweep, found.events)


def askable(settings: Settings) -> list[str]:
    """Clients whose EHR the service may ask by itself."""
    return [name for name, client in settings.clients.items() if client.studies.fhir_base is not None]


def target_of(settings: Settings, client: str) -> Target:
    """Raises SettingsError."""
    _require_client(settings, client)
    source = settings.clients[client].studies
    if source.fhir_base is None:
        raise SettingsError(
            f"client '{client}' has no address the service may ask by itself: set clients.{client}.studies.fhir_base "
            f"(and token_file), or import a registry's file with `cds outcomes import`"
        )
    token = None
    if source.token_file is not None:
        try:
            token = source.token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"clients.{client}.studies.token_file can't be read: {error}") from error
    return Target(source.fhir_base, AllowList(settings.clients[client].fhir_servers), token or None)


def first_call(book: Book, client: str, now: datetime) -> date | None:
    question = sa.select(sa.func.min(calls.c.at)).where(calls.c.client == client)
    found: datetime | None = book.read(lambda c: c.execute(question).scalar_one_or_none())
    return None if found is None else day_beside(found, now)


def _require_client(settings: Settings, client: str) -> None:
    if client not in settings.clients:
        known = ", ".join(settings.clients) or "none is set"
        raise SettingsError(f"there is no client '{client}' in the settings; there are: {known}")


def _counted(events: Iterable[OutcomeEvent]) -> dict[str, int]:
    """Of predicted patients alone."""
    found = Counter(f"{event.kind}:{event.outcome}" if event.outcome else event.kind for event in events)
    return dict(sorted(found.items()))


def _store(book: Book, sweep: Sweep, events: Iterable[OutcomeEvent]) -> int:
    """Events first: a sweep says that silence means something, so it must not stand without them."""
    new = book.put_all(outcome_events, [event.row(sweep.id, sweep.at) for event in events])
    book.put_all(outcome_sweeps, [sweep.row])
    return new
