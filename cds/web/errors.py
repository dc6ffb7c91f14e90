"""Every error as an OperationOutcome (CDS Hooks 3.0 ballot: bodies of non-2xx answers), from one handler; for who reads
a report in a browser, as a page."""

from __future__ import annotations

import logging
from typing import Any

import orjson
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from cds.errors import CdsError, NotAuthenticated, NotTaken, Overloaded, ReportRefused, RequestError, RequestTooLarge
from cds.web import refusals

_log = logging.getLogger("cds.web")

# FHIR R4 value set issue-type, by status
_ISSUE = {
    400: "invalid",
    401: "login",
    403: "security",
    404: "not-found",
    405: "not-supported",
    412: "required",
    413: "too-long",
}

UNFORESEEN = "The service met an unforeseen error; the operator's log has the place"

_RETRY_AFTER_S = "30"
"""What answers 503 is a database or a queue, which seldom are away for longer."""


def outcome(status: int, code: str, text: str, retry_after_s: int | None = None) -> Response:
    """``retry_after_s``: after what time an overload is likely to be over."""
    if refusals.wanted():
        return refusals.page(status, code)
    body = outcome_body(status, code, text, throttled=bool(retry_after_s))
    answer = Response(body, status=status, content_type="application/fhir+json")
    if status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    if status == 503:
        answer.headers["Retry-After"] = str(retry_after_s) if retry_after_s else _RETRY_AFTER_S
    return answer


def outcome_body(status: int, code: str, text: str, *, throttled: bool = False) -> bytes:
    body: dict[str, Any] = {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "throttled" if throttled else _ISSUE.get(status, "processing"),
                "details": {"coding": [{"system": "urn:cds:error", "code": code}], "text": text},
            }
        ],
    }
    return orjson.dumps(body)


def init_errors(app: Flask) -> None:
    app.register_error_handler(CdsError, _known)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unforeseen)


def _known(error: CdsError) -> Response:
    g.error_code = error.code
    if isinstance(error, Overloaded):
        return outcome(error.status, error.code, str(error), error.retry_after_s)
    if isinstance(error, NotAuthenticated):
        # the reason is for the operator; a caller that can't authenticate learns nothing from us
        _log.warning("call.refused code=%s reason=%s", error.code, error)
        return outcome(401, error.code, "Not authenticated")
    if isinstance(error, ReportRefused):
        _log.warning("report.refused code=%s reason=%s", error.code, error)
    if isinstance(error, RequestError | ReportRefused | NotTaken):
        return outcome(error.status, error.code, str(error))
    _log.error("call.failed code=%s error=%s", error.code, error)
    return outcome(error.status, error.code, "The service could not answer; the operator's log has the reason")


def _http(error: HTTPException) -> Response:
    if isinstance(error, RequestEntityTooLarge):
        limit = request.max_content_length or 0
        return _known(
            RequestTooLarge(f"the body is larger than {limit} bytes; send less prefetch, or raise max_body_bytes")
        )
    status = error.code or 500
    allowed = sorted(getattr(error, "valid_methods", None) or ()) if status == 405 else []
    text = error.description or error.name
    if status == 404:
        text = "nothing is at this address: GET /cds-services, POST /cds-services/{id}, without a slash at the end"
    elif allowed:
        text = f"this address takes {', '.join(m for m in allowed if m != 'OPTIONS')}, no other method"
    answer = outcome(status, f"CDS-{status}", text)
    if allowed:
        answer.headers["Allow"] = ", ".join(allowed)
    return answer


def _unforeseen(error: Exception) -> Response:
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place is not None else "?"
    # no message: it may hold a patient's values
    _log.error("call.failed code=CDS-500 error=%s at=%s", type(error).__name__, where)
    g.error_code = "CDS-500"
    return outcome(500, "CDS-500", UNFORESEEN)
