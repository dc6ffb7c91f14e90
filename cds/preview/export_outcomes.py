"""What became of the patients of a bulk export, from the export itself: charts opened on a past day, and what is dated
after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from cds.committee.charter import Charter
from cds.fhir import resources as fhir
from cds.fhir.decoding import decode
from cds.fhir.evidence import Evidence
from cds.ledger.outcomes import Kind, OutcomeEvent, Sweep
from cds.ledger.past import Became
from cds.preview.export import CLIENT
from cds.preview.followed import Outcomes
from cds.record import moments
from cds.record.reading import Reader
from cds.record.vocabulary import Vocabulary


def outcomes(
    patients: Mapping[str, list[bytes]],
    vocabulary: Vocabulary,
    charter: Charter,
    known_until: date,
    zone: ZoneInfo,
    step: Callable[[], None] = lambda: None,
) -> Outcomes:
    """By the charter's concepts, as the committee reads them from an EHR. ``known_until``: up to this day the export
    knows of every outcome. ``step``: told after each patient."""
    end = datetime.combine(known_until, time.max, zone)
    events: list[OutcomeEvent] = []
    for patient, lines in patients.items():
        events += _events(patient, lines, vocabulary, charter, end, zone)
        step()
    sweep = Sweep("export", end, CLIENT, "fhir", "", None, tuple(charter.outcomes), None, known_until)
    return Outcomes(charter, {CLIENT: Became(tuple(events), (sweep,))}, end)


def _events(
    patient: str, lines: list[bytes], vocabulary: Vocabulary, charter: Charter, end: datetime, zone: ZoneInfo
) -> Iterator[OutcomeEvent]:
    evidence = Evidence()
    for line in lines:
        evidence.add(decode(line))
    reader = Reader(vocabulary, patient, end, zone)
    reader.read(evidence.resources)
    record = reader.finish()

    def event(kind: Kind, outcome: str, day: date) -> OutcomeEvent:
        return OutcomeEvent(CLIENT, patient, kind, outcome, day, "fhir", None)

    died = _died(evidence, end, zone)
    for name, outcome in charter.outcomes.items():
        if outcome.death:
            if died is not None:
                yield event("event", name, died)
            continue
        for fact in record.of(*outcome.concepts):
            if fact.when is not None and not fact.provisional:
                yield event("event", name, moments.day_at(fact.when.middle, zone))
        for fact in record.of(*outcome.looked):
            if fact.when is not None:
                yield event("looked", name, moments.day_at(fact.when.middle, zone))


def _died(evidence: Evidence, end: datetime, zone: ZoneInfo) -> date | None:
    for resource in evidence.resources:
        if isinstance(resource, fhir.Patient) and resource.deceasedDateTime:
            when = moments.parse(resource.deceasedDateTime, zone)
            if when is not None and when.middle <= end:
                return moments.day_at(when.middle, zone)
    return None
