"""One FHIR server as this process reaches it: a GET, and what became of it.

Nothing here follows a redirect, keeps a cookie or knows a password but the call's own token.
"""

from __future__ import annotations

import re
import threading
from pathlib import Path
from urllib.parse import quote, urlsplit

import pycurl

from cds.errors import (
    SourceError,
    SourceForeign,
    SourceMalformed,
    SourceRefused,
    SourceTimeout,
    SourceUnreachable,
    SourceUnsupported,
)
from cds.fhir.rounds import Get, Steps
from cds.fhir.transfers import Answer
from cds.trust.allowlist import server_of

_MEANS = {
    401: ": it does not take the access token, or wants one",
    403: ": what the access token allows does not cover this query",
}
# a server that can't do a thing (501) or speaks another HTTP (505) will not do it a moment later
_LASTING = frozenset({501, 505})
_LOST = frozenset(
    {
        pycurl.E_COULDNT_RESOLVE_HOST,
        pycurl.E_COULDNT_CONNECT,
        pycurl.E_SSL_CONNECT_ERROR,
        pycurl.E_GOT_NOTHING,
        pycurl.E_SEND_ERROR,
        pycurl.E_RECV_ERROR,
    }
)
"""No connection, or one that was lost: it may be better a moment later, if no answer had begun."""
_CERTIFICATE = frozenset({pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CACERT_BADFILE})
"""One that does not get better by waiting."""
_ODD = re.compile(r"[^A-Za-z0-9/?%:@!$&'()*+,;=._~-]")
"""What a request line may not hold: the "|" of a FHIR token, for one."""


class TryAgain(Exception):
    """A passing fault: the same query may be answered a little later, not before ``after`` seconds."""

    def __init__(self, fault: SourceError, after: float = 0.0) -> None:
        super().__init__(str(fault))
        self.fault = fault
        self.after = after


class Upstream:
    """Safe to share between threads; made after the fork."""

    def __init__(self, base: str, most: int, certificate: tuple[Path, Path] | None = None) -> None:
        """``most``: queries at a time, so that one that answers slowly, or never, is not asked without end.
        ``certificate``: ours and its key (PEM), shown to a server that asks for one."""
        scheme, host, port = server_of(base)
        self._origin = f"{scheme}://{host}:{port}"
        self._places = threading.BoundedSemaphore(most)
        self._certificate = certificate and (str(certificate[0]), str(certificate[1]))

    def get(self, url: str, headers: list[str], not_before: float) -> Steps[bytes]:
        """The content of a good answer. ``url`` must have been found to lie on this server.

        Raises TryAgain for what may pass, a SourceError for what will not.
        """
        parts = urlsplit(url)
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        # the host as the allow-list read it: nobody else gets to read it otherwise
        answer = yield Get(
            self._origin + _ODD.sub(_quoted, target), headers, self._places, not_before, self._certificate
        )
        _check(answer)
        return answer.content


def _quoted(odd: re.Match[str]) -> str:
    return quote(odd[0])


def _check(answer: Answer) -> None:
    """Raises TryAgain or a SourceError for what is not a whole good answer."""
    status = answer.status
    if status == 429 or (status >= 500 and status not in _LASTING):
        raise TryAgain(SourceRefused(f"the FHIR server answered {status}"), answer.retry_after)
    if 300 <= status < 400:
        raise SourceForeign("the FHIR server answered with a redirect, which is not followed")
    if status == 404:
        raise SourceUnsupported("the FHIR server answered 404: it has no such resource, or keeps none of this type")
    if status >= 400:
        raise SourceRefused(f"the FHIR server answered {status}{_MEANS.get(status, '')}")
    if answer.too_large:
        raise SourceMalformed("the FHIR server's answer is larger than fhir.max_bytes allows")
    if answer.error == pycurl.E_OPERATION_TIMEDOUT:
        raise SourceTimeout("no connection to the FHIR server within fhir.connect_timeout_s")
    if answer.error == pycurl.E_SSL_CERTPROBLEM:
        raise SourceUnreachable("our certificate for the FHIR server can't be read")
    if answer.error in _CERTIFICATE:
        raise SourceUnreachable("the FHIR server's certificate is not one to trust")
    if answer.error in _LOST and status < 200:
        raise TryAgain(SourceUnreachable("no connection to the FHIR server"))
    if answer.error == pycurl.E_PARTIAL_FILE:
        raise SourceMalformed("the FHIR server's answer broke off before its end")
    if answer.error != pycurl.E_OK:
        raise SourceMalformed(f"the FHIR server's answer can't be read (libcurl error {answer.error})")
