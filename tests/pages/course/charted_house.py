"""A FHIR server on a real port, in front of which faults can be put, and an engine that may read it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from flask import Flask
from service import NOW
from werkzeug.serving import make_server

from cds.cards.phrasebook import Phrasebook
from cds.engine import Engine
from cds.trust.smart import ReportSession

TOKEN = "token-of-the-reader"


@dataclass
class House:
    engine: Engine
    base: str
    tokens: list[str] = field(default_factory=list)
    """Authorization of every request the FHIR server saw."""
    broken: dict[str, int] = field(default_factory=dict)
    """Resource type -> status it is answered with."""

    def session(self, patient: str, **changes: Any) -> ReportSession:
        given: dict[str, Any] = {
            "rid": f"rid-{patient}",
            "client": "demo",
            "patient_id": patient,
            "card_id": None,
            "fhir_server": self.base,
            "access_token": TOKEN,
            "scopes": frozenset({"patient/*.rs"}),
            "user": None,
            "expires": NOW + timedelta(hours=1),
            "language": None,
            "encounter": None,
        }
        return ReportSession(**{**given, **changes})

    def words(self, language: str = "en") -> Phrasebook:
        return self.engine.catalogues.book(language)


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


MakeHouse = Callable[..., House]
