"""One FHIR server as this process reaches it: a GET, and what became of it.

Each server has connections of its own, so that one that answers slowly, or never, holds up nobody else's patients.
Nothing here follows a redirect, keeps a cookie or knows a password but the call's own token.
"""

from __future__ import annotations

import math
import socket
import ssl
import time
from functools import partial
from urllib.parse import quote, urlsplit

from cds.errors import (
    SourceError,
    SourceForeign,
    SourceMalformed,
    SourceRefused,
    SourceTimeout,
    SourceUnreachable,
    SourceUnsupported,
)
from cds.fhir.answer import Answer, Broken
from cds.fhir.connections import Connections
from cds.fhir.rounds import READ, WRITE, Steps, Wait, ready
from cds.settings import FhirSettings
from cds.trust.allowlist import server_of

# a server that can't do a thing (501) or speaks another HTTP (505) will not do it a moment later
_LASTING = frozenset({501, 505})
# larger than a TLS record (16 kB): nothing unpacked stays behind in the library, where no selector sees it
_PIECE = 262_144
_REFUSAL_S = 0.05
"""So long the rest of a refusal is waited for: nobody reads it, but then its connection can be kept."""
# what the allow-list lets pass and a request line does not, the "|" of a FHIR token first
_QUOTED = tuple((odd, quote(odd)) for odd in '|"<>[]^`{}')


class TryAgain(Exception):
    """A passing fault: the same query may be answered a little later, not before ``after`` seconds."""

    def __init__(self, fault: SourceError, after: float = 0.0) -> None:
        super().__init__(str(fault))
        self.fault = fault
        self.after = after


class Upstream:
    """Safe to share between threads; made after the fork."""

    def __init__(self, base: str, settings: FhirSettings, tls: ssl.SSLContext) -> None:
        scheme, host, port = server_of(base)
        self._max_bytes = settings.max_bytes
        self._host = host if port == {"http": 80, "https": 443}[scheme] else f"{host}:{port}"
        self._connections = Connections(
            host.strip("[]"),
            port,
            tls if scheme == "https" else None,
            most=settings.pool_size,
            patience_s=settings.connect_timeout_s,
        )

    def get(self, url: str, headers: str) -> Steps[bytes]:
        """The content of a good answer. ``url`` must have been found to lie on this server; ``headers``: whole lines.

        Raises TryAgain for what may pass, a SourceError for what will not.
        """
        answer = Answer(self._max_bytes)
        try:
            connection = yield from self._connections.take()
            try:
                yield from _sent(connection, f"GET {_target(url)} HTTP/1.1\r\nHost: {self._host}\r\n{headers}\r\n")
                yield from _received(connection, answer)
            finally:
                if not answer.connection_usable:
                    connection.close()
                self._connections.give_back(connection if answer.connection_usable else None)
            return answer.content()
        except (OSError, Broken) as error:
            raise _fault(error, begun=answer.status > 0) from error


def _target(url: str) -> str:
    parts = urlsplit(url)
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    for odd, quoted in _QUOTED:
        target = target.replace(odd, quoted)
    return target


def _sent(connection: socket.socket, request: str) -> Steps[None]:
    left = memoryview(request.encode("latin-1"))
    while left:
        count = yield from ready(partial(connection.send, left), connection, WRITE)
        left = left[count:]


def _received(connection: socket.socket, answer: Answer) -> Steps[None]:
    until = math.inf
    try:
        while not answer.whole:
            # by way of the clock each time: a server that never pauses must not outlast it either
            yield Wait(connection, READ, until)
            piece = yield from ready(partial(connection.recv, _PIECE), connection, READ, until)
            if piece:
                answer.take(piece)
            else:
                answer.end()
            if answer.status >= 300 and until == math.inf:
                until = time.monotonic() + _REFUSAL_S
    except (OSError, Broken):
        _check(answer)  # a refusal is one however it ends
        raise
    _check(answer)


def _check(answer: Answer) -> None:
    """Raises TryAgain or a SourceError for a refusal."""
    status = answer.status
    if status == 429 or (status >= 500 and status not in _LASTING):
        try:
            after = float(answer.headers.get("retry-after", "0"))
        except ValueError:
            after = 0.0  # a date: too far off for a call that lasts two seconds
        raise TryAgain(SourceRefused(f"the FHIR server answered {status}"), after if after > 0 else 0.0)
    if 300 <= status < 400:
        raise SourceForeign("the FHIR server answered with a redirect, which is not followed")
    if status == 404:
        raise SourceUnsupported("the FHIR server answered 404: it keeps no such resources")
    if status >= 400:
        raise SourceRefused(f"the FHIR server answered {status}")


def _fault(error: Exception, *, begun: bool) -> Exception:
    """What a failure means for the query. ``begun``: the head of an answer had come."""
    if isinstance(error, Broken):
        return SourceMalformed(f"the FHIR server's answer is of no use: {error}")
    if begun:
        return SourceMalformed("the FHIR server's answer broke off")
    if isinstance(error, TimeoutError):
        return SourceTimeout("no answer within the deadline")
    unreachable = SourceUnreachable("no connection to the FHIR server")
    # a certificate does not get better by waiting
    return unreachable if isinstance(error, ssl.SSLCertVerificationError) else TryAgain(unreachable)
