"""One patient's record, orders in the making included, from a file or from a FHIR server, to try a model out."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import click

from cds.errors import CdsError
from cds.fhir import resources as fhir
from cds.fhir.client import FhirClient, Target
from cds.fhir.decoding import Decoded, decode
from cds.fhir.evidence import deadline_in
from cds.fhir.queries import Query, plan
from cds.record import written
from cds.record.facts import Record
from cds.record.reading import Reader
from cds.record.vocabulary import Vocabulary
from cds.record.written import DrugNames
from cds.settings import Settings
from cds.trust import AllowList

_DEADLINE_S = 30.0
"""A person waits at a terminal, not an EHR at a click."""


@dataclass(frozen=True)
class Source:
    """Where patients are, and as of when they are read."""

    settings: Settings
    vocabulary: Vocabulary
    now: datetime
    drug_names: tuple[DrugNames, ...] = ()
    """By which the drugs are told that only the texts of orders in the making name."""


def moment(day: datetime | None) -> datetime:
    """Noon of the day given, or now."""
    return datetime.now(UTC) if day is None else day.replace(hour=12, tzinfo=UTC)


def one(source: Source, place: str, concepts: Iterable[str], wanted: str | None) -> Record:
    """The patient in a file, or at ``https://server/fhir/Patient/id``. Raises ClickException with a sentence."""
    if place.startswith(("http://", "https://")):
        base, _, patient_id = place.rstrip("/").rpartition("/Patient/")
        if not base or not patient_id:
            raise click.ClickException(f"{place} names no patient: write https://server/fhir/Patient/id")
        return from_server(source, base, patient_id, plan(concepts, source.vocabulary))
    return _from_file(source, Path(place), wanted)


def _from_file(source: Source, path: Path, wanted: str | None) -> Record:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise click.ClickException(f"{path} can't be read: {error.strerror}") from error
    found = decode(raw)
    if not found.readable:  # NDJSON: a resource a line
        parts = [decode(line) for line in raw.splitlines() if line.strip()]
        if not parts or not all(part.readable for part in parts):
            raise click.ClickException(f"{path} is neither a FHIR Bundle nor NDJSON, a resource a line")
        found = Decoded(
            resources=[r for part in parts for r in part.resources], malformed=sum(p.malformed for p in parts)
        )
    ids = [r.id for r in found.resources if isinstance(r, fhir.Patient) and r.id]
    if wanted is None and len(ids) != 1:
        told = f"holds {len(ids)} patients: name one with --id" if ids else "holds no Patient"
        raise click.ClickException(f"{path} {told}")
    if wanted is not None and wanted not in ids:
        raise click.ClickException(f"{path} holds no Patient/{wanted}")
    patient_id = wanted or ids[0]
    if len(ids) > 1:  # the others are no strangers who got into this record by mistake
        others = set(ids) - {patient_id}
        found.resources = [r for r in found.resources if fhir.subject_of(r) not in others]
    return made(source, patient_id, found.resources, found.malformed)


def made(source: Source, patient_id: str, resources: list[Any], malformed: int) -> Record:
    """The record out of decoded resources; prescriptions that are still drafts are the orders in the making."""
    zone = ZoneInfo(source.settings.timezone)
    reader = Reader(source.vocabulary, patient_id, source.now, zone)
    reader.read(resources)
    record = reader.finish()
    record.malformed += malformed
    waiting = [r for r in resources if isinstance(r, fhir.MedicationRequest) and r.status == "draft"]
    if waiting:
        numbers = reader.prescriptions
        drafts = Reader(source.vocabulary, patient_id, source.now, zone, drafts=True, prescriptions=numbers)
        drafts.read([*waiting, *(r for r in resources if isinstance(r, fhir.Medication))])
        record.drafts = drafts.finish()
        written.read(record.drafts, source.drug_names, source.vocabulary.concepts)
    return record


def from_server(source: Source, base: str, patient_id: str, queries: tuple[Query, ...]) -> Record:
    """Raises ClickException when not even the patient can be had; other gaps are in the record's ``unread``."""
    answers = _client(source).fetch(queries, patient_id, _target(base), deadline_in(_DEADLINE_S))
    resources = [r for answer in answers for page in answer.pages for r in page.resources]
    lacking = [a for a in answers if a.fault is not None or a.truncated]
    if not any(isinstance(r, fhir.Patient) and r.id == patient_id for r in resources):
        why = next((str(a.fault) for a in lacking if a.query.resource == "Patient"), "it gave another patient")
        raise click.ClickException(f"{base}/Patient/{patient_id} can't be read: {why}")
    record = made(source, patient_id, resources, sum(page.malformed for a in answers for page in a.pages))
    unread = {a.query.resource for a in lacking}
    record.unread = frozenset(unread | ({"Medication"} if any(u.startswith("Medication") for u in unread) else set()))
    return record


def some(source: Source, base: str, most: int) -> list[str]:
    """Ids of the first patients of a server. Raises ClickException."""
    query = Query("patients", "Patient", f"Patient?_count={most}")
    (answer,) = _client(source).fetch((query,), "", _target(base), deadline_in(_DEADLINE_S))
    ids = [r.id for page in answer.pages for r in page.resources if isinstance(r, fhir.Patient) and r.id]
    if not ids:
        raise click.ClickException(f"no patients could be read at {base}: {answer.fault or 'the server has none'}")
    return ids[:most]


def _client(source: Source) -> FhirClient:
    return FhirClient(source.settings.fhir, source.settings.ca_file)


def _target(base: str) -> Target:
    if not urlsplit(base).hostname:
        raise click.ClickException(f"{base} is not an address: write https://server/fhir")
    try:
        return Target(base, AllowList((base,)), os.environ.get("CDS_CALL_TOKEN"))
    except CdsError as error:
        raise click.ClickException(f"{base} is not a FHIR base address: {error}") from error
