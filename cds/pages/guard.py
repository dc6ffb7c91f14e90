"""What keeps the demonstration EHR's pages to themselves: one policy for content, forms of its own only."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Response, abort, request

# one small script, from here; no inline script or style, no other host
_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def own_forms_only() -> None:
    """Another site's form must not act here. Browsers say where a request comes from; other clients say nothing."""
    if request.method == "POST":
        origin = request.headers.get("Origin")
        foreign = origin is not None and urlsplit(origin).netloc != request.host
        if foreign or request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            abort(403)


def protected(answer: Response) -> Response:
    answer.headers["Content-Security-Policy"] = _POLICY
    answer.headers["X-Content-Type-Options"] = "nosniff"
    # not "no-referrer": browsers would then send our own forms with "Origin: null"
    answer.headers["Referrer-Policy"] = "same-origin"
    if request.endpoint != "ehr.static":
        answer.headers["Cache-Control"] = "no-store"
    return answer
