"""The client's FHIR server on a real socket, with all stories; it keeps what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flask import request
from service import TODAY
from werkzeug.serving import WSGIRequestHandler, make_server

from cds.demo.fhir_endpoint import create_fhir_app
from hooks.stories import all_resources


@dataclass
class Hospital:
    base: str = ""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """(path with query, headers in lower case)"""

    def kinds(self) -> list[str]:
        """The resource types asked for, sorted; one entry a request."""
        return sorted(path.split("?")[0].split("/")[2] for path, _ in self.asked)


class _Silent(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """What was asked is kept by the hospital."""


@contextmanager
def running_hospital() -> Iterator[Hospital]:
    """Pages hold 50 entries, as many servers' do: whole answers take several."""
    hospital = Hospital()
    app = create_fhir_app(all_resources(TODAY), page_size=50)

    @app.before_request
    def keep() -> None:
        hospital.asked.append((request.full_path.rstrip("?"), {k.lower(): v for k, v in request.headers.items()}))

    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Silent)
    hospital.base = f"http://127.0.0.1:{server.server_port}/fhir"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hospital
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
