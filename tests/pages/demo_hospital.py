"""A small hospital: the EHR page and its FHIR endpoint in one app on a real port, a stub CDS service on another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import requests
from flask import Flask
from stub_cds_service import StubService
from werkzeug.serving import make_server

from hooks import stories

STORY_IDS = ("new-diabetes", "folfirinox-falling", "deceased")


class Told:
    """Some of the authored stories."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.STORIES = tuple(stories.story(name) for name in names)
        self.draft_orders = stories.draft_orders


@dataclass
class Hospital:
    url: str
    service_url: str
    stub: StubService
    session: requests.Session

    def found(self, query: str) -> list[dict[str, object]]:
        """Resources the FHIR endpoint finds."""
        answer = self.session.get(f"{self.url}/fhir/{query}", timeout=10)
        answer.raise_for_status()
        return [entry["resource"] for entry in answer.json().get("entry", [])]

    def clear(self) -> None:
        """Forget accepted orders and what the stub was told."""
        self.stub.__init__()  # type: ignore[misc]
        for story in STORY_IDS:
            for order in self.found(f"ServiceRequest?patient={story}&status=draft"):
                self.session.delete(f"{self.url}/fhir/ServiceRequest/{order['id']}", timeout=10)


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
