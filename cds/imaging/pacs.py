"""One connection to a PACS: listed addresses only, no redirect, every wait bounded, what went wrong as a reason code.

urllib3 without its retries, redirects, cookies or proxies from the environment: a request goes where it says, once.
Credentials are basic, bearer or a client certificate (mTLS); none is ever shown.
"""

from __future__ import annotations

import base64
import random
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError, SSLError
from urllib3.exceptions import TimeoutError as WaitedTooLong

from cds.errors import SettingsError, SourceForeign
from cds.imaging.reasons import Reason, Unusable
from cds.imaging.watchdog import Plain, Secure, Watchdog, watched
from cds.trust.allowlist import AllowList

_CHUNK = 1 << 18
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 30.0
NO_SUCH_NAME = "(no server of that name)"
_AT_THE_LIMIT = "(still sending at the time limit)"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_AGAIN = frozenset({429, 500, 502, 503, 504})
T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """What one fetch may cost."""

    connect_s: float = 5.0
    idle_s: float = 30.0
    """Longest silence within an answer."""
    total_s: float = 600.0
    """One series or one search, all attempts together."""
    attempts: int = 3
    """Of a request whose connection drops or that gets 429 or 5xx."""
    max_bytes: int = 4_500_000_000
    """One series, as sent."""
    max_instance_bytes: int = 1_500_000_000
    """One instance: an enhanced CT is a whole series."""
    max_slices: int = 2_000
    """One series; of 512 x 512 that is 1 GB of HU, of 1024 x 1024 all that ``max_decoded_bytes`` allows."""
    max_decoded_bytes: int = 4_200_000_000
    """One series as HU: a few hundred bytes may stand for 32 MB, so what is sent says nothing of it."""
    study_series: int = 100
    """Of one study; further ones are left unread, as below."""
    study_bytes: int = 10_000_000_000
    """As sent, after which no further series of a study is begun."""
    study_s: float = 3600.0
    max_answer_bytes: int = 20_000_000
    """One page of a search."""
    page_rows: int = 500
    max_rows: int = 20_000
    """One search, all pages."""


@dataclass(frozen=True)
class Pacs:
    """Where the PACS is and with what it may be asked."""

    base: str
    """DICOMweb base address, such as https://pacs.example/dicom-web."""
    listed: tuple[str, ...]
    """Base addresses that may be called."""
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    certificate: Path | None = None
    """The client's own (PEM), for mTLS."""
    key: Path | None = None
    allow_plain_credentials: bool = False
    """Send user and password or token over http to another machine."""

    def __post_init__(self) -> None:
        """Raises SettingsError for what can't be meant."""
        if self.user is not None and self.token is not None:
            raise SettingsError("pacs: give 'user' and 'password' or 'token', not both")
        if (self.user is None) != (self.password is None):
            raise SettingsError("pacs: 'user' and 'password' belong together; one is missing")
        if (self.certificate is None) != (self.key is None):
            raise SettingsError("pacs: 'certificate' and 'key' belong together; one is missing")
        parts = urlsplit(self.base)
        secret = self.user is not None or self.token is not None
        if parts.scheme == "http" and secret and parts.hostname not in _LOOPBACK and not self.allow_plain_credentials:
            raise SettingsError(
                "pacs: credentials would travel unencrypted; use an https address, or set 'allow_plain_credentials' "
                "if the network between is trusted"
            )


class Transient(Unusable):
    """May go better when asked again: the connection dropped, or the server said so."""

    def __init__(self, reason: Reason, detail: str = "", after_s: float = 0.0) -> None:
        super().__init__(reason, detail)
        self.after_s = after_s


