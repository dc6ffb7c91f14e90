"""What was gathered for a call, read: the patient's record, and the orders in the making like a record of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from cds.errors import MalformedRequest
from cds.fhir import resources as fhir
from cds.fhir.decoding import decode
from cds.fhir.evidence import Evidence
from cds.fhir.queries import Query
from cds.protocol.request import NULL, HookCall
from cds.record import medications, plans, written
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
    names = tuple(drug_names)
    reader = Reader(vocabulary, call.patient_id, at, zone)
    reader.read(evidence.resources)
    record = reader.finish()
    record.malformed += evidence.malformed
    record.unread = evidence.unread(queries)
    record.unsupported = evidence.unsupported(queries)
    making = Reader(vocabulary, call.patient_id, at, zone, drafts=True, prescriptions=reader.prescriptions)
    making.products |= reader.products
    record.drafts = _drafts(call, making, names)
    written.read(record.drafts, names, vocabulary.concepts)
    return record, record.drafts


def _drafts(call: HookCall, reader: Reader, drug_names: tuple[DrugNames, ...]) -> Record:
    malformed = 0
    raw = bytes(call.context.draftOrders)
    if raw not in (b"", NULL):
        found = decode(raw)
        if not found.readable or not found.is_bundle:
            raise MalformedRequest("context.draftOrders is not a Bundle")
        malformed = found.malformed
        # order-sign has no such field in the specification: whatever comes there is signed whole
        chosen = call.context.selections if call.hook == "order-select" else None
        for number, resource in enumerate(found.resources):
            # an order that is not stored yet may have none; two of them are still two
            resource.id = resource.id or f"#{number}"
        reader.products |= _by_address(raw)
        named = None if chosen is None else _named(chosen, raw)
        reader.read(_chosen(found.resources, named), attributed=True)
        plans.read(raw, reader.record, drug_names, named)
    drafts = reader.finish()
    drafts.malformed += malformed
    return drafts


class _Addressed(msgspec.Struct, gc=False):
    fullUrl: str | None = None
    resource: msgspec.Raw = msgspec.Raw(b"")


class _AddressedBundle(msgspec.Struct, gc=False):
    entry: list[_Addressed | None] | None = []


class _Called(msgspec.Struct, gc=False):
    resourceType: str = ""
    id: str | None = None


_addressed = msgspec.json.Decoder(_AddressedBundle)
_called = msgspec.json.Decoder(_Called)


def _addresses(bundle: bytes) -> Iterator[tuple[str, bytes]]:
    """What a Bundle's own addresses (FHIR R4, "Resolving references in Bundles") stand for; a fault there is told of
    where the Bundle itself is read."""
    try:
        entries = _addressed.decode(bundle).entry if b'"urn:' in bundle else None
    except fhir.UNREADABLE:
        return
    for one in entries or ():
        if one is not None and one.fullUrl:
            yield one.fullUrl, bytes(one.resource)


def _by_address(bundle: bytes) -> dict[str, fhir.Medication]:
    """Medications, to which orders that are not stored yet refer so."""
    named = [(url, decode(resource).resources) for url, resource in _addresses(bundle)]
    return {url: found[0] for url, found in named if found and isinstance(found[0], fhir.Medication)}


def _named(selections: list[str], bundle: bytes) -> set[str] | None:
    """Names of the selected orders, as ``_names`` has them; None: all of them, where the selection goes by an address
    behind which there is no name, for silence would be said of an order that nobody looked at."""
    named = {medications.relative(one) for one in selections}
    urns = {one for one in named if one.startswith("urn:")}
    for url, resource in _addresses(bundle) if urns else ():
        if url in urns and (name := _name_of(resource)):
            urns.discard(url)
            named.add(name)
    return None if urns else named


def _name_of(resource: bytes) -> str:
    try:
        called = _called.decode(resource)
    except fhir.UNREADABLE:
        return ""
    return f"{called.resourceType}/{called.id}" if called.id else ""


def _chosen(orders: list[Any], named: set[str] | None) -> list[Any]:
    """The selected ones, with the Medications that they may refer to."""
    if named is None:
        return orders
    chosen = [r for r in orders if not isinstance(r, fhir.Medication) and _names(r) & named]
    return [*chosen, *(r for r in orders if isinstance(r, fhir.Medication))]


def _names(order: Any) -> set[str]:
    """With its type as the specification's example has it, and its id alone, as the text says."""
    return {f"{type(order).__name__}/{order.id}", str(order.id)}
