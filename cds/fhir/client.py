"""Fetching from a client's FHIR server: allow-listed, bounded in time, size and pages, never following a redirect.

One pool of connections and threads a process; each search runs in its own thread so that all of a call's queries are
one parallel round. Of ``requests`` the transport adapter is used and not the session, which would follow redirects,
keep one hospital's cookies for another and ask the environment for proxies and passwords. A deadline bounds the whole
round, the body of a slow answer included.
"""

from __future__ import annotations

import os
import random
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import requests
import urllib3
from requests.adapters import HTTPAdapter

from cds.errors import (
    SourceError,
    SourceForeign,
    SourceMalformed,
    SourceRefused,
    SourceTimeout,
    SourceUnreachable,
)
from cds.fhir import resources as fhir
from cds.fhir.queries import Query
from cds.settings import FhirSettings
from cds.trust.allowlist import AllowList

_RETRIED = frozenset({429, 502, 503, 504})
_FIRST_WAIT_S = 0.05
_CHUNK = 65536


@dataclass(frozen=True)
class Target:
    """Where one call's data is, and with what it may be read."""

    base: str
    allowed: AllowList
    token: str | None

    def __repr__(self) -> str:
        return f"Target({self.base})"


@dataclass
class Fetched:
    """The answer to one query: what came, and the fault if not all of it did."""

    query: Query
    pages: list[fhir.Decoded]
    fault: SourceError | None = None
    truncated: bool = False
    """More pages exist than were read."""