class Connection:
    """A pool of connections to one PACS; safe to share between threads."""

    def __init__(self, pacs: Pacs, limits: Limits) -> None:
        self.limits = limits
        self._base = pacs.base.rstrip("/")
        try:
            self._allowed = AllowList(pacs.listed)
            self._allowed.base_of(self._base)
        except SettingsError as error:
            raise SettingsError(
                f"pacs: {str(error).removeprefix('fhir_servers: ').replace('FHIR', 'DICOMweb')}"
            ) from error
        except SourceForeign as error:
            raise Unusable(Reason.PACS_NOT_LISTED) from error
        self._headers = _credentials(pacs)
        parts = urlsplit(self._base)
        if parts.scheme.lower() == "https":
            self._pool: urllib3.HTTPConnectionPool = urllib3.HTTPSConnectionPool(
                parts.hostname or "",
                parts.port,
                maxsize=4,
                cert_reqs="CERT_REQUIRED",
                ca_certs=str(pacs.ca_file) if pacs.ca_file else None,
                cert_file=str(pacs.certificate) if pacs.certificate else None,
                key_file=str(pacs.key) if pacs.key else None,
            )
        else:
            self._pool = urllib3.HTTPConnectionPool(parts.hostname or "", parts.port, maxsize=4)
        self._pool.ConnectionCls = Secure if parts.scheme.lower() == "https" else Plain

    def close(self) -> None:
        self._pool.close()

    def deadline(self) -> float:
        return time.monotonic() + self.limits.total_s

    @contextmanager
    def get(
        self, path: str, query: Mapping[str, str | int], accept: str, deadline: float
    ) -> Iterator[tuple[int, Mapping[str, str], Iterator[bytes]]]:
        """(200 or 204, headers, body in pieces) of ``path`` below the base.

        Raises Unusable here and while the body is read; a ``Transient`` one where asking again may help.
        """
        url = f"{self._base}{path}" + (f"?{urlencode(query)}" if query else "")
        with self._exchange("GET", url, {"Accept": accept}, None, deadline) as (status, headers, pieces):
            _check(status, headers)
            yield status, headers, pieces

    @contextmanager
    def post(
        self, path: str, body: bytes, content_type: str, accept: str, deadline: float
    ) -> Iterator[tuple[int, Mapping[str, str], Iterator[bytes]]]:
        """(status, headers, body in pieces), whatever the status: with a result, refusals say which part.

        Raises Unusable where there is no answer.
        """
        headers = {"Accept": accept, "Content-Type": content_type}
        with self._exchange("POST", f"{self._base}{path}", headers, body, deadline) as answer:
            yield answer

    @contextmanager
    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, deadline: float
    ) -> Iterator[tuple[int, Mapping[str, str], Iterator[bytes]]]:
        try:
            self._allowed.base_of(url)
        except SourceForeign as error:
            raise Unusable(Reason.PACS_NOT_LISTED) from error
        left = deadline - time.monotonic()
        if left <= 0:
            raise Unusable(Reason.PACS_TIMEOUT)
        with watched(left) as watchdog:
            with _translated(watchdog):
                response = self._pool.urlopen(
                    method,
                    "/" + url.partition("://")[2].partition("/")[2],
                    body=body,
                    headers={**self._headers, **headers, "Accept-Encoding": "identity"},
                    retries=False,
                    redirect=False,
                    preload_content=False,
                    timeout=urllib3.Timeout(
                        connect=min(self.limits.connect_s, left), read=min(self.limits.idle_s, left)
                    ),
                )
            if watchdog.fired:  # the parser takes a head that was cut off for a whole one
                response.close()
                raise Unusable(Reason.PACS_TIMEOUT, _AT_THE_LIMIT)
            done = False
            try:
                yield response.status, response.headers, _pieces(response, deadline, watchdog)
                done = not watchdog.fired
            finally:
                if done:
                    response.release_conn()
                else:
                    # what is left of the body must not be mistaken for the next answer
                    response.close()

    def patiently(self, ask: Callable[[float], T]) -> T:
        """``ask(deadline)``, again after a transient fault, with growing, jittered pauses."""
        deadline = self.deadline()
        for attempt in range(1, self.limits.attempts + 1):
            try:
                return ask(deadline)
            except Transient as fault:
                pause = max(fault.after_s, _FIRST_WAIT_S * 2 ** (attempt - 1) * (0.5 + random.random()))  # nosec B311
                if attempt == self.limits.attempts or pause > min(_LONGEST_WAIT_S, deadline - time.monotonic()):
                    raise
                time.sleep(pause)
        raise Unusable(Reason.PACS_UNREACHABLE)  # attempts < 1


def _credentials(pacs: Pacs) -> dict[str, str]:
    if pacs.token is not None:
        return {"Authorization": f"Bearer {pacs.token}"}
    if pacs.user is not None:
        pair = base64.b64encode(f"{pacs.user}:{pacs.password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    return {}


def _check(status: int, headers: Mapping[str, str]) -> None:
    if status in (200, 204, 206):
        if headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
            raise Unusable(Reason.PACS_MALFORMED, "(a content encoding that was not asked for)")
        return
    if 300 <= status < 400:
        raise Unusable(Reason.PACS_REDIRECTED)
    if status in _AGAIN:
        try:
            after = float(headers.get("Retry-After", "0"))
        except ValueError:
            after = 0.0
        raise Transient(Reason.PACS_FAILED, f"(HTTP {status})", after)
    if status == 404:
        raise Unusable(Reason.NOT_FOUND)
    raise Unusable(Reason.PACS_REFUSED if status < 500 else Reason.PACS_FAILED, f"(HTTP {status})")


def _pieces(response: urllib3.BaseHTTPResponse, deadline: float, watchdog: Watchdog) -> Iterator[bytes]:
    """The body as it arrives: ``read1`` hands over what is there instead of waiting for a whole piece."""
    while True:
        with _translated(watchdog):
            piece = response.read1(_CHUNK, decode_content=False)
        if not piece and not watchdog.fired:
            return
        if watchdog.fired or time.monotonic() > deadline:
            raise Unusable(Reason.PACS_TIMEOUT, _AT_THE_LIMIT)
        yield piece


@contextmanager
def _translated(watchdog: Watchdog) -> Iterator[None]:
    try:
        yield
    except (HTTPError, OSError) as error:
        if watchdog.fired:
            raise Unusable(Reason.PACS_TIMEOUT, _AT_THE_LIMIT) from error
        raise _meaning(error) from error


def _meaning(error: HTTPError | OSError) -> Unusable:
    if isinstance(error, NameResolutionError):
        return Transient(Reason.PACS_UNREACHABLE, NO_SUCH_NAME)
    if isinstance(error, NewConnectionError):  # refused, no route; urllib3 counts it among the timeouts
        return Transient(Reason.PACS_UNREACHABLE)
    if isinstance(error, WaitedTooLong):
        return Unusable(Reason.PACS_TIMEOUT)
    if isinstance(error, SSLError) and isinstance(error.args[0], ssl.SSLCertVerificationError):
        return Unusable(Reason.PACS_UNTRUSTED, f"({error.args[0].verify_message})")
    if isinstance(error, SSLError):
        return Unusable(Reason.PACS_REFUSED, "(no trusted TLS connection)")
    return Transient(Reason.PACS_UNREACHABLE, f"({type(error).__name__})")
