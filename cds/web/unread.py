"""What gunicorn could not read as a request, or not answer: told as every other error, where gunicorn itself would send
a page of HTML and quote what came in its log."""

from __future__ import annotations

import logging

from gunicorn.http import errors as unread

from cds.web.errors import UNFORESEEN, outcome_body

_log = logging.getLogger("cds.web")

_REASONS = {
    400: "Bad Request",
    414: "URI Too Long",
    417: "Expectation Failed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
}
_FRAMES = frozenset({"CONTENT-LENGTH", "TRANSFER-ENCODING", "HOST"})

_SAYING: tuple[tuple[type[Exception], int, str], ...] = (
    (unread.LimitRequestLine, 414, "the address is too long"),
    (unread.LimitRequestHeaders, 431, "the headers are too many, or one is too long: 100 of 8190 bytes are read"),
    (unread.ExpectationFailed, 417, "of Expect only 100-continue is met"),
    # 501 by RFC 9112, 6.1; but it is the caller who can mend it, and 5xx are alarms
    (unread.UnsupportedTransferCoding, 400, "of Transfer-Encoding only chunked is read: send the body uncompressed"),
    (unread.InvalidHTTPVersion, 400, "HTTP/1.0 and HTTP/1.1 are read, no other version"),
    (unread.InvalidH2CPreface, 400, "HTTP/1.0 and HTTP/1.1 are read, no other version"),
    (unread.InvalidRequestLine, 400, "the first line is not as HTTP/1.1 says: METHOD /address HTTP/1.1"),
    (unread.InvalidRequestMethod, 400, "the method is none that HTTP knows"),
    (unread.ObsoleteFolding, 400, "a header goes on over a line end, which HTTP/1.1 no longer allows"),
    (unread.InvalidHeaderName, 400, "the name of a header holds characters that HTTP does not allow"),
    (unread.InvalidHeader, 400, "a header is not as HTTP/1.1 says"),
    (unread.ParseException, 400, "the request is not as HTTP/1.1 says"),
)


def answer_to(error: Exception) -> bytes:
    """The whole answer; the connection is closed after it. One line goes to the log, without a word of what came."""
    status, text = _said(error)
    if status == 500:
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place is not None else "?"
        _log.error("call.failed code=CDS-500 error=%s at=%s", type(error).__name__, where)
    else:
        _log.warning("request.unread status=%d error=%s", status, type(error).__name__)
    body = outcome_body(status, f"CDS-{status}", text)
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nConnection: close\r\nContent-Type: application/fhir+json\r\n"
        f"X-Content-Type-Options: nosniff\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body


def _said(error: Exception) -> tuple[int, str]:
    if isinstance(error, unread.InvalidResponseHeader | unread.InvalidResponseHeaderName):
        return 500, UNFORESEEN
    for kind, status, text in _SAYING:
        if isinstance(error, kind):
            name = getattr(error, "hdr", None)
            return status, f"{text}: {name.title()}" if name in _FRAMES else text
    return 500, UNFORESEEN