class FhirClient:
    """Shared by all calls of a process; made after the fork, on first use."""

    def __init__(self, settings: FhirSettings, ca_file: Path | None = None) -> None:
        self._settings = settings
        self._verify: str | bool = str(ca_file) if ca_file is not None else True
        self._pid = -1
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._adapter: HTTPAdapter | None = None

    def fetch(
        self,
        queries: tuple[Query, ...],
        patient_id: str,
        target: Target,
        deadline: float,
        continued: dict[str, str] | None = None,
    ) -> list[Fetched]:
        """All queries in one parallel round, back by ``deadline`` (``time.monotonic()``), whatever happened.

        ``continued``: prefetch key -> ``next`` link of a first page the EHR sent already.
        """
        pool, adapter = self._ready()
        starts = {q.key: (continued or {}).get(q.key) for q in queries}
        found = {q.key: Fetched(q, []) for q in queries}
        futures: dict[str, Future[None]] = {}
        for query in queries:
            start = starts[query.key] or query.path(patient_id)
            futures[query.key] = pool.submit(self._one, adapter, found[query.key], start, target, deadline)
        wait(futures.values(), timeout=max(0.0, deadline - time.monotonic()) + 0.02)
        return [self._result(found[query.key], futures[query.key]) for query in queries]

    def _result(self, found: Fetched, future: Future[None]) -> Fetched:
        if not future.done():
            future.cancel()
            # its thread may still be at it: what has come by now is kept, what comes later is not
            return Fetched(found.query, list(found.pages), SourceTimeout("no answer within the deadline"))
        future.result()
        return found

    def _ready(self) -> tuple[ThreadPoolExecutor, HTTPAdapter]:
        with self._lock:
            if self._pid != os.getpid() or self._pool is None or self._adapter is None:
                self._pool = ThreadPoolExecutor(self._settings.pool_size, thread_name_prefix="fhir")
                self._adapter = HTTPAdapter(pool_connections=8, pool_maxsize=self._settings.pool_size)
                self._pid = os.getpid()
            return self._pool, self._adapter

    def _one(self, adapter: HTTPAdapter, found: Fetched, start: str, target: Target, deadline: float) -> None:
        """Fill ``found``. ``start``: the query's path, or a paging link, which may be relative to the base."""
        seen: set[str] = set()
        try:
            url = _joined(f"{target.base.rstrip('/')}/", start)
            while url:
                if len(found.pages) >= self._settings.page_limit or url in seen:
                    found.truncated = True
                    return
                seen.add(url)
                page = self._page(adapter, url, target, deadline)
                found.pages.append(page)
                # a relative link is legal; it must still stay on the client's servers
                url = _joined(url, page.next_url) if page.next_url else ""
                if url:
                    target.allowed.base_of(url)
        except SourceError as error:
            found.fault = error

    def _page(self, adapter: HTTPAdapter, url: str, target: Target, deadline: float) -> fhir.Decoded:
        target.allowed.base_of(url)
        body = self._read(adapter, url, target, deadline)
        page = fhir.decode(body)
        if page.outcome is not None:
            raise SourceRefused("the FHIR server answered with an OperationOutcome instead of data")
        if not page.readable:
            raise SourceMalformed("the FHIR server's answer is not FHIR JSON")
        return page

    def _read(self, adapter: HTTPAdapter, url: str, target: Target, deadline: float) -> bytes:
        """GET with retries. The wait between them is jittered, so that many workers don't return in step."""
        for attempt in range(self._settings.retries + 1):
            last = attempt == self._settings.retries
            try:
                return self._get(adapter, url, target, deadline)
            except _TryAgain as again:
                # never sooner than the server asked for
                pause = again.after + _FIRST_WAIT_S * 2**attempt * (0.5 + random.random())
                if last or time.monotonic() + pause >= deadline:
                    raise again.fault from again
                time.sleep(pause)
        raise SourceUnreachable("no answer")  # the loop above returns or raises

    def _get(self, adapter: HTTPAdapter, url: str, target: Target, deadline: float) -> bytes:
        left = deadline - time.monotonic()
        if left <= 0:
            raise SourceTimeout("no answer within the deadline")
        headers = {"Accept": "application/fhir+json", "Accept-Encoding": "gzip", "Prefer": "handling=strict"}
        if target.token:
            headers["Authorization"] = f"Bearer {target.token}"
        try:
            request = requests.Request("GET", url, headers).prepare()
            timeout = (min(self._settings.connect_timeout_s, left), left)
            with adapter.send(request, stream=True, timeout=timeout, verify=self._verify) as response:
                _check(response)
                return self._body(response, deadline)
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise SourceTimeout("no answer within the deadline") from error
        except requests.ConnectionError as error:
            raise _TryAgain(SourceUnreachable("no connection to the FHIR server")) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise SourceMalformed(f"the FHIR server's answer broke off: {type(error).__name__}") from error

    def _body(self, response: requests.Response, deadline: float) -> bytes:
        """Read in pieces: a server that drips must not outlast the deadline, a large answer not fill the memory."""
        chunks: list[bytes] = []
        size = 0
        # read1 hands over what has arrived; iter_content would wait until a whole piece has
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            size += len(chunk)
            if size > self._settings.max_bytes:
                raise SourceMalformed("the FHIR server's answer is larger than fhir.max_bytes allows")
            if time.monotonic() > deadline:
                raise SourceTimeout("the answer was still arriving at the deadline")
            chunks.append(chunk)
        return b"".join(chunks)


def _joined(url: str, link: str) -> str:
    try:
        return urljoin(url, link)
    except ValueError as error:  # such as a bracket that opens an IPv6 address and is never closed
        raise SourceForeign("the FHIR server's paging link is not an address") from error


class _TryAgain(Exception):
    def __init__(self, fault: SourceError, after: float = 0.0) -> None:
        super().__init__(str(fault))
        self.fault = fault
        self.after = after


def _check(response: requests.Response) -> None:
    status = response.status_code
    if status in _RETRIED:
        try:
            after = float(response.headers.get("Retry-After", 0))
        except ValueError:
            after = 0.0  # a date: too far off for a call that lasts two seconds
        raise _TryAgain(SourceRefused(f"the FHIR server answered {status}"), after if after > 0 else 0.0)
    if 300 <= status < 400:
        raise SourceForeign("the FHIR server answered with a redirect, which is not followed")
    if status >= 400:
        raise SourceRefused(f"the FHIR server answered {status}")
