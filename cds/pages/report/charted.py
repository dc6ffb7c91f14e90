"""The patient's record as the report reads it now: with the reader's own token, inside a deadline, faults named."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from cds.cards.phrasebook import Phrasebook
from cds.engine import Engine
from cds.errors import SourceUnsupported
from cds.fhir.client import Target
from cds.fhir.evidence import Evidence, KeyState, deadline_in, read_through
from cds.fhir.queries import Query, plan
from cds.record.facts import Record
from cds.record.reading import Reader
from cds.trust import AllowList
from cds.trust.smart import ReportSession


@dataclass(frozen=True)
class Gap:
    """A source that could not be had, or not whole. ``complete`` data never makes one."""

    key: str
    """The query's: ``observations``."""
    text: str
    """What and why, in the reader's language."""
    code: str | None
    """Of the error: CDS-601."""


@dataclass(frozen=True)
class Charted:
    record: Record
    evidence: Evidence
    gaps: tuple[Gap, ...]


def charted(engine: Engine, session: ReportSession, words: Phrasebook, concepts: Iterable[str]) -> Charted:
    """Raises ForeignServer if the session's server is no longer on its client's list, and SourceUnsupported where the
    client's settings forbid asking it."""
    client = engine.settings.clients[session.client]
    allowed = AllowList(client.fhir_servers)
    allowed.require(session.fhir_server)
    if not client.fhir_access:
        raise SourceUnsupported("the settings of this client forbid asking its FHIR server")
    queries = plan(concepts, engine.models.vocabulary, studies=True)
    target = Target(session.fhir_server, allowed, session.access_token)
    deadline = deadline_in(engine.settings.fhir.deadline_s)
    evidence = read_through(queries, session.patient_id, engine.fhir, target, deadline)
    reader = Reader(engine.models.vocabulary, session.patient_id, engine.now(), ZoneInfo(engine.settings.timezone))
    reader.read(evidence.resources)
    record = reader.finish()
    record.malformed = evidence.malformed
    record.unread, record.unsupported = evidence.unread(queries), evidence.unsupported(queries)
    return Charted(record, evidence, gaps(evidence, queries, words))


def gaps(evidence: Evidence, queries: tuple[Query, ...], words: Phrasebook) -> tuple[Gap, ...]:
    found = ((q.key, evidence.states[q.key]) for q in queries)
    return tuple(Gap(key, _said(key, state, words), state.error) for key, state in found if not state.complete)


def _said(key: str, state: KeyState, words: Phrasebook) -> str:
    why = words(f"report.fault.{state.error or 'none'}")
    how = "partly" if state.state == "partly" else "failed"
    return words(f"report.source_gap.{how}", source=words(f"engine.sources.{key}"), why=why)
