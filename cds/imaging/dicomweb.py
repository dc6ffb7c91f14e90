"""DICOMweb as a client: what a PACS has (QIDO-RS) and one series' pixels as a stream of instances (WADO-RS).

A series is one GET with ``transfer-syntax=*``: the PACS sends what it stores and transcodes nothing, which is fastest
and keeps clear of transcoders that fail (DICOM PS3.18 §10.4, §10.6).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from cds.imaging.multipart import Splitter, boundary_of
from cds.imaging.pacs import Connection, Limits, Pacs, Transient
from cds.imaging.reasons import Reason, Unusable

_JSON = "application/dicom+json"
_ANY_SYNTAX = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_UID = re.compile(r"[0-9]+(\.[0-9]+)*", re.ASCII)
Row = dict[str, Any]


@dataclass(frozen=True)
class StudyRow:
    uid: str
    date: str
    """YYYYMMDD, "" if not said."""
    time: str
    accession: str
    modalities: tuple[str, ...]
    description: str
    born: str = ""
    """YYYYMMDD, "" if not said."""
    images: int | None = None
    """How many the PACS says it has; many do not say."""


@dataclass(frozen=True)
class SeriesRow:
    uid: str
    modality: str
    number: int | None
    description: str
    body_part: str
    instances: int | None
    """How many the PACS says it has; many do not say."""


@dataclass(frozen=True)
class InstanceRow:
    uid: str
    sop_class: str
    number: int | None
    frames: int


class DicomWeb:
    """One PACS. Every method raises Unusable with its reason; none returns part of an answer."""

    def __init__(self, pacs: Pacs, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.connection = Connection(pacs, self.limits)
        self.received = 0
        """Bytes of series since it was opened."""

    def close(self) -> None:
        self.connection.close()

    def studies(self, **match: str) -> list[StudyRow]:
        """By DICOM keywords, such as ``StudyDate="20260101-"``, ``PatientID=...``, ``ModalitiesInStudy="CT"``."""
        return [
            StudyRow(
                uid=_uid(_text(row, "0020000D")),
                date=_text(row, "00080020"),
                time=_text(row, "00080030"),
                accession=_text(row, "00080050"),
                modalities=_texts(row, "00080061"),
                description=_text(row, "00081030"),
                born=_text(row, "00100030"),
                images=_number(row, "00201208"),
            )
            for row in self._search("/studies", "0020000D", match)
        ]

    def series(self, study_uid: str) -> list[SeriesRow]:
        return [
            SeriesRow(
                uid=_uid(_text(row, "0020000E")),
                modality=_text(row, "00080060"),
                number=_number(row, "00200011"),
                description=_text(row, "0008103E"),
                body_part=_text(row, "00180015"),
                instances=_number(row, "00201209"),
            )
            for row in self._search(f"/studies/{_uid(study_uid)}/series", "0020000E", {})
        ]

    def instances(self, study_uid: str, series_uid: str) -> list[InstanceRow]:
        path = f"/studies/{_uid(study_uid)}/series/{_uid(series_uid)}/instances"
        return [
            InstanceRow(
                uid=_uid(_text(row, "00080018")),
                sop_class=_text(row, "00080016"),
                number=_number(row, "00200013"),
                frames=_number(row, "00280008") or 1,
            )
            for row in self._search(path, "00080018", {})
        ]

    @contextmanager
    def series_parts(
        self, study_uid: str, series_uid: str, deadline: float, alive: Callable[[], None] = lambda: None
    ) -> Iterator[Iterator[bytes]]:
        """The series' instances as they are stored, one after the other while they arrive. ``alive`` is called as
        bytes do; it may raise.

        Read to its end, the iterator has seen the final delimiter or raises truncated, as a ``Transient``.
        """
        path = f"/studies/{_uid(study_uid)}/series/{_uid(series_uid)}"
        with self.connection.get(path, {}, _ANY_SYNTAX, deadline) as (status, headers, pieces):
            if status == 204:
                raise Unusable(Reason.NOT_FOUND)
            yield self._parts(boundary_of(headers.get("Content-Type", "")), pieces, alive)

    def _parts(self, boundary: bytes, pieces: Iterator[bytes], alive: Callable[[], None]) -> Iterator[bytes]:
        splitter = Splitter(boundary, self.limits.max_instance_bytes)
        size = 0
        for piece in pieces:
            size += len(piece)
            self.received += len(piece)
            alive()
            if size > self.limits.max_bytes:
                raise Unusable(Reason.TOO_LARGE, f"(more than {self.limits.max_bytes} bytes)")
            yield from splitter.feed(piece)
        if not splitter.closed:
            raise Transient(Reason.TRUNCATED)

    def _search(self, path: str, key: str, match: Mapping[str, str]) -> list[Row]:
        """All pages. ``key``: the tag that tells rows apart, since some servers repeat the last page for ever."""
        found: dict[str, Row] = {}
        while True:
            query: dict[str, str | int] = {**match, "limit": self.limits.page_rows, "offset": len(found)}
            rows = self.connection.patiently(partial(self.rows, path, query))
            new = {_text(row, key): row for row in rows if _text(row, key) not in found}
            found |= new
            if len(found) > self.limits.max_rows:
                raise Unusable(Reason.TOO_LARGE, f"(more than {self.limits.max_rows} rows)")
            # a server with a smaller page of its own sends fewer rows than asked; only an empty or a repeated page
            # says that nothing is left
            if not new:
                return list(found.values())

    def rows(self, path: str, query: Mapping[str, str | int], deadline: float, what: str = "a page") -> list[Row]:
        """One answer in the DICOM JSON model. ``what``: what it is, should it be too large. Raises Unusable."""
        body = bytearray()
        with self.connection.get(path, query, _JSON, deadline) as (status, _headers, pieces):
            if status == 204:
                return []
            for piece in pieces:
                body += piece
                if len(body) > self.limits.max_answer_bytes:
                    raise Unusable(Reason.TOO_LARGE, f"({what} of more than {self.limits.max_answer_bytes} bytes)")
        try:
            rows = orjson.loads(body) if body else []
        except orjson.JSONDecodeError as error:
            raise Unusable(Reason.PACS_MALFORMED, "(not JSON)") from error
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Unusable(Reason.PACS_MALFORMED, "(not a list of DICOM JSON objects)")
        return rows


def _texts(row: Row, tag: str) -> tuple[str, ...]:
    """Values of one element of the DICOM JSON model (PS3.18 Annex F), tolerant of what is not there."""
    element = row.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    if not isinstance(values, list):
        return ()
    return tuple(str(value).strip() for value in values if isinstance(value, str | int | float))


def _text(row: Row, tag: str) -> str:
    values = _texts(row, tag)
    return values[0] if values else ""


def _number(row: Row, tag: str) -> int | None:
    text = _text(row, tag)
    try:
        return int(float(text)) if text else None
    except (ValueError, OverflowError):
        return None


def _uid(text: str) -> str:
    """What goes into an address must be a UID and nothing else. Raises Unusable (pacs-malformed)."""
    if len(text) > 64 or not _UID.fullmatch(text):
        raise Unusable(Reason.PACS_MALFORMED, "(not a DICOM UID)")
    return text
