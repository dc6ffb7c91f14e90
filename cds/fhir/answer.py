"""One HTTP/1.1 answer to a GET, taken in as its bytes arrive (RFC 9112).

The standard library's reader waits for the head of one answer, however slowly it comes; this one takes what is there
and can be asked whether that is all. What is not plainly an answer is refused rather than repaired.
"""

from __future__ import annotations

import re
import zlib

_MAX_HEAD = 65536
_MAX_LINE = 4096
"""Of a chunk's size and a trailer, bytes."""
_TOO_LARGE = "it is larger than fhir.max_bytes allows"
_STATUS = re.compile(r"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\x00]*)?", re.DOTALL)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")


class Broken(ValueError):
    """Not an answer, or not all of one; says why."""


class Answer:
    """Ask ``status`` (0: the head is not all there) and ``whole`` after each piece."""

    def __init__(self, limit: int) -> None:
        """``limit``: bytes of the content, also once unpacked."""
        self.status = 0
        self.headers: dict[str, str] = {}
        """By lower-case name; several of one name joined with a comma."""
        self.whole = False
        self._limit = limit
        self._held = bytearray()
        self._content = bytearray()
        self._length: int | None = None
        self._chunks: _Chunks | None = None
        self._lasting = False

    @property
    def connection_usable(self) -> bool:
        """The next request may go out on the same connection: nothing of this answer is left on it."""
        return self.whole and self._lasting and not self._held

    def take(self, arrived: bytes) -> None:
        """Raises Broken."""
        self._held += arrived
        if not self.status and not self._read_head():
            return
        if self._chunks is not None:
            self.whole = self._chunks.take(self._held, self._content)
        else:
            missing = len(self._held) if self._length is None else self._length - len(self._content)
            self._content += self._held[:missing]
            del self._held[:missing]
            self.whole = len(self._content) == self._length
        if len(self._content) > self._limit:
            raise Broken(_TOO_LARGE)

    def end(self) -> None:
        """The server closed the connection. Raises Broken unless that ends the answer, ConnectionError before one."""
        self._lasting = False
        if not self.status:
            raise ConnectionResetError("closed before an answer")
        self.whole = self.whole or (self._length is None and self._chunks is None)
        if not self.whole:
            raise Broken("it broke off")

    def content(self) -> bytes:
        """Unpacked. Raises Broken."""
        coding = self.headers.get("content-encoding", "identity").lower()
        if coding == "identity" or not self._content:
            return bytes(self._content)
        if coding not in ("gzip", "x-gzip"):
            raise Broken("it is packed in a way that was not asked for")
        return _unpacked(bytes(self._content), self._limit)

    def _read_head(self) -> bool:
        while True:
            end = self._held.find(b"\r\n\r\n")
            if end > _MAX_HEAD or (end < 0 and len(self._held) > _MAX_HEAD):
                raise Broken("its head has no end")
            if end < 0:
                return False
            first, *lines = self._held[:end].decode("latin-1").split("\r\n")
            del self._held[: end + 4]
            parts = _STATUS.fullmatch(first)
            if parts is None or parts[2] == "101":
                raise Broken("it is not an HTTP answer")
            if parts[2][0] != "1":  # of another kind than "go on": the answer proper follows that one
                break
        self._read_fields(lines)
        self._frame(int(parts[2]), lasting=parts[1] == "1")
        self.status = int(parts[2])
        return True

    def _read_fields(self, lines: list[str]) -> None:
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or not _NAME.fullmatch(name):
                raise Broken("its head can't be read")
            name, value = name.lower(), value.strip(" \t")
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value

    def _frame(self, status: int, *, lasting: bool) -> None:
        """Where the content ends (RFC 9112, 6.3), and whether the connection outlives it (9.3)."""
        coding, length = self.headers.get("transfer-encoding"), self.headers.get("content-length")
        if status in (204, 304):
            self._length = 0
        elif coding is not None:
            if coding.lower() != "chunked":
                raise Broken("it is sent in a way that was not asked for")
            self._chunks = _Chunks()
        elif length is not None:
            # the same length said twice is one length
            told = {one.strip() for one in length.split(",")}
            number = told.pop()
            if told or not (number.isascii() and number.isdigit() and len(number) < 16):
                raise Broken("its length is not a number")
            self._length = int(number)
            if self._length > self._limit:
                raise Broken(_TOO_LARGE)
        options = {one.strip().lower() for one in self.headers.get("connection", "").split(",")}
        # a length beside chunks is what smuggled requests are made of: such a connection is used once
        agreed = coding is None or length is None
        self._lasting = agreed and "close" not in options and (lasting or "keep-alive" in options)


class _Chunks:
    """Content in chunks (RFC 9112, 7.1); their extensions and the trailer are read over."""

    def __init__(self) -> None:
        self._left = 0
        self._expects = self._size

    def take(self, held: bytearray, content: bytearray) -> bool:
        """Move what can be read from ``held`` to ``content``. True: that was the last of it."""
        while True:
            if self._left:
                part = held[: self._left]
                content += part
                del held[: len(part)]
                self._left -= len(part)
                if self._left:
                    return False
            end = held.find(b"\r\n")
            if end > _MAX_LINE or (end < 0 and len(held) > _MAX_LINE):
                raise Broken("its chunks can't be read")
            if end < 0:
                return False
            line = bytes(held[:end])
            del held[: end + 2]
            if self._expects(line):
                return True

    def _size(self, line: bytes) -> bool:
        number = line.partition(b";")[0].strip(b" \t")
        if not _SIZE.fullmatch(number):
            raise Broken("its chunks can't be read")
        self._left = int(number, 16)
        self._expects = self._end_of_chunk if self._left else self._trailer
        return False

    def _end_of_chunk(self, line: bytes) -> bool:
        if line:
            raise Broken("its chunks can't be read")
        self._expects = self._size
        return False

    def _trailer(self, line: bytes) -> bool:
        return not line


def _unpacked(packed: bytes, limit: int) -> bytes:
    """gzip, of which several may stand in a row. Raises Broken; never makes more than ``limit`` bytes of it."""
    content = bytearray()
    try:
        while True:
            member = zlib.decompressobj(16 + zlib.MAX_WBITS)
            content += member.decompress(packed, limit + 1 - len(content))
            if len(content) > limit:
                raise Broken(_TOO_LARGE)
            if not member.eof:
                raise Broken("it broke off")
            packed = member.unused_data
            if not packed.startswith(b"\x1f\x8b"):  # padding, if anything: read over, as by every reader of gzip
                return bytes(content)
    except zlib.error as error:
        raise Broken("it is not the gzip that it says it is") from error
