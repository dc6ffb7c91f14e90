"""Reading an HTTP answer of a FHIR server or a CDS service: its JSON, or the sentence that says what went wrong."""

from __future__ import annotations

from typing import Any

import requests

from cds.errors import SourceMalformed, SourceRefused, SourceTimeout, SourceUnreachable

_TIMEOUT_S = (3, 30)
"""To connect, to answer."""


def send(session: requests.Session, method: str, url: str, **more: Any) -> requests.Response:
    """Raises SourceTimeout or SourceUnreachable; any status is an answer."""
    try:
        return session.request(method, url, timeout=_TIMEOUT_S, **more)
    except requests.Timeout as error:
        raise SourceTimeout(f"no answer within {_TIMEOUT_S[1]} seconds") from error
    except requests.RequestException as error:
        raise SourceUnreachable("nothing answers at its address; is it running?") from error


def content(answer: requests.Response) -> Any:
    """The JSON of a 2xx answer (None if it has no body). Raises SourceRefused or SourceMalformed."""
    if not answer.ok:
        raise SourceRefused(f"HTTP {answer.status_code}: {fault(answer)}")
    if not answer.content:
        return None
    try:
        return answer.json()
    except ValueError as error:
        raise SourceMalformed(f"HTTP {answer.status_code}, but the answer is not JSON") from error


def fault(answer: requests.Response) -> str:
    """The words of an OperationOutcome, without a full stop; else HTTP's own reason phrase."""
    try:
        issue = answer.json()["issue"][0]
        return str(issue.get("details", {}).get("text") or issue["diagnostics"]).rstrip(".")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return answer.reason or "no reason given"
