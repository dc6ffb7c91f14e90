"""Bytes into typed resources, tolerantly.

A Bundle is decoded in one pass; when anything in it can't be, each resource is decoded by itself, so that one malformed
entry is counted and left out (measured: benchmarks/RESULTS.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from cds.fhir.resources import KNOWN_TYPES, UNREADABLE, Clinical, OperationOutcome, Patient
from cds.half_characters import mended


class Link(msgspec.Struct, gc=False):
    relation: str | None = None
    url: str | None = None


_NOTHING, _NO_MATCH = msgspec.Raw(b""), ("include", "outcome")


class _Entry(msgspec.Struct, gc=False):
    resource: msgspec.Raw = _NOTHING
    search: Any = None


class _Search(msgspec.Struct, gc=False):
    mode: str | None = None


class Bundle(msgspec.Struct, tag_field="resourceType", gc=False):
    entry: list[_Entry | None] | None = []
    link: list[Link | None] | None = []
    total: Any = None


class _Head(msgspec.Struct, gc=False):
    resourceType: str


class _WholeEntry(msgspec.Struct, gc=False):
    resource: Clinical | OperationOutcome | msgspec.UnsetType = msgspec.UNSET
    search: _Search | None = None


class _WholeBundle(msgspec.Struct, tag_field="resourceType", tag="Bundle", gc=False):
    """A Bundle in which every resource is of a type we read, and well-formed: as good as all of them."""

    entry: list[_WholeEntry] = []
    link: list[Link] = []
    total: Any = None


_whole, _pieces = msgspec.json.Decoder(Clinical | _WholeBundle | OperationOutcome), msgspec.json.Decoder(Bundle)
_one, _head = msgspec.json.Decoder(Clinical | OperationOutcome), msgspec.json.Decoder(_Head)


@dataclass
class Decoded:
    """What one JSON value held."""

    resources: list[Any] = field(default_factory=list)
    is_bundle: bool = False
    outcome: OperationOutcome | None = None
    """An OperationOutcome at the top level: the query failed."""
    warnings: int = 0
    """OperationOutcomes among the entries: the server had something to say of the search."""
    malformed: int = 0
    """Resources of a known type that could not be read."""
    other: int = 0
    """Resources of types the record doesn't use."""
    next_url: str | None = None
    self_url: str | None = None
    total: int | None = None
    """How many the search found, on all pages; None when it doesn't say."""
    matches: int = 0
    """Entries that are here because the search found them, read or not; others were included for their sake."""
    readable: bool = True
    """False: not JSON, or not FHIR."""


def decode(raw: bytes) -> Decoded:
    """Never raises: what can't be read is counted in the result."""
    try:
        value = _whole.decode(raw)
    except UNREADABLE:
        return _piecemeal(raw) if (whole := mended(raw)) is raw else decode(whole)
    found = Decoded()
    if isinstance(value, _WholeBundle):
        _read_search(value, found)
        for entry in value.entry:
            if entry.resource is not msgspec.UNSET:
                found.matches += entry.search is None or entry.search.mode not in _NO_MATCH
                _keep(entry.resource, found)
    elif isinstance(value, OperationOutcome):
        found.outcome = value
    else:
        _keep(value, found)
    return found


def _piecemeal(raw: bytes) -> Decoded:
    found, kind = Decoded(), _type_of(raw)
    if kind == "Bundle":
        try:
            _read_bundle(_pieces.decode(raw), found)
        except UNREADABLE:
            found.readable = False
    elif kind is None or kind == "OperationOutcome":
        found.readable = False
    elif kind in KNOWN_TYPES:
        found.malformed = 1
    else:
        found.other = 1
    return found


def _read_search(bundle: Bundle | _WholeBundle, found: Decoded) -> None:
    found.is_bundle = True
    found.total = bundle.total if type(bundle.total) is int else None
    for link in bundle.link or ():
        if link is None:
            continue
        if link.relation == "next":
            found.next_url = link.url
        elif link.relation == "self":
            found.self_url = link.url


def _read_bundle(bundle: Bundle, found: Decoded) -> None:
    _read_search(bundle, found)
    for entry in bundle.entry or ():
        if entry is None or not bytes(entry.resource):
            found.malformed += entry is None  # of whatever was to stand here
            continue
        found.matches += not isinstance(entry.search, dict) or entry.search.get("mode") not in _NO_MATCH
        try:
            value = _one.decode(entry.resource)
        except UNREADABLE:
            if _type_of(bytes(entry.resource)) in KNOWN_TYPES:
                found.malformed += 1
            else:
                found.other += 1
            continue
        _keep(value, found)


def _keep(resource: Any, found: Decoded) -> None:
    if not isinstance(resource, OperationOutcome):
        found.resources.append(resource)
        if isinstance(resource, Patient) and resource.dead is None:
            found.malformed += 1  # kept, and told of: what else it says is good
    elif any(issue.severity in ("error", "fatal") for issue in resource.issue):
        found.warnings += 1


def _type_of(raw: bytes) -> str | None:
    try:
        return _head.decode(raw).resourceType
    except UNREADABLE:
        return None
