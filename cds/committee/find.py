"""Asks an EHR what became of the patients it was predicted for, without ever keeping who they are.

The ledger knows patients by a keyed hash only, so nobody can be asked after by name: the EHR is asked for everybody
with the outcome, each is hashed, and those of whom there was no call are forgotten at once.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Any
from urllib.parse import quote

from cds.committee.charter import Charter
from cds.errors import SourceError
from cds.fhir import resources as fhir
from cds.fhir.client import FhirClient, Target
from cds.fhir.queries import Query
from cds.ledger.outcomes import Kind, OutcomeEvent
from cds.record import moments
from cds.record.facts import Fact
from cds.record.reading import Reader
from cds.record.systems import HIERARCHICAL
from cds.record.vocabulary import CONCEPT_SYSTEM, Vocabulary

_log = logging.getLogger("cds.committee")
_CODES_A_QUERY = 40
_WINDOW = timedelta(days=61)
"""Studies and procedures are asked for by so many days at a time, so that no answer is longer than is read."""
_DEADLINE_S = 120.0
_DATED = {"ImagingStudy": "started", "Procedure": "date"}


@dataclass(frozen=True)
class Found:
    events: tuple[OutcomeEvent, ...]
    asked: int
    """Queries."""
    people: int
    """With any of it, predicted here or not."""
    faults: tuple[str, ...]
    """What could not be asked, or not whole."""
    incomplete: frozenset[str]
    """Outcomes whose events may be lacking for that."""


class Finder:
    """For one client's EHR."""

    def __init__(
        self,
        client: str,
        fhir_client: FhirClient,
        target: Target,
        vocabulary: Vocabulary,
        zone: tzinfo,
        key_of: Callable[[str], str],
    ) -> None:
        self._client = client
        self._fhir = fhir_client
        self._target = target
        self._vocabulary = vocabulary
        self._zone = zone
        self._key_of = key_of

    def find(self, charter: Charter, known: frozenset[str], since: date, now: datetime) -> Found:
        """``since``: the day of the first prediction; ``known``: whose outcomes are kept. Never raises for what the EHR
        does not answer: that is in the faults."""
        work = _Work(self._fhir, self._target)
        deaths = [name for name, outcome in charter.outcomes.items() if outcome.death]
        events: dict[str, OutcomeEvent] = {}
        people: set[str] = set()
        incomplete: set[str] = set()

        def keep(patient: str, kind: Kind, outcome: str, day: date, reference: str | None) -> None:
            key = self._key_of(patient)
            people.add(key)
            if key in known:
                event = OutcomeEvent(self._client, key, kind, outcome, day, "fhir", reference)
                events[event.id] = event

        for name, outcome in charter.outcomes.items():
            if outcome.death:
                continue
            whole = len(work.faults)
            for patient, fact in self._facts(work, outcome.concepts, since, now):
                if fact.when is not None and not fact.provisional:
                    keep(patient, "event", name, moments.day_at(fact.when.middle, self._zone), fact.source)
            if len(work.faults) > whole:
                incomplete.add(name)
            for patient, fact in self._facts(work, outcome.looked, since, now):
                if fact.when is not None:
                    keep(patient, "looked", name, moments.day_at(fact.when.middle, self._zone), fact.source)
        if deaths:
            whole = len(work.faults)
            for patient, day in self._deaths(work, since):
                for name in deaths:
                    keep(patient, "event", name, day, None)
            if len(work.faults) > whole:
                incomplete.update(deaths)
        return Found(tuple(events.values()), work.asked, len(people), tuple(work.faults), frozenset(incomplete))

    def _facts(self, work: _Work, concepts: Iterable[str], since: date, now: datetime) -> Iterator[tuple[str, Fact]]:
        """(patient, fact) of these concepts, each patient's resources read as a record is: refuted and cancelled ones
        do not count."""
        wanted = tuple(concepts)
        by_patient: defaultdict[str, list[Any]] = defaultdict(list)
        for query in self._queries(wanted, since, now.date()):
            for resource in work.ask(query):
                patient = fhir.subject_of(resource)
                if patient is not None:
                    by_patient[patient].append(resource)
        for patient, resources in by_patient.items():
            reader = Reader(self._vocabulary, patient, now, self._zone)
            reader.read(resources)
            for fact in reader.finish().of(*wanted):
                yield patient, fact

    def _queries(self, concepts: Iterable[str], since: date, today: date) -> Iterator[Query]:
        by_kind: defaultdict[str, set[str]] = defaultdict(set)
        for name in concepts:
            kind: str = self._vocabulary.concepts[name].resource
            by_kind[kind].update(token for code in self._vocabulary.codes_of(name) for token in _tokens(*code))
        for kind, tokens in by_kind.items():
            if kind == "ImagingStudy":
                # R4 has no search by procedure code, and many servers none by body site: all of them, and look
                yield from (Query(kind, kind, f"{kind}?{window}&_count=200") for window in _windows(kind, since, today))
                continue
            for some in _chunks(sorted(tokens)):
                codes = f"code={','.join(quote(token, safe=':/|') for token in some)}"
                if kind in _DATED:
                    for window in _windows(kind, since, today):
                        yield Query(kind, kind, f"{kind}?{codes}&{window}&_count=200")
                else:
                    yield Query(kind, kind, f"{kind}?{codes}&_count=200")

    def _deaths(self, work: _Work, since: date) -> Iterator[tuple[str, date]]:
        for patient in work.ask(Query("deaths", "Patient", f"Patient?death-date=ge{since}&_count=200")):
            if isinstance(patient, fhir.Patient) and patient.id and patient.deceasedDateTime:
                when = moments.parse(patient.deceasedDateTime, self._zone)
                if when is not None:
                    yield patient.id, moments.day_at(when.middle, self._zone)


