"""multipart/related split while it streams (RFC 2046 §5.1, DICOM PS3.18 §8.6.1).

A series arrives as one body of hundreds of parts. Each part is handed over as soon as its closing delimiter is seen,
so that decoding starts while the rest is on its way and no more than one part is held here.
"""

from __future__ import annotations

import re

from cds.imaging.reasons import Reason, Unusable

_PARAMETER = re.compile(r';\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)')
_MOST_BOUNDARY = 200
"""RFC 2046 says 70; some servers use more."""
_MOST_HEADER = 8192
"""Bytes of one part's header, and of what may stand before the first delimiter."""


def boundary_of(content_type: str) -> bytes:
    """The delimiter's text. Raises Unusable (pacs-malformed) when this is not multipart with a boundary.

    A quoted ``type`` may itself hold semicolons (``type="image/jls; transfer-syntax=..."``), as real servers send.
    """
    if not content_type.strip().lower().startswith("multipart/"):
        raise Unusable(Reason.PACS_MALFORMED, "(the answer is not multipart)")
    for name, value in _PARAMETER.findall(content_type):
        if name.lower() == "boundary":
            value = value.strip()
            text = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
            if 0 < len(text) <= _MOST_BOUNDARY and text.isascii():
                return text.encode("ascii")
    raise Unusable(Reason.PACS_MALFORMED, "(multipart without a usable boundary)")


class Splitter:
    """Bytes in, bodies of whole parts out. Part headers are skipped: a DICOM part says itself what it is."""

    def __init__(self, boundary: bytes, max_part_bytes: int) -> None:
        self._first = b"--" + boundary
        self._between = b"\r\n--" + boundary
        self._max = max_part_bytes
        self._buffer = bytearray()
        self._searched = 0
        self._inside = False
        """Past the first delimiter."""
        self.closed = False
        """The final delimiter was seen: the body is complete."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The parts that ``chunk`` completes, in order.

        Raises Unusable: too-large for a part over the limit, pacs-malformed for what is not multipart.
        """
        if self.closed:
            return []  # an epilogue, to be ignored
        self._buffer += chunk
        parts: list[bytes] = []
        while not self.closed:
            delimiter = self._between if self._inside else self._first
            at = self._buffer.find(delimiter, self._searched)
            after = at + len(delimiter)
            if at < 0 or len(self._buffer) < after + 2:  # two more bytes tell a further part from the end
                # a delimiter may straddle this chunk and the next
                self._searched = max(0, len(self._buffer) - len(delimiter)) if at < 0 else at
                self._check_size()
                return parts
            if self._inside:
                parts.append(self._body(at))
            self.closed = self._buffer[after : after + 2] == b"--"
            # the line end after the delimiter stays: it opens the part's header
            del self._buffer[:after]
            self._searched = 0
            self._inside = True
        self._buffer.clear()
        return parts

    def finish(self) -> None:
        """Call at the end of the stream. Raises Unusable (truncated) when the final delimiter never came."""
        if not self.closed:
            raise Unusable(Reason.TRUNCATED, "(the stream ended before its final delimiter)")

    def _body(self, end: int) -> bytes:
        # a part without header fields starts with the empty line at once
        at = self._buffer.find(b"\r\n\r\n", 0, min(end + 4, _MOST_HEADER))
        if at < 0:
            raise Unusable(Reason.PACS_MALFORMED, "(a part without a header)")
        if end - at - 4 > self._max:
            raise Unusable(Reason.TOO_LARGE, f"(one image of more than {self._max} bytes)")
        with memoryview(self._buffer) as view:
            return bytes(view[at + 4 : end])

    def _check_size(self) -> None:
        if self._inside and len(self._buffer) > self._max + _MOST_HEADER:
            raise Unusable(Reason.TOO_LARGE, f"(one image of more than {self._max} bytes)")
        if not self._inside and len(self._buffer) > _MOST_HEADER:
            raise Unusable(Reason.PACS_MALFORMED, "(no delimiter where multipart should begin)")
