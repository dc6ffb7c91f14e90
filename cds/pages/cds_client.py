"""The EHR's side of CDS Hooks 2.0: discovery, calls with prefetch, feedback. Any CDS service will do."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import requests

from cds.errors import SourceError, SourceMalformed, SourceRefused
from cds.pages.answers import content, fault, send
from cds.pages.fhir_record import FhirRecord

_TOKEN = re.compile(r"\{\{\s*context\.(\w+)\s*\}\}")
_FRESH_S = 10.0


class Coding(msgspec.Struct, frozen=True, omit_defaults=True):
    code: str
    system: str | None = None
    display: str | None = None


class Source(msgspec.Struct, frozen=True):
    label: str = ""
    url: str | None = None
    topic: Coding | None = None


class Suggestion(msgspec.Struct, frozen=True):
    label: str
    uuid: str | None = None
    isRecommended: bool | None = None
    actions: tuple[dict[str, Any], ...] = ()


class Link(msgspec.Struct, frozen=True):
    label: str
    url: str
    type: str = "absolute"
    appContext: str | None = None


class Card(msgspec.Struct, frozen=True):
    """As received: what the specification requires is required here, the rest may be absent."""

    summary: str
    indicator: str
    source: Source
    uuid: str | None = None
    detail: str | None = None
    suggestions: tuple[Suggestion, ...] = ()
    selectionBehavior: str | None = None
    overrideReasons: tuple[Coding, ...] = ()
    links: tuple[Link, ...] = ()


class _Answer(msgspec.Struct, frozen=True):
    cards: tuple[Card, ...]
    systemActions: tuple[dict[str, Any], ...] | None = None


class Offered(msgspec.Struct, frozen=True):
    """A service as the discovery document describes it."""

    id: str
    hook: str
    description: str = ""
    title: str | None = None
    prefetch: dict[str, str] | None = None
    language: str = ""
    """Of title and description, where the service says so (``Content-Language``)."""

    @property
    def name(self) -> str:
        return self.title or self.id


class _Discovery(msgspec.Struct, frozen=True):
    services: tuple[Offered, ...]


@dataclass(frozen=True)
class Exchange:
    """One call and what came back. ``problem``: empty, or why there are no cards; ``notes``: prefetch left out."""

    service: Offered
    request: dict[str, Any]
    response: Any = None
    status: int | None = None
    milliseconds: float = 0.0
    cards: tuple[Card, ...] = ()
    problem: str = ""
    notes: tuple[str, ...] = field(default=())
    unasked: tuple[str, ...] = ()
    """What the service wants done without a person (``systemActions``), in its words. This EHR does none of it."""

    @property
    def instance(self) -> str:
        return str(self.request["hookInstance"])


class CdsClient:
    def __init__(self, url: str, session: requests.Session) -> None:
        self.url = url.rstrip("/")
        self._session = session
        self._known: dict[str, tuple[float, tuple[Offered, ...]]] = {}

    def services(self, language: str) -> tuple[Offered, ...]:
        """Everything discovered, in this language where the service speaks it; cached for some seconds. Raises
        SourceError."""
        now = time.monotonic()
        known = self._known.get(language)
        if known is not None and now - known[0] < _FRESH_S:
            return known[1]
        answer = send(self._session, "GET", f"{self.url}/cds-services", headers={"Accept-Language": language})
        try:
            services = msgspec.convert(content(answer), _Discovery).services
        except msgspec.ValidationError as error:
            raise SourceMalformed(f"its discovery document is not one: {error}") from error
        spoken = answer.headers.get("Content-Language", "")
        services = tuple(msgspec.structs.replace(one, language=spoken) for one in services)
        self._known[language] = (now, services)
        return services

    def fire(self, service: Offered, context: Mapping[str, Any], record: FhirRecord, language: str) -> Exchange:
        """Call one service with its prefetch filled. Never raises for what the service does: see ``problem``."""
        prefetch, notes = filled(service.prefetch or {}, context, record)
        body = {
            "hook": service.hook,
            "hookInstance": str(uuid.uuid4()),
            "fhirServer": record.base,
            "context": dict(context),
            "prefetch": prefetch,
        }
        started = time.perf_counter()
        try:
            answer = send(self._session, "POST", self._of(service.id), json=body, headers={"Accept-Language": language})
        except SourceError as error:
            return Exchange(service, body, problem=str(error), notes=notes, milliseconds=_since(started))
        took = _since(started)
        response: Any = answer.text
        try:
            response = answer.json()
            said = msgspec.convert(content(answer), _Answer)
        except (ValueError, msgspec.ValidationError, SourceError) as error:
            problem = str(error) if isinstance(error, SourceRefused) else f"HTTP {answer.status_code}: {_unfit(answer)}"
            return Exchange(service, body, response, answer.status_code, took, problem=problem, notes=notes)
        unasked = tuple(str(a.get("description") or a.get("type", "?")) for a in said.systemActions or ())
        return Exchange(service, body, response, answer.status_code, took, said.cards, "", notes, unasked)

    def feedback(self, service_id: str, item: Mapping[str, Any]) -> None:
        """Raises SourceError when it was not taken."""
        answer = send(self._session, "POST", f"{self._of(service_id)}/feedback", json={"feedback": [item]})
        if not answer.ok:
            raise SourceRefused(f"HTTP {answer.status_code}: {fault(answer)}")

    def ledger_row(self, exchange: Exchange) -> dict[str, Any] | None:
        """What the service says it keeps of the call (``GET /calls/{hookInstance}``, no part of CDS Hooks); None where
        it offers nothing of the kind."""
        found = self._told(f"calls/{exchange.instance}")
        rows = found.get("calls") if isinstance(found, dict) else None
        own = [r for r in rows or () if isinstance(r, dict) and r.get("service") == exchange.service.id]
        return own[0] if own else None

    def analyses(self, study: str) -> list[dict[str, Any]]:
        """Of a study under its opaque id (``GET /studies/{id}/analyses``); none where the service offers no such."""
        found = self._told(f"studies/{study}/analyses")
        told = found.get("analyses") if isinstance(found, dict) else None
        return [a for a in told or () if isinstance(a, dict)]

    def _told(self, path: str) -> Any:
        """What any service may lack: then None, and nothing on the page depends on it."""
        try:
            answer = send(self._session, "GET", f"{self.url}/{path}")
            return answer.json() if answer.ok else None
        except (SourceError, ValueError):
            return None

    def _of(self, service_id: str) -> str:
        return f"{self.url}/cds-services/{service_id}"


def filled(
    templates: Mapping[str, str], context: Mapping[str, Any], record: FhirRecord
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Each template's data. A key whose query can't be made or fails is left out, and noted, as the standard allows."""
    found: dict[str, Any] = {}
    notes = []
    for key, template in templates.items():
        wanted = set(_TOKEN.findall(template))
        if any(not isinstance(context.get(name), str) for name in wanted):
            notes.append(f"{key}: the context has no {', '.join(sorted(wanted))}")
            continue
        query = _TOKEN.sub(lambda match: str(context[match[1]]), template)
        if "{{" in query:
            notes.append(f"{key}: this EHR fills only context tokens")
            continue
        try:
            found[key] = record.whole(query)
        except SourceError as error:
            notes.append(f"{key}: {error}")
    return found, tuple(notes)


def _unfit(answer: requests.Response) -> str:
    return "the answer is not a CDS Hooks response" if answer.ok else fault(answer)


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
