"""A client's key set behind an address: a real HTTP server on loopback that can misbehave."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class JwksServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.body = b"{}"
        self.headers: dict[str, str] = {}
        self.first_byte_after_s = 0.0
        self.drip_s = 0.0
        self.gate = threading.Event()
        """Nothing is answered while it is not set."""
        self.gate.set()
        self.asked: list[tuple[str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/keys"

    @property
    def hits(self) -> int:
        return len(self.asked)

    def serve(self, jwks: Any, *, status: int = 200) -> None:
        self.body, self.status = json.dumps(jwks).encode(), status


class _Handler(BaseHTTPRequestHandler):
    server: JwksServer

    def do_GET(self) -> None:
        server = self.server
        server.asked.append((self.path, dict(self.headers)))
        server.gate.wait(60)
        time.sleep(server.first_byte_after_s)
        self.send_response(server.status)
        for name, value in {"Content-Length": str(len(server.body)), **server.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if not server.drip_s:
            self.wfile.write(server.body)
            return
        for index in range(len(server.body)):
            try:
                self.wfile.write(server.body[index : index + 1])
            except OSError:
                return  # the client has given up
            time.sleep(server.drip_s)

    def log_message(self, format: str, *args: Any) -> None:
        return


@contextmanager
def running() -> Iterator[JwksServer]:
    server = JwksServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
