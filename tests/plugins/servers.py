"""A small FHIR server on a real socket that behaves as badly as a test tells it to.

``server.on("Observation", hangs())`` sets what a path answers with; several behaviours are used in turn, the last
one for good. Every request is kept in ``server.hits``.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

Resource = dict[str, Any]
FHIR_JSON = "application/fhir+json"


@dataclass(frozen=True)
class Hit:
    path: str
    """Path and query, as requested."""
    headers: Mapping[str, str]
    at: float
    """``time.monotonic()`` of its arrival."""
    caller: tuple[str, int]
    """Address and port of the connection."""
    body: bytes = b""
    """Of a POST."""

    @property
    def kind(self) -> str:
        """The resource type asked for: ``/fhir/Observation?patient=1`` -> ``Observation``."""
        parts = urlsplit(self.path).path.strip("/").split("/")
        return parts[1] if len(parts) > 1 else ""

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query)


class Exchange:
    """One request, and the means to answer it rightly or wrongly."""

    def __init__(self, handler: BaseHTTPRequestHandler, server: FhirServer, hit: Hit) -> None:
        self._handler = handler
        self.server = server
        self.hit = hit

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        self._handler.send_response(status)
        for name, value in headers.items():
            self._handler.send_header(name, value)
        self._handler.end_headers()

    def write(self, body: bytes) -> None:
        self._handler.wfile.write(body)
        self._handler.wfile.flush()

    def answer(
        self,
        body: bytes,
        status: int = 200,
        content_type: str = FHIR_JSON,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        always = {"Content-Type": content_type, "Content-Length": str(len(body))}
        self.head(status, {**always, **(headers or {})})
        self.write(body)

    def pause(self, seconds: float) -> bool:
        """Wait; True when the server is being closed, so that a test never waits for a hanging answer."""
        return self.server.closing.wait(seconds)

    def break_off(self) -> None:
        self._handler.close_connection = True


Behaviour = Callable[[Exchange], None]


@dataclass
class FhirServer:
    port: int
    hits: list[Hit] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _behaviours: dict[str, list[Behaviour]] = field(default_factory=dict)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/fhir"

    def on(self, kind: str, *behaviours: Behaviour) -> None:
        """What requests for a resource type get, one behaviour after the other; ``*`` is for every type not named."""
        self._behaviours[kind] = list(behaviours)

    def holds(self, resources: list[Resource]) -> None:
        """Behave: answer reads and searches from ``resources``, as one page."""
        for kind in ("Patient", *PREFETCH.values(), "Procedure"):
            found = [r for r in resources if r["resourceType"] == kind]
            if kind == "Patient":
                self.on(kind, gives(found[0]) if found else status(404))
            else:
                self.on(kind, gives(searchset(found)))

    def forget(self) -> None:
        """Neither behaviours nor hits."""
        self._behaviours.clear()
        self.hits.clear()

    def asked(self, kind: str) -> list[Hit]:
        return [hit for hit in self.hits if hit.kind == kind]

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        headers = {k.lower(): v for k, v in handler.headers.items()}
        body = handler.rfile.read(int(headers.get("content-length", "0")))
        hit = Hit(handler.path, headers, time.monotonic(), handler.client_address, body)
        with self._lock:
            self.hits.append(hit)
            left = self._behaviours.get(hit.kind) or self._behaviours.get("*") or [status(404)]
            behave = left.pop(0) if len(left) > 1 else left[0]
        behave(Exchange(handler, self, hit))


def searchset(resources: list[Resource], **links: str) -> Resource:
    """A Bundle as a search answers; ``links`` are its relations, such as ``next``."""
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": [{"relation": relation, "url": url} for relation, url in links.items()],
        "entry": [{"resource": r, "search": {"mode": "match"}} for r in resources],
    }


PREFETCH = {
    "observations": "Observation",
    "conditions": "Condition",
    "medications": "MedicationRequest",
    "administrations": "MedicationAdministration",
    "orders": "ServiceRequest",
    "imaging": "ImagingStudy",
    "procedures": "Procedure",
    "family": "FamilyMemberHistory",
}


def prefetch_of(resources: list[Resource]) -> dict[str, Any]:
    """A chart as an EHR sends it along, under the keys that discovery names."""
    sent: dict[str, Any] = {"patient": next(r for r in resources if r["resourceType"] == "Patient")}
    return sent | {
        key: searchset([r for r in resources if r["resourceType"] == kind]) for key, kind in PREFETCH.items()
    }


def outcome(severity: str = "error") -> Resource:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": "processing"}]}


def gives(resource: Resource, *, after: float = 0.0, headers: Mapping[str, str] | None = None) -> Behaviour:
    body = json.dumps(resource).encode()

    def behave(exchange: Exchange) -> None:
        if after and exchange.pause(after):
            return
        exchange.answer(body, headers=headers)

    return behave


def sends(body: bytes, status: int = 200, content_type: str = FHIR_JSON) -> Behaviour:
    """These bytes, whatever they are."""
    return lambda exchange: exchange.answer(body, status, content_type)


def status(code: int, **headers: str) -> Behaviour:
    """An error as FHIR servers give it; ``Retry_After="1"`` adds that header."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda exchange: exchange.answer(json.dumps(outcome()).encode(), code, headers=named)


