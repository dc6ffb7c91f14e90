"""The transaction to the client's FHIR server: all of it or nothing, and its answer read entry by entry."""

from __future__ import annotations

from functools import partial
from typing import Any

import orjson

from cds.imaging.pacs import Connection, Transient
from cds.imaging.reasons import Reason, Unusable
from cds.imaging.results.fhir import Resource
from cds.imaging.results.guard import Permit

_FHIR_JSON = "application/fhir+json"
_AGAIN = frozenset({429, 500, 502, 503, 504})
_AWAY = frozenset(
    {Reason.PACS_UNREACHABLE, Reason.PACS_TIMEOUT, Reason.PACS_FAILED, Reason.PACS_MALFORMED, Reason.TRUNCATED}
)


def deliver(server: Connection, permit: Permit, transaction: Resource) -> tuple[str, ...]:
    """Where each entry is now, as the server says. ``server``: a connection whose base is the FHIR base.

    Raises Unusable: record-failed (may go better later), record-refused, not-for-clinical-use.
    """
    if permit.test and not all(_marked(entry["resource"]) for entry in transaction["entry"]):
        raise Unusable(Reason.NOT_CLINICAL, "(a resource lacks the mark of a demonstration)")
    try:
        answer = server.patiently(partial(_posted, server, orjson.dumps(transaction)))
    except Unusable as error:
        if error.reason in (Reason.RECORD_FAILED, Reason.RECORD_REFUSED):
            raise
        # the connection speaks of an image archive; this was the patient record
        reason = Reason.RECORD_FAILED if error.reason in _AWAY else Reason.RECORD_REFUSED
        raise Unusable(reason, error.detail) from error
    return _locations(answer, len(transaction["entry"]))


def _marked(resource: Resource) -> bool:
    return any(tag.get("code") == "HTEST" for tag in resource.get("meta", {}).get("tag", ()))


def _posted(server: Connection, body: bytes, deadline: float) -> Any:
    answer = bytearray()
    with server.post("", body, _FHIR_JSON, _FHIR_JSON, deadline) as (status, _headers, pieces):
        for piece in pieces:
            answer += piece
            if len(answer) > server.limits.max_answer_bytes:
                raise Unusable(Reason.RECORD_FAILED, "(a very long answer)")
    if status in _AGAIN:
        raise Transient(Reason.RECORD_FAILED, f"(HTTP {status})")
    if status != 200:
        raise Unusable(Reason.RECORD_FAILED if status >= 500 else Reason.RECORD_REFUSED, f"(HTTP {status})")
    try:
        return orjson.loads(answer)
    except orjson.JSONDecodeError as error:
        raise Unusable(Reason.RECORD_FAILED, "(not JSON)") from error


def _locations(answer: Any, count: int) -> tuple[str, ...]:
    entries = answer.get("entry") if isinstance(answer, dict) else None
    if not isinstance(entries, list) or len(entries) != count:
        raise Unusable(Reason.RECORD_FAILED, "(the answer is not that of a transaction)")
    found = []
    for entry in entries:
        response = entry.get("response") if isinstance(entry, dict) else None
        status = str(response.get("status", "")) if isinstance(response, dict) else ""
        if not status.startswith("2"):
            raise Unusable(Reason.RECORD_REFUSED, f"(an entry was answered with {status[:3] or 'nothing'})")
        found.append(str(response.get("location", "")) if isinstance(response, dict) else "")
    return tuple(found)
