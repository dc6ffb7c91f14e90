"""What was gathered for a call, read: the patient's record, and the orders in the making like a record of their own."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from cds.errors import MalformedRequest
from cds.fhir import resources as fhir
from cds.fhir.evidence import Evidence
from cds.fhir.queries import Query
from cds.protocol.request import NULL, HookCall
from cds.record import written
from cds.record.facts import Record
from cds.record.reading import Reader
from cds.record.vocabulary import Vocabulary
from cds.record.written import DrugNames


def read_chart(
    call: HookCall,
    evidence: Evidence,
    queries: tuple[Query, ...],
    vocabulary: Vocabulary,
    at: datetime,
    zone: ZoneInfo,
    drug_names: Iterable[DrugNames] = (),
) -> tuple[Record, Record]:
    """(record, drafts). ``drug_names``: by which the drugs are told that only a draft's text names. Raises
    MalformedRequest for draft orders that are no Bundle."""
    reader = Reader(vocabulary, call.patient_id, at, zone)
    reader.read(evidence.resources)
    record = reader.finish()
    record.malformed += evidence.malformed
    record.unread = evidence.unread(queries)
    record.unsupported = evidence.unsupported(queries)
    making = Reader(vocabulary, call.patient_id, at, zone, drafts=True, prescriptions=reader.prescriptions)
    record.drafts = _drafts(call, making)
    written.read(record.drafts, drug_names, vocabulary.concepts)
    return record, record.drafts


def _drafts(call: HookCall, reader: Reader) -> Record:
    malformed = 0
    raw = bytes(call.context.draftOrders)
    if raw not in (b"", NULL):
        found = fhir.decode(raw)
        if not found.readable or not found.is_bundle:
            raise MalformedRequest("context.draftOrders is not a Bundle")
        malformed = found.malformed
        chosen = call.context.selections
        for number, resource in enumerate(found.resources):
            # an order that is not stored yet may have none; two of them are still two
            resource.id = resource.id or f"#{number}"
        reader.read(
            [r for r in found.resources if chosen is None or isinstance(r, fhir.Medication) or _selected(r, chosen)],
            attributed=True,
        )
    drafts = reader.finish()
    drafts.malformed += malformed
    return drafts


def _selected(resource: object, selections: list[str]) -> bool:
    """By "Type/id", as the specification has it, in an address or with a version; or by what stands for it elsewhere:
    the id alone, or as a URN."""
    id = getattr(resource, "id", None)
    reference = f"{type(resource).__name__}/{id}"
    plain = [s.partition("/_history/")[0] for s in selections]
    return any(s in (reference, id, f"urn:uuid:{id}") or s.endswith("/" + reference) for s in plain)
