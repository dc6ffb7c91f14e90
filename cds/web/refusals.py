"""Why the report can't be shown, as a page: what was wrong, what to do, and the code to tell the help desk.

For whoever opens an address under ``/report/`` in a browser; a program that asks for JSON gets an OperationOutcome.
"""

from __future__ import annotations

import base64
import hashlib
from http import HTTPStatus

from flask import Response, current_app, render_template, request

from cds.engine import Engine
from cds.web.report_cookie import LANGUAGE, frame_ancestors, theme_of

_STYLE = """
:root { color-scheme: light dark; --ink: #1b2733; --quiet: #4d5c6b; --paper: #f4f6f8; --sheet: #fff; --edge: #0b5c8a; }
:root[data-theme="light"] { color-scheme: light; }
:root[data-theme="dark"] { color-scheme: dark;
  --ink: #e8edf2; --quiet: #a9b7c4; --paper: #12181e; --sheet: #1b232b; --edge: #6bb8e6; }
@media (prefers-color-scheme: dark) { :root:not([data-theme="light"]) {
  --ink: #e8edf2; --quiet: #a9b7c4; --paper: #12181e; --sheet: #1b232b; --edge: #6bb8e6; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1.0625rem/1.55 system-ui, sans-serif; }
main { max-width: 34rem; margin: 12vh auto; padding: 1.75rem 2rem; background: var(--sheet); border-radius: .5rem;
  border-inline-start: .375rem solid var(--edge); }
h1 { font-size: 1.375rem; line-height: 1.3; margin: 0 0 .75rem; }
p { margin: 0 0 .75rem; }
p:last-child { margin: 0; color: var(--quiet); font-size: .9375rem; }
@media (max-width: 40rem) { main { margin: 0; border-radius: 0; padding: 1.25rem; } }
"""
_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'; "
)


def wanted() -> bool:
    """Whether this request is a reader's, in a browser."""
    if not request.path.startswith("/report/"):
        return False
    accepted = request.accept_mimetypes
    json = max(accepted.quality("application/json"), accepted.quality("application/fhir+json"))
    return not accepted or accepted.quality("text/html") >= json


def page(status: int, code: str) -> Response:
    """In the reader's language. A code without sentences of its own has those of any unforeseen fault."""
    engine: Engine = current_app.extensions["cds"]
    words = engine.catalogues.book(*_wishes(), fallback=engine.settings.language)
    key = f"refused.{code}" if f"refused.{code}.what" in words.texts else "refused.otherwise"
    return _made(engine, status, words.language, words("refused.title"), words(f"{key}.what"), words(f"{key}.do"), code)


def left(language: str | None) -> Response:
    """``language``: of the report that was closed, unless the reader has chosen one."""
    engine: Engine = current_app.extensions["cds"]
    words = engine.catalogues.book(*_wishes(language), fallback=engine.settings.language)
    return _made(engine, HTTPStatus.OK, words.language, words("left.title"), words("left.what"), words("left.do"), "")


def _wishes(language: str | None = None) -> tuple[str | None, ...]:
    """What the reader chose on a report comes first, what the browser says last."""
    return request.cookies.get(LANGUAGE), language, request.headers.get("Accept-Language")


def _made(engine: Engine, status: int, language: str, title: str, what: str, do: str, code: str) -> Response:
    body = render_template(
        "refused.html", language=language, title=title, what=what, do=do, code=code, style=_STYLE,
        theme=theme_of(request),
    )  # fmt: skip
    answer = Response(body, status=status, content_type="text/html; charset=utf-8")
    # it tells nothing of anybody, and a frame that stays empty would leave its reader without a word
    embedding = {
        source
        for name, client in engine.settings.clients.items()
        if client.smart is not None and client.smart.embedded
        for source in frame_ancestors(engine.settings, name).split()[1:]
    }
    ancestors = " ".join(sorted(embedding)) or "'none'"
    answer.headers["Content-Security-Policy"] = f"{_POLICY}frame-ancestors {ancestors}"
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Content-Language"] = language
    return answer
