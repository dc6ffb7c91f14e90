"""Browser clients, such as the CDS Hooks sandbox: which pages may call, and nothing for any other."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, Response, request

from cds.errors import SettingsError
from cds.settings import Settings

_PREFIX = "/cds-services"
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Max-Age": "600",
}


def init_cors(app: Flask, settings: Settings) -> None:
    """Answer preflights without a JWT (a browser sends none) and mark answers, for listed origins only.

    Raises SettingsError for a ``cors_origins`` entry that is not one origin.
    """
    origins = frozenset(
        _origin(entry, name) for name, client in settings.clients.items() for entry in client.cors_origins
    )
    if not origins:
        return

    def preflight() -> Response | None:
        asked = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if asked and _concerned() and request.headers.get("Origin") in origins:
            return Response(status=204, headers=_PREFLIGHT)
        return None

    def mark(answer: Response) -> Response:
        if _concerned():
            # also without an origin: a shared cache must not hand one page's answer to another
            answer.vary.add("Origin")
            origin = request.headers.get("Origin")
            if origin in origins:
                answer.headers["Access-Control-Allow-Origin"] = origin
                answer.headers["Access-Control-Expose-Headers"] = "X-Request-ID"
        return answer

    app.before_request(preflight)
    app.after_request(mark)


def _concerned() -> bool:
    return request.path == _PREFIX or request.path.startswith(f"{_PREFIX}/")


def _origin(entry: str, client: str) -> str:
    """As a browser writes it: scheme, host, port unless the default one; no path, no wildcard."""
    try:
        parts = urlsplit(entry.rstrip("/").lower())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise SettingsError(f"client '{client}': cors_origins: {entry!r} is not an origin: {error}") from error
    plain = (
        parts.scheme in ("http", "https") and host and "*" not in host and "@" not in parts.netloc and entry.isascii()
    )
    if not plain or parts.path or parts.query or parts.fragment:
        raise SettingsError(
            f"client '{client}': cors_origins: {entry!r} is not an origin; write it as https://host, one page each"
        )
    default = {"http": 80, "https": 443}[parts.scheme]
    name = f"[{host}]" if ":" in str(host) else host
    return f"{parts.scheme}://{name}" + (f":{port}" if port not in (None, default) else "")
