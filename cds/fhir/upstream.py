"""One FHIR server as this process reaches it: its own connections and its own threads.

Each server has threads of its own, so that one that answers slowly, or never, holds up nobody else's patients. Of
``requests`` the transport adapter is used (its certificates and its pool of connections) and not the session, which
would follow redirects, keep one hospital's cookies for another and ask the environment for proxies and passwords. Its
pool is asked directly: preparing the same request anew for each query took longer than sending it.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NewConnectionError, ProtocolError, SSLError, TimeoutError

from cds.errors import (
    SourceError,
    SourceForeign,
    SourceMalformed,
    SourceRefused,
    SourceTimeout,
    SourceUnreachable,
    SourceUnsupported,
)
from cds.settings import FhirSettings

# a server that can't do a thing (501) or speaks another HTTP (505) will not do it a moment later
_LASTING = frozenset({501, 505})
_CHUNK = 65536


class TryAgain(Exception):
    """A passing fault: the same query may be answered a little later, not before ``after`` seconds."""

    def __init__(self, fault: SourceError, after: float = 0.0) -> None:
        super().__init__(str(fault))
        self.fault = fault
        self.after = after


class Patience:
    """A wait for the head of an answer, to be ended from another thread.

    A socket's time limit bounds one piece of an answer: a server that sends its headers a byte at a time would hold
    its thread for as long as it likes. (A body is read piece by piece, with a look at the clock.)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def begin(self, waiting: socket.socket | None) -> None:
        with self._lock:
            self._socket = waiting

    def end(self) -> None:
        with self._lock:
            self._socket = None

    def lose(self) -> None:
        with self._lock:
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    # of the plain socket: TLS need not be closed in good manners with such a server
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class _Asked(threading.local):
    patience: Patience | None = None


_asked = _Asked()


class _Impatient:
    """A connection that says which socket it waits on."""

    def getresponse(self: Any) -> Any:
        patience = _asked.patience
        if patience is None:
            return super().getresponse()  # type: ignore[misc]
        patience.begin(self.sock)
        try:
            return super().getresponse()  # type: ignore[misc]
        finally:
            patience.end()


class _Plain(_Impatient, HTTPConnection):
    pass


class _Secure(_Impatient, HTTPSConnection):
    pass


class _Adapter(HTTPAdapter):
    def pool(self, base: str, verify: str | bool, shown: tuple[str, str] | None) -> HTTPConnectionPool:
        """The connections to one server, its certificate checked as ``requests`` checks it; ``shown``: ours and its
        key."""
        request = requests.Request("GET", base).prepare()
        pool = cast(HTTPConnectionPool, self.get_connection_with_tls_context(request, verify, cert=shown))
        self.cert_verify(pool, base, verify, shown)  # type: ignore[no-untyped-call]
        pool.ConnectionCls = _Secure if pool.scheme == "https" else _Plain
        return pool


class Upstream:
    """Safe to share between threads; made after the fork."""

    def __init__(
        self, base: str, settings: FhirSettings, verify: str | bool, certificate: tuple[Path, Path] | None = None
    ) -> None:
        """Raises SourceUnreachable when there is a certificate of ours and it can't be read."""
        self.threads = ThreadPoolExecutor(settings.pool_size, thread_name_prefix="fhir")
        self._settings = settings
        shown = (str(certificate[0]), str(certificate[1])) if certificate is not None else None
        try:
            self._pool = _Adapter(pool_connections=1, pool_maxsize=settings.pool_size).pool(base, verify, shown)
        except OSError as error:
            raise SourceUnreachable("our certificate for the FHIR server can't be read") from error

    def get(self, url: str, headers: dict[str, str], deadline: float, patience: Patience) -> bytes:
        """The body of a good answer. ``url`` must have been found to lie on this server.

        Raises TryAgain for what may pass, a SourceError for what will not.
        """
        left = deadline - time.monotonic()
        if left <= 0:
            raise SourceTimeout("no answer within the deadline")
        parts = urlsplit(url)
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        response = self._sent(path, headers, left, patience)
        try:
            _check(response)
            return self._body(response, deadline)
        except TimeoutError as error:
            raise SourceTimeout("no answer within the deadline") from error
        except HTTPError as error:
            raise SourceMalformed(f"the FHIR server's answer broke off: {type(error).__name__}") from error
        finally:
            # one that was read to its end is back in the pool already; of any other the rest must not be taken for
            # the next answer
            response.close()

    def _sent(self, path: str, headers: dict[str, str], left: float, patience: Patience) -> BaseHTTPResponse:
        timeout = Timeout(connect=min(self._settings.connect_timeout_s, left), read=left)
        _asked.patience = patience
        try:
            return self._pool.urlopen(
                "GET",
                path,
                headers=headers,
                timeout=timeout,
                retries=False,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
            )
        except (NewConnectionError, ProtocolError, SSLError) as error:
            raise TryAgain(SourceUnreachable("no connection to the FHIR server")) from error
        except TimeoutError as error:
            raise SourceTimeout("no answer within the deadline") from error
        except OSError as error:
            raise TryAgain(SourceUnreachable("no connection to the FHIR server")) from error
        except HTTPError as error:
            raise SourceMalformed(f"the FHIR server's answer can't be read: {type(error).__name__}") from error
        finally:
            _asked.patience = None

    def _body(self, response: BaseHTTPResponse, deadline: float) -> bytes:
        """Read in pieces: a server that drips must not outlast the deadline, a large answer not fill the memory."""
        chunks: list[bytes] = []
        size = 0
        # read1 hands over what has arrived; a plain read would wait until a whole piece has
        while chunk := response.read1(_CHUNK, decode_content=True):
            size += len(chunk)
            if size > self._settings.max_bytes:
                raise SourceMalformed("the FHIR server's answer is larger than fhir.max_bytes allows")
            if time.monotonic() > deadline:
                raise SourceTimeout("the answer was still arriving at the deadline")
            chunks.append(chunk)
        return b"".join(chunks)


def _check(response: BaseHTTPResponse) -> None:
    status = response.status
    if status == 429 or (status >= 500 and status not in _LASTING):
        try:
            after = float(response.headers.get("Retry-After", 0))
        except ValueError:
            after = 0.0  # a date: too far off for a call that lasts two seconds
        raise TryAgain(SourceRefused(f"the FHIR server answered {status}"), after if after > 0 else 0.0)
    if 300 <= status < 400:
        raise SourceForeign("the FHIR server answered with a redirect, which is not followed")
    if status == 404:
        raise SourceUnsupported("the FHIR server answered 404: it keeps no such resources")
    if status >= 400:
        raise SourceRefused(f"the FHIR server answered {status}")
