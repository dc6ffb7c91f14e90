"""Where the authorization server asks which patient an app may show: a page without script, and with no patient's
number in it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from urllib.parse import urlsplit

from flask import Response, render_template

from cds.cards.phrasebook import Phrasebook

_STYLE = """
:root { color-scheme: light dark; --ink: #1b2733; --paper: #f4f6f8; --sheet: #fff; --line: #8796a5; --edge: #0b5c8a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8edf2; --paper: #12181e; --sheet: #1b232b; --line: #6c7b89; --edge: #6bb8e6; }
}
body { margin: 0; background: var(--paper); color: var(--ink); font: 1.0625rem/1.5 system-ui, sans-serif; }
main { max-width: 34rem; margin: 6vh auto; padding: 1.75rem 2rem; background: var(--sheet); border-radius: .5rem; }
h1 { font-size: 1.375rem; line-height: 1.3; margin: 0 0 .5rem; }
ul { list-style: none; margin: 0; padding: 0; display: grid; gap: .5rem; }
button { width: 100%; padding: .75rem 1rem; font: inherit; text-align: start; color: inherit; background: none;
  border: 1px solid var(--line); border-radius: .375rem; cursor: pointer; }
button:hover, button:focus-visible { border-color: var(--edge); outline: 2px solid var(--edge); }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


def picker(words: Phrasebook, key: str, names: Sequence[str], redirect_uri: str) -> Response:
    """``key`` stands for what the app asked; the choice comes back as a place in ``names``."""
    body = render_template("choose_patient.html", words=words, key=key, names=names, style=_STYLE)
    answer = Response(body, content_type="text/html; charset=utf-8")
    # Chromium holds the redirect after the form to form-action as well
    back = urlsplit(redirect_uri)
    answer.headers["Content-Security-Policy"] = (
        f"default-src 'none'; base-uri 'none'; frame-ancestors 'none'; style-src 'sha256-{_HASH}'; "
        f"form-action 'self' {back.scheme}://{back.netloc}"
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer
