"""A small hospital: the EHR page and its FHIR endpoint in one app on a real port, a stub CDS service on another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests
from flask import Flask
from stub_cds_service import StubService
from werkzeug.serving import make_server

from cds.pages.desk import Desk
from hooks import stories

STORY_IDS = ("new-diabetes", "folfirinox-falling", "deceased")


class Told:
    """Some of the authored stories."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.STORIES = tuple(stories.story(name) for name in names)
        self.draft_orders = stories.draft_orders
        self.ORDERABLES, self.orders = stories.ORDERABLES, stories.orders


@dataclass
class Launches:
    """Mints launches as an EHR's authorization server does, and writes down what for."""

    minted: list[tuple[str, str | None, str, str | None]] = field(default_factory=list)
    address: str = ""
    """Where users are sent instead of the link; empty: the link's own address."""

    def __call__(self, link: str, app_context: str | None, patient: str, encounter: str | None) -> str:
        self.minted.append((link, app_context, patient, encounter))
        return f"{self.address or link}?iss=https%3A%2F%2Fehr.invalid&launch=opaque-{len(self.minted)}"


@dataclass
class Hospital:
    url: str
    service_url: str
    stub: StubService
    session: requests.Session
    desk: Desk
    launches: Launches = field(default_factory=Launches)

    def found(self, query: str) -> list[dict[str, object]]:
        """Resources the FHIR endpoint finds."""
        answer = self.session.get(f"{self.url}/fhir/{query}", timeout=10)
        answer.raise_for_status()
        return [entry["resource"] for entry in answer.json().get("entry", [])]

    def clear(self) -> None:
        """Forget all orders made since the beginning, what was refused and what the stub was told."""
        self.stub.__init__()  # type: ignore[misc]
        self.launches.minted.clear()
        self.desk.forget()
        for story in STORY_IDS:
            for kind in ("ServiceRequest", "MedicationRequest"):
                for order in self.found(f"{kind}?patient={story}&_count=100"):
                    if not str(order["id"]).startswith(story):
                        self.session.delete(f"{self.url}/fhir/{kind}/{order['id']}", timeout=10)


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