class _Work:
    """The queries of one sweep, and what went wrong with them."""

    def __init__(self, client: FhirClient, target: Target) -> None:
        self._client, self._target = client, target
        self.asked = 0
        self.faults: list[str] = []

    def ask(self, query: Query) -> Iterator[Any]:
        self.asked += 1
        [answer] = self._client.fetch((query,), "", self._target, time.monotonic() + _DEADLINE_S)
        for page in answer.pages:
            yield from page.resources
        if answer.fault is not None:
            self._fault(f"{query.resource}: {_why(answer.fault)}")
        elif answer.truncated:
            self._fault(f"{query.resource}: there are more than can be read; ask more often, or in smaller pieces")
        elif malformed := sum(page.malformed for page in answer.pages):
            self._fault(f"{query.resource}: {malformed} could not be read")

    def _fault(self, sentence: str) -> None:
        if sentence not in self.faults:
            _log.warning("outcomes.fault what=%s", sentence)
            self.faults.append(sentence)


def _why(fault: SourceError) -> str:
    return f"{fault.code}: {fault}"


def _tokens(system: str, code: str) -> list[str]:
    """What to search for. A code that stands for its children is spelt out to one place behind its point: few servers
    search below a code."""
    if system == CONCEPT_SYSTEM:
        return []
    if not code.endswith("*"):
        return [f"{system}|{code}"]
    stem = code[:-1].rstrip(".")
    if system not in HIERARCHICAL or "." in stem:
        return [f"{system}|{stem}", *(f"{system}|{stem}{digit}" for digit in range(10))]
    return [f"{system}|{stem}", *(f"{system}|{stem}.{digit}" for digit in range(10))]


def _windows(kind: str, since: date, today: date) -> Iterator[str]:
    name, start = _DATED[kind], since
    while start <= today:
        end = start + _WINDOW
        yield f"{name}=ge{start}&{name}=lt{end}"
        start = end


def _chunks(tokens: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(tokens), _CODES_A_QUERY):
        yield tokens[start : start + _CODES_A_QUERY]