def hangs(seconds: float = 60.0) -> Behaviour:
    """Takes the request and says nothing."""
    return lambda exchange: exchange.break_off() if exchange.pause(seconds) else None


def drips(resource: Resource, every: float = 1.0) -> Behaviour:
    """A good answer, one byte at a time."""
    body = json.dumps(resource).encode()

    def behave(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Type": FHIR_JSON, "Content-Length": str(len(body))})
        for byte in body:
            exchange.write(bytes((byte,)))
            if exchange.pause(every):
                break
        exchange.break_off()

    return behave


def drips_headers(every: float = 0.02) -> Behaviour:
    """A head that goes on and on: each byte comes soon enough, the last one never."""

    def behave(exchange: Exchange) -> None:
        exchange.write(b"HTTP/1.1 200 OK\r\nX-Padding: ")
        with contextlib.suppress(OSError):  # the caller hung up, as it should
            while not exchange.pause(every):
                exchange.write(b"a")
        exchange.break_off()

    return behave


def stalls(resource: Resource, seconds: float = 60.0, *, code: int = 200) -> Behaviour:
    """Half an answer, then nothing while the connection stays open."""
    body = json.dumps(resource).encode()

    def behave(exchange: Exchange) -> None:
        exchange.head(code, {"Content-Type": FHIR_JSON, "Content-Length": str(len(body))})
        exchange.write(body[: len(body) // 2])
        exchange.pause(seconds)
        exchange.break_off()

    return behave


def breaks_off(resource: Resource) -> Behaviour:
    """Promises more bytes than it sends."""
    body = json.dumps(resource).encode()

    def behave(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Type": FHIR_JSON, "Content-Length": str(len(body) + 1000)})
        exchange.write(body)
        exchange.break_off()

    return behave


def hangs_up() -> Behaviour:
    """Closes the connection without a word."""
    return Exchange.break_off


def gives_and_closes(resource: Resource) -> Behaviour:
    """A good answer, after which the connection is closed although nothing announced it."""
    good = gives(resource)

    def behave(exchange: Exchange) -> None:
        good(exchange)
        exchange.break_off()

    return behave


def redirects(url: str) -> Behaviour:
    return lambda exchange: exchange.answer(b"", 302, "text/plain", {"Location": url})


def compressed(resource: Resource) -> Behaviour:
    """Small on the wire, large when unpacked."""
    body = gzip.compress(json.dumps(resource).encode(), 9)
    return lambda exchange: exchange.answer(body, headers={"Content-Encoding": "gzip"})


def pages_for_ever(resource: Callable[[int], Resource]) -> Behaviour:
    """Each page names a next one, always new."""

    def behave(exchange: Exchange) -> None:
        number = int(exchange.hit.query.get("page", ["0"])[0])
        url = f"{exchange.server.base}/{exchange.hit.kind}?page={number + 1}"
        exchange.answer(json.dumps(searchset([resource(number)], next=url)).encode())

    return behave


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up on a bad server does right; nothing to report."""


@contextmanager
def fhir_server() -> Iterator[FhirServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def do_GET(self) -> None:
            server.handle(self)

        def do_POST(self) -> None:
            server.handle(self)

        def log_message(self, format: str, *args: Any) -> None:
            """Silent: the hits are kept."""

    listener = _Server(("127.0.0.1", 0), Handler)
    server = FhirServer(listener.server_port)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        listener.shutdown()
        listener.server_close()
        thread.join()


@pytest.fixture
def fhir() -> Iterator[FhirServer]:
    """The client's own FHIR server."""
    with fhir_server() as server:
        yield server


@pytest.fixture
def stranger() -> Iterator[FhirServer]:
    """A server on no client's list: nobody should ever come here."""
    with fhir_server() as server:
        server.on("*", gives(searchset([])))
        yield server
