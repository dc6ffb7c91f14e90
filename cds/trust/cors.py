"""Cross-origin calls from browser clients: only the origins that a client's settings list."""

from __future__ import annotations

from flask import Flask, Response, request

from cds.settings import Settings


def init_cors(app: Flask, settings: Settings) -> None:
    """A preflight carries no JWT and is answered without one; it says only what may be asked, never data."""
    origins = frozenset(origin for client in settings.clients.values() for origin in client.cors_origins)
    if not origins:
        return

    @app.before_request
    def preflight() -> Response | None:
        asked = request.headers.get("Access-Control-Request-Method")
        if request.method == "OPTIONS" and asked and request.path.startswith("/cds-services"):
            return Response(status=204)
        return None

    @app.after_request
    def allow(answer: Response) -> Response:
        if request.path.startswith("/cds-services"):
            answer.headers.add("Vary", "Origin")
            origin = request.headers.get("Origin")
            if origin in origins:
                answer.headers["Access-Control-Allow-Origin"] = origin
                answer.headers["Access-Control-Expose-Headers"] = "X-Request-ID"
                if request.method == "OPTIONS":
                    answer.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
                    answer.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type, Accept-Language"
                    answer.headers["Access-Control-Max-Age"] = "600"
        return answer
