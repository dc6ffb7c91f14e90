"""Many patients out of files: Bundles, a line each, or the resources of a bulk export, in whatever order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click
import msgspec

from cds.cli.models.patients import Source, made
from cds.fhir import resources as fhir
from cds.fhir.decoding import decode
from cds.record.facts import Record


@dataclass(frozen=True)
class Raw:
    """One patient, not yet read."""

    id: str
    resources: list[bytes]
    size: int
    """Bytes of the files that are done with this patient, for a progress bar."""


@dataclass
class Lost:
    lines: int = 0
    """Lines that are no JSON."""
    strangers: int = 0
    """Resources of patients that no file holds, or of nobody."""


class _Reference(msgspec.Struct):
    reference: str | None = None


class _Entry(msgspec.Struct):
    resource: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b""))


class _Peek(msgspec.Struct):
    """Just enough to know whose a resource is."""

    resourceType: str
    id: str | None = None
    subject: _Reference | None = None
    patient: _Reference | None = None
    entry: list[_Entry] = []


@dataclass
class Cohort:
    """The patients of these files, and what could not be used of them."""

    paths: Sequence[Path]
    lost: Lost = field(default_factory=Lost)

    @property
    def size(self) -> int:
        return sum(path.stat().st_size for path in self.paths)

    def __iter__(self) -> Iterator[Raw]:
        """A Bundle that holds one patient comes at once; resources that lie apart are gathered first."""
        apart: dict[str, list[bytes]] = {}
        present: set[str] = set()
        waiting = 0
        for line in self._lines():
            peek = _peeked(line)
            if peek is None:
                self.lost.lines += 1
                continue
            whole = [bytes(e.resource) for e in peek.entry] if peek.resourceType == "Bundle" else [line]
            ids = [p.id for raw in whole if (p := _peeked(raw)) and p.resourceType == "Patient" and p.id]
            if peek.resourceType == "Bundle" and len(ids) == 1:
                yield Raw(ids[0], whole, len(line))
                continue
            waiting += len(line)
            present.update(ids)
            for raw in whole:
                self._gather(raw, apart)
        found = [id for id in apart if id in present]
        self.lost.strangers += sum(len(apart[id]) for id in apart if id not in present)
        for number, id in enumerate(found):
            yield Raw(id, apart[id], waiting if number == len(found) - 1 else 0)

    def _gather(self, raw: bytes, apart: dict[str, list[bytes]]) -> None:
        peek = _peeked(raw)
        whose = _subject(peek) if peek is not None else None
        if whose is None:
            self.lost.strangers += 1
        else:
            apart.setdefault(whose, []).append(raw)

    def _lines(self) -> Iterator[bytes]:
        for path in self.paths:
            with path.open("rb") as file:
                first = file.readline()
                if _peeked(first) is None and first.strip().startswith((b"{", b"[")):  # one document over many lines
                    yield first + file.read()
                    continue
                yield from (line for line in (first, *file) if line.strip())


def cohort(places: Sequence[Path]) -> Cohort:
    """Files, or folders of ``*.ndjson`` and ``*.json``. Raises ClickException."""
    paths: list[Path] = []
    for place in places:
        found = sorted(p for p in place.glob("*") if p.suffix in (".ndjson", ".json")) if place.is_dir() else [place]
        if not found:
            raise click.ClickException(f"{place} holds no .ndjson or .json file")
        paths += found
    for path in paths:
        try:
            path.open("rb").close()
        except OSError as error:
            raise click.ClickException(f"{path} can't be read: {error.strerror}") from error
    return Cohort(paths)


def record(source: Source, raw: Raw) -> Record:
    """The patient's record. What can't be decoded is counted in it."""
    decoded = [decode(one) for one in raw.resources]
    return made(source, raw.id, [r for d in decoded for r in d.resources], sum(d.malformed for d in decoded))


_decoder = msgspec.json.Decoder(_Peek)


def _peeked(raw: bytes) -> _Peek | None:
    try:
        return _decoder.decode(raw)
    except fhir.UNREADABLE:
        return None


def _subject(peek: _Peek) -> str | None:
    if peek.resourceType == "Patient":
        return peek.id
    reference = peek.subject or peek.patient
    return fhir.patient_in(reference.reference) if reference is not None and reference.reference else None
