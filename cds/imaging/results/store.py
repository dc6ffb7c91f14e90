"""Objects into the PACS: asked first, sent once, believed only when the PACS shows them.

QIDO before STOW, since a retry must not send what is there; the STOW answer read instance by instance (DICOM PS3.18
§10.5.3); QIDO after it. One object a request, what is referred to before what refers to it: a report never stands in
the archive without its segmentation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from pydicom.dataset import Dataset

from cds.imaging.dicomweb import DicomWeb
from cds.imaging.pacs import Transient
from cds.imaging.reasons import Reason, Unusable
from cds.imaging.results.guard import SHORT, Permit
from cds.imaging.results.objects import encoded

_JSON = "application/dicom+json"
_FAILED, _FAILURE, _UID = "00081198", "00081197", "00081155"
_ALREADY = 0x0111
"""Duplicate SOP instance (PS3.7 C.5.10): the search that follows shows whether it is so."""
_NO_ROOM = range(0xA700, 0xA800)
"""Out of resources (PS3.4 B.2.3)."""
_AGAIN = frozenset({429, 500, 502, 503, 504})
_LOOKS = (0.0, 0.2, 0.5, 1.0, 2.0)
"""Pauses in seconds before each look for what was stored: some archives index a moment later."""


@dataclass(frozen=True)
class Stored:
    uids: tuple[str, ...]
    """SOP Instance UIDs, all seen in the PACS."""
    sent: int
    """How many were not there before."""


def store(
    web: DicomWeb, permit: Permit, objects: Sequence[Dataset], alive: Callable[[], None] = lambda: None
) -> Stored:
    """All ``objects``, in this order, or Unusable: pacs-full, store-refused, store-lost, not-for-clinical-use, or
    what a PACS that can't be reached raises. What is stored by then stays, and is not sent again. ``alive`` is called
    before each request; it may raise."""
    for ds in objects:
        # the permit says what the objects must say of themselves; an unmarked one must have come another way
        if permit.test and not str(ds.get("SeriesDescription", "")).startswith(SHORT):
            raise Unusable(Reason.NOT_CLINICAL, "(an object lacks the mark of a demonstration)")
    sent = sum(web.connection.patiently(partial(_one, web, ds, alive)) for ds in objects)
    return Stored(tuple(str(ds.SOPInstanceUID) for ds in objects), sent)


def _one(web: DicomWeb, ds: Dataset, alive: Callable[[], None], deadline: float) -> bool:
    """Whether it had to be sent."""
    alive()
    if _there(web, ds):
        return False
    alive()
    answer = _posted(web, ds, deadline)
    _accepted(answer, str(ds.SOPInstanceUID))
    for pause in _LOOKS:
        time.sleep(min(pause, max(0.0, deadline - time.monotonic())))
        alive()
        if _there(web, ds):
            return True
    raise Unusable(Reason.STORE_LOST)


def _there(web: DicomWeb, ds: Dataset) -> bool:
    try:
        rows = web.instances(str(ds.StudyInstanceUID), str(ds.SeriesInstanceUID))
    except Unusable as error:
        if error.reason is Reason.NOT_FOUND:
            return False
        raise
    return any(row.uid == str(ds.SOPInstanceUID) for row in rows)


def _posted(web: DicomWeb, ds: Dataset, deadline: float) -> dict[str, Any]:
    """The answer's data set. Raises Unusable."""
    content = encoded(ds)
    # cannot occur in the content by chance, and is the same for the same object
    edge = f"cds-{ds.SOPInstanceUID}".encode()
    body = b"--" + edge + b"\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n--" + edge + b"--\r\n"
    kind = f'multipart/related; type="application/dicom"; boundary={edge.decode()}'
    answer = bytearray()
    with web.connection.post(f"/studies/{ds.StudyInstanceUID}", body, kind, _JSON, deadline) as (status, _, pieces):
        for piece in pieces:
            answer += piece
            if len(answer) > web.limits.max_answer_bytes:
                raise Unusable(Reason.PACS_MALFORMED, "(a very long answer)")
    if status == 507:
        raise Unusable(Reason.PACS_FULL)
    if status in _AGAIN:
        raise Transient(Reason.PACS_FAILED, f"(HTTP {status})")
    if status in (401, 403):
        raise Unusable(Reason.PACS_REFUSED, f"(HTTP {status})")
    # 202: with warnings or failures; 409: all failed; both say which
    if status not in (200, 202, 409):
        raise Unusable(Reason.STORE_REFUSED, f"(HTTP {status})")
    try:
        found = orjson.loads(answer) if answer else {}
    except orjson.JSONDecodeError as error:
        raise Unusable(Reason.PACS_MALFORMED, "(not JSON)") from error
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, dict):
        raise Unusable(Reason.PACS_MALFORMED, "(not a DICOM JSON object)")
    if status == 409 and not _failures(found):
        raise Unusable(Reason.STORE_REFUSED, "(HTTP 409)")
    return found


def _failures(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Items of the Failed SOP Sequence. An element without a value is success: archives send it always."""
    element = answer.get(_FAILED)
    items = element.get("Value") if isinstance(element, dict) else None
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _accepted(answer: dict[str, Any], uid: str) -> None:
    for item in _failures(answer):
        about, code = _value(item, _UID), _value(item, _FAILURE)
        if about not in (None, uid) or code == _ALREADY:
            continue
        if isinstance(code, int) and code in _NO_ROOM:
            raise Unusable(Reason.PACS_FULL, f"(failure reason {code:04X}H)")
        raise Unusable(Reason.STORE_REFUSED, f"(failure reason {code:04X}H)" if isinstance(code, int) else "")


def _value(item: dict[str, Any], tag: str) -> Any:
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values[0] if isinstance(values, list) and values else None
