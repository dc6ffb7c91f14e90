"""Fetching from a client's FHIR server: allow-listed, bounded in time, size and pages, never following a redirect.

All of a call's queries are one parallel round in the call's own thread. A deadline bounds the whole round, the headers
and the body of a slow answer included.
"""

from __future__ import annotations

import os
import random
import threading
import time
from codecs import BOM_UTF8
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from cds import tracing
from cds.errors import (
    SourceError,
    SourceForeign,
    SourceMalformed,
    SourceRefused,
    SourceTimeout,
    SourceUnreachable,
)
from cds.fhir import rounds
from cds.fhir.decoding import Decoded, decode
from cds.fhir.dialect import PLAIN, Dialect
from cds.fhir.queries import Query
from cds.fhir.rounds import Steps
from cds.fhir.transfers import Transfers
from cds.fhir.upstream import TryAgain, Upstream
from cds.settings import FhirSettings
from cds.trust.allowlist import AllowList

_FIRST_WAIT_S = 0.05
_ACCEPT = "Accept: application/fhir+json"
_STRICT = "Prefer: handling=strict"


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
    pages: list[Decoded]
    fault: SourceError | None = None
    truncated: bool = False
    """More pages exist than were read."""


@dataclass(frozen=True)
class _Round:
    """What all queries of one call share."""

    target: Target
    base: str
    """The listed one that the call's own server is."""
    deadline: float

    def headers_for(self, listed: str) -> list[str]:
        """A paging link may lead to another server of the client's: the token was issued for the first one only."""
        headers = [_ACCEPT, _STRICT] if self.target.dialect.strict else [_ACCEPT]
        if self.target.token and listed == self.base:
            headers.append(f"Authorization: {self.target.scheme} {self.target.token}")
        return headers


class FhirClient:
    """Shared by all calls of a process; opens connections on first use, after the fork."""

    def __init__(
        self,
        settings: FhirSettings,
        ca_file: Path | None = None,
        certificates: Mapping[str, tuple[Path, Path]] | None = None,
    ) -> None:
        """``certificates``: base as listed -> our certificate and its key (PEM) to show there, for mTLS."""
        self._settings = settings
        self._certificates = certificates or {}
        self._ca_file = ca_file
        self._pid = -1
        self._lock = threading.Lock()
        self._upstreams: dict[str, Upstream] = {}
        self._idle: list[Transfers] = []

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
            shared = _Round(target, target.allowed.base_of(target.base), deadline)
        except SourceError as fault:
            for one in found:
                one.fault = fault
            return found
        base, links = f"{target.base.rstrip('/')}/", continued or {}
        conversations, spans = [], []
        for one in found:
            link = links.get(one.query.key)
            url = base if link else base + target.dialect.path(one.query, patient_id)
            spans.append(tracing.span("query", query=one.query.key))
            conversations.append(_traced(self._one(one, url, link, shared), one, spans[-1]))
        transfers = self._taken()
        for one, ended, span in zip(found, rounds.run(conversations, transfers, deadline), spans, strict=True):
            if not ended:
                one.fault = SourceTimeout("no answer within the deadline")
                span.end(pages=len(one.pages), fault=one.fault.code)
        self._idle.append(transfers)
        return found

    def _taken(self) -> Transfers:
        """The one last used, whose connections are the likeliest to be open still."""
        with self._lock:
            if self._pid != os.getpid():
                self._pid, self._upstreams, self._idle = os.getpid(), {}, []
            if self._idle:
                return self._idle.pop()
        return Transfers(self._ca_file, self._settings.connect_timeout_s, self._settings.max_bytes)

    def _upstream(self, base: str) -> Upstream:
        """``base``: as listed, so that there are no more of them than the settings name."""
        with self._lock:
            found = self._upstreams.get(base)
            if found is None:
                found = self._upstreams[base] = Upstream(base, self._settings.pool_size, self._certificates.get(base))
            return found

    def _one(self, found: Fetched, url: str, link: str | None, shared: _Round) -> Steps[None]:
        """Fill ``found``. ``link``: a paging link of the EHR's, which may be relative to ``url``."""
        seen: set[str] = set()
        try:
            url = _joined(url, link) if link else url
            while url:
                if len(found.pages) >= self._settings.page_limit or url in seen:
                    found.truncated = True
                    return
                seen.add(url)
                page = yield from self._page(url, shared)
                found.pages.append(page)
                # a relative link is legal; it must still stay on the client's servers
                url = _joined(url, page.next_url) if page.next_url else ""
                if url:
                    shared.target.allowed.base_of(url)
        except SourceError as error:
            found.fault = error

    def _page(self, url: str, shared: _Round) -> Steps[Decoded]:
        listed = shared.target.allowed.base_of(url)
        body = yield from self._read(self._upstream(listed), url, shared.headers_for(listed), shared.deadline)
        page = decode(body.removeprefix(BOM_UTF8))  # some frameworks begin every text with it
        if page.outcome is not None:
            raise SourceRefused("the FHIR server answered with an OperationOutcome instead of data")
        if not page.readable:
            raise SourceMalformed("the FHIR server's answer is not FHIR JSON")
        return page

    def _read(self, upstream: Upstream, url: str, headers: list[str], deadline: float) -> Steps[bytes]:
        """GET with retries. The wait between them is jittered, so that many workers don't return in step."""
        not_before = 0.0
        for attempt in range(self._settings.retries + 1):
            last = attempt == self._settings.retries
            try:
                return (yield from upstream.get(url, headers, not_before))
            except TryAgain as again:
                # never sooner than the server asked for
                pause = again.after + _FIRST_WAIT_S * 2**attempt * (0.5 + random.random())  # nosec B311
                not_before = time.monotonic() + pause
                if last or not_before >= deadline:
                    raise again.fault from again
        raise SourceUnreachable("no answer")  # the loop above returns or raises


def _traced(steps: Steps[None], found: Fetched, span: tracing.Nothing) -> Steps[None]:
    """The same conversation, its span ended where it ends by itself."""
    if span is tracing.NOTHING:
        return steps

    def followed() -> Steps[None]:
        yield from steps
        span.end(pages=len(found.pages), fault=found.fault.code if found.fault is not None else None)

    return followed()


def _joined(url: str, link: str) -> str:
    try:
        return urljoin(url, link)
    except ValueError as error:  # such as a bracket that opens an IPv6 address and is never closed
        raise SourceForeign("the FHIR server's paging link is not an address") from error
