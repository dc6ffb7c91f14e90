"""Fetching from a client's FHIR server: allow-listed, bounded in time, size and pages, never following a redirect.

Each search runs in its own thread so that all of a call's queries are one parallel round. A deadline bounds the whole
round, the headers and the body of a slow answer included.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin

from cds.errors import (
    SourceError,
    SourceForeign,
    SourceMalformed,
    SourceRefused,
    SourceTimeout,
    SourceUnreachable,
)
from cds.fhir import resources as fhir
from cds.fhir.dialect import PLAIN, Dialect
from cds.fhir.queries import Query
from cds.fhir.upstream import Patience, TryAgain, Upstream
from cds.settings import FhirSettings
from cds.trust.allowlist import AllowList

_FIRST_WAIT_S = 0.05


@dataclass(frozen=True)
class Target:
    """Where one call's data is, and with what it may be read."""

    base: str
    allowed: AllowList
    token: str | None
    scheme: str = "Bearer"
    """Of the header ``Authorization``; ``Basic`` where ``token`` is user and password, encoded."""
    dialect: Dialect = PLAIN

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
    patience: Patience = field(default_factory=Patience, repr=False)


@dataclass(frozen=True)
class _Round:
    """What all queries of one call share."""

    target: Target
    upstream: Upstream
    headers: dict[str, str]
    deadline: float

    def headers_for(self, upstream: Upstream) -> dict[str, str]:
        """A paging link may lead to another server of the client's: the token was issued for the first one only."""
        if upstream is self.upstream:
            return self.headers
        return {name: value for name, value in self.headers.items() if name != "Authorization"}


class FhirClient:
    """Shared by all calls of a process; opens connections and starts threads on first use, after the fork."""

    def __init__(
        self,
        settings: FhirSettings,
        ca_file: Path | None = None,
        certificates: Mapping[str, tuple[Path, Path]] | None = None,
    ) -> None:
        """``certificates``: base as listed -> our certificate and its key (PEM) to show there, for mTLS."""
        self._settings = settings
        self._certificates = certificates or {}
        self._verify: str | bool = str(ca_file) if ca_file is not None else True
        self._pid = -1
        self._lock = threading.Lock()
        self._upstreams: dict[str, Upstream] = {}

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
        found = [Fetched(query, []) for query in queries]
        try:
            upstream = self._upstream(target.allowed.base_of(target.base))
        except SourceError as fault:
            for one in found:
                one.fault = fault
            return found
        headers = {"Accept": "application/fhir+json", "Accept-Encoding": "gzip"}
        if target.dialect.strict:
            headers["Prefer"] = "handling=strict"
        if target.token:
            headers["Authorization"] = f"{target.scheme} {target.token}"
        base, links = f"{target.base.rstrip('/')}/", continued or {}
        shared = _Round(target, upstream, headers, deadline)
        futures: list[Future[None]] = []
        for one in found:
            link = links.get(one.query.key)
            path = target.dialect.path(one.query, patient_id)
            futures.append(upstream.threads.submit(self._one, one, base if link else base + path, link, shared))
        wait(futures, timeout=max(0.0, deadline - time.monotonic()) + 0.02)
        return [_result(one, future) for one, future in zip(found, futures, strict=True)]

    def _upstream(self, base: str) -> Upstream:
        """``base``: as listed, so that there are no more of them than the settings name."""
        with self._lock:
            if self._pid != os.getpid():
                self._pid, self._upstreams = os.getpid(), {}
            found = self._upstreams.get(base)
            if found is None:
                found = self._upstreams[base] = Upstream(
                    base, self._settings, self._verify, self._certificates.get(base)
                )
            return found

    def _one(self, found: Fetched, url: str, link: str | None, shared: _Round) -> None:
        """Fill ``found``. ``link``: a paging link of the EHR's, which may be relative to ``url``."""
        seen: set[str] = set()
        try:
            url = _joined(url, link) if link else url
            while url:
                if len(found.pages) >= self._settings.page_limit or url in seen:
                    found.truncated = True
                    return
                seen.add(url)
                page = self._page(url, found.patience, shared)
                found.pages.append(page)
                # a relative link is legal; it must still stay on the client's servers
                url = _joined(url, page.next_url) if page.next_url else ""
                if url:
                    shared.target.allowed.base_of(url)
        except SourceError as error:
            found.fault = error

    def _page(self, url: str, patience: Patience, shared: _Round) -> fhir.Decoded:
        upstream = self._upstream(shared.target.allowed.base_of(url))
        body = self._read(upstream, url, patience, shared)
        page = fhir.decode(body)
        if page.outcome is not None:
            raise SourceRefused("the FHIR server answered with an OperationOutcome instead of data")
        if not page.readable:
            raise SourceMalformed("the FHIR server's answer is not FHIR JSON")
        return page

    def _read(self, upstream: Upstream, url: str, patience: Patience, shared: _Round) -> bytes:
        """GET with retries. The wait between them is jittered, so that many workers don't return in step."""
        for attempt in range(self._settings.retries + 1):
            last = attempt == self._settings.retries
            try:
                return upstream.get(url, shared.headers_for(upstream), shared.deadline, patience)
            except TryAgain as again:
                # never sooner than the server asked for
                pause = again.after + _FIRST_WAIT_S * 2**attempt * (0.5 + random.random())
                if last or time.monotonic() + pause >= shared.deadline:
                    raise again.fault from again
                time.sleep(pause)
        raise SourceUnreachable("no answer")  # the loop above returns or raises


def _result(found: Fetched, future: Future[None]) -> Fetched:
    if not future.done():
        future.cancel()
        # its thread may still be at it: what has come by now is kept, what comes later is not
        found.patience.lose()
        return Fetched(found.query, list(found.pages), SourceTimeout("no answer within the deadline"))
    future.result()
    return found


def _joined(url: str, link: str) -> str:
    try:
        return urljoin(url, link)
    except ValueError as error:  # such as a bracket that opens an IPv6 address and is never closed
        raise SourceForeign("the FHIR server's paging link is not an address") from error
