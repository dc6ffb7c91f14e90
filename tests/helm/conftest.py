"""The chart rendered with each set of values, and a small server to probe."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from chart_values import VALUE_SETS

from helm import Helm, Manifest


@pytest.fixture(scope="session")
def rendered(helm: Helm) -> Callable[[str], list[Manifest]]:
    """The manifests for a named set of values, rendered once."""
    kept: dict[str, list[Manifest]] = {}

    def render(name: str) -> list[Manifest]:
        if name not in kept:
            kept[name] = helm.template(VALUE_SETS[name])
        return kept[name]

    return render


@pytest.fixture(params=list(VALUE_SETS))
def manifests(request: pytest.FixtureRequest, rendered: Callable[[str], list[Manifest]]) -> list[Manifest]:
    return rendered(request.param)


@pytest.fixture(scope="session")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.fail("Prometheus is not installed: run scripts/test-system-packages", pytrace=False)
    return found


@dataclass
class Probed:
    """A server whose every answer has one status."""

    port: int
    paths: list[str] = field(default_factory=list)


@pytest.fixture
def probed() -> Callable[[int], Any]:
    @contextmanager
    def serve(status: int) -> Iterator[Probed]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.paths.append(self.path)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Silent: the paths are kept."""

        listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server = Probed(listener.server_port)
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            listener.server_close()
            thread.join()

    return serve
