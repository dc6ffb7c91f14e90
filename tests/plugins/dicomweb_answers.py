"""What a PACS answers over DICOMweb, rightly and wrongly, as behaviours of the servers in ``servers.py``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from orthanc import BOUNDARY, multipart
from servers import Behaviour, Exchange

DICOM_JSON = "application/dicom+json"
RELATED = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'


def sends_series(parts: Iterable[bytes], headers: Mapping[str, str] | None = None) -> Behaviour:
    body = multipart(parts)
    return lambda exchange: exchange.answer(body, 200, RELATED, headers)


def truncates(parts: Sequence[bytes], share: float = 0.6) -> Behaviour:
    """Only the beginning, though the answer ends as if it were whole."""
    whole = multipart(parts)
    return lambda exchange: exchange.answer(whole[: int(len(whole) * share)], 200, RELATED)


def drops(parts: Sequence[bytes], share: float = 0.6) -> Behaviour:
    """Only the beginning of what was promised, then the connection closes."""
    whole = multipart(parts)

    def behave(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Type": RELATED, "Content-Length": str(len(whole))})
        exchange.write(whole[: int(len(whole) * share)])
        exchange.break_off()

    return behave


def stalls_midway(parts: Sequence[bytes], share: float = 0.6, every: float = 60.0) -> Behaviour:
    """The beginning, then single bytes that far apart."""
    whole = multipart(parts)

    def behave(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Type": RELATED, "Content-Length": str(len(whole))})
        at = int(len(whole) * share)
        exchange.write(whole[:at])
        while at < len(whole) and not exchange.pause(every):
            exchange.write(whole[at : at + 1])
            at += 1
        exchange.break_off()

    return behave


def endless(part: bytes, most: int) -> Behaviour:
    """The same part again and again, chunk by chunk without a length, up to ``most`` times."""

    def behave(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Type": RELATED, "Transfer-Encoding": "chunked"})
        piece = multipart([part])[: -len(BOUNDARY) - 6]
        for _ in range(most):
            exchange.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        exchange.break_off()

    return behave


def row(**tags: str | int) -> dict[str, Any]:
    """One QIDO row: ``row(t0020000D="1.2.3")``."""
    return {tag[1:]: {"vr": "UN", "Value": [value]} for tag, value in tags.items()}


def pages(rows: Sequence[dict[str, Any]], most: int = 1000) -> Behaviour:
    """A search that honours offset and limit, and never sends more than ``most`` rows at once."""

    def behave(exchange: Exchange) -> None:
        offset = int(exchange.hit.query.get("offset", ["0"])[0])
        limit = min(most, int(exchange.hit.query.get("limit", ["1000"])[0]))
        exchange.answer(json.dumps(list(rows[offset : offset + limit])).encode(), 200, DICOM_JSON)

    return behave
