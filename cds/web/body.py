"""A request's body: JSON by its type, whole, and no larger than allowed."""

from __future__ import annotations

from codecs import BOM_UTF8

from flask import Request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from cds.errors import MalformedRequest, RequestTimeout, WrongMediaType


def read_body(asked: Request, *, empty: bool = False) -> bytes:
    """``empty``: a body may be left out, and then has no type."""
    kind = asked.mimetype
    # required, not only respected: a page in a browser can't send this type to another origin without being asked
    if kind != "application/json" and not kind.endswith("+json") and not (empty and not kind):
        raise WrongMediaType("the body must be JSON: send Content-Type: application/json")
    packed = asked.headers.get("Content-Encoding", "identity").strip().lower()
    if packed not in ("", "identity"):
        raise WrongMediaType("the body must not be compressed: send it without Content-Encoding")
    try:
        body = asked.get_data(cache=False)
    except (ClientDisconnected, OSError, ParseException) as error:
        # Werkzeug takes whatever stops a body of a known length for the other side's hanging up
        why = error.__context__ if isinstance(error, ClientDisconnected) else error
        if isinstance(why, BlockingIOError | TimeoutError):
            raise RequestTimeout("the body did not arrive in time") from error
        raise MalformedRequest("the body broke off, or its chunks are not as HTTP says") from error
    if len(body) < (asked.content_length or 0):
        raise MalformedRequest("the body broke off before its Content-Length")
    # a body in chunks announces no length, and Werkzeug cuts it off at the limit without a word
    if asked.content_length is None and len(body) >= (asked.max_content_length or len(body) + 1):
        raise RequestEntityTooLarge
    if body and not kind:
        raise WrongMediaType("the body must be JSON: send Content-Type: application/json")
    return body.removeprefix(BOM_UTF8)  # some frameworks begin every text with it
