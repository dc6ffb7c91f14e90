"""Answers as they may arrive: whole, in pieces, packed, in chunks, cut off, without end, or not answers at all."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from cds.fhir.client import Fetched, FhirClient, Target
from cds.fhir.queries import PATIENT
from cds.trust import AllowList

NewClient = Callable[..., FhirClient]
CONTENT = b'{"resourceType":"Patient","id":"p1"}'
PACKED = gzip.compress(CONTENT)
CHUNKED = b"Transfer-Encoding: chunked"


def head(*lines: bytes, status: bytes = b"200 OK") -> bytes:
    return b"\r\n".join((b"HTTP/1.1 " + status, *lines, b"", b""))


def sized(content: bytes, *lines: bytes) -> bytes:
    return head(*lines, b"Content-Length: %d" % len(content)) + content


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


LAST = b"0\r\n\r\n"
PLAIN = sized(CONTENT)
IN_CHUNKS = (
    head(CHUNKED) + b"5;name=value\r\n" + CONTENT[:5] + b"\r\n" + chunk(CONTENT[5:]) + b"0\r\nTrailer: x\r\n\r\n"
)
AFTER_HINTS = head(status=b"100 Continue") + head(b"Link: </x>", status=b"103 Early Hints") + PLAIN
GZIP = sized(PACKED, b"Content-Encoding: gzip")


@dataclass
class Raw:
    """A server that sends bytes as they are to whoever asks, and keeps the connection unless told otherwise."""

    pieces: Iterable[bytes] = ()
    closes: bool = False
    unasked: bool = False
    """It answers as soon as there is a connection."""
    connections: list[socket.socket] = field(default_factory=list)
    asked: int = 0

    def serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while self.unasked or self._request(connection):
                for piece in self.pieces:
                    connection.sendall(piece)
                if self.closes or self.unasked:
                    connection.shutdown(socket.SHUT_WR)
                    return

    def _request(self, connection: socket.socket) -> bool:
        request = b""
        while b"\r\n\r\n" not in request:
            if not (piece := connection.recv(65536)):
                return False
            request += piece
        self.asked += 1
        return True


@pytest.fixture
def raw() -> Iterator[tuple[Raw, str]]:
    """The server, and its base address."""
    server = Raw()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    server.connections.append(connection)
                    threading.Thread(target=server.serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server, f"http://127.0.0.1:{listener.getsockname()[1]}/fhir"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in server.connections:
        connection.close()


def asked(client: FhirClient, base: str, within: float = 1.0) -> Fetched:
    return client.fetch((PATIENT,), "p1", Target(base, AllowList((base,)), None), time.monotonic() + within)[0]


def code(found: Fetched) -> str | None:
    return found.fault.code if found.fault is not None else None


@pytest.mark.parametrize("step", [1, 7, 1000])
@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(PLAIN, id="with its length"),
        pytest.param(IN_CHUNKS, id="in chunks with extension and trailer"),
        pytest.param(GZIP, id="packed"),
        pytest.param(AFTER_HINTS, id="after interim answers"),
        pytest.param(head(b"Content-Encoding: gzip", CHUNKED) + chunk(PACKED) + LAST, id="packed in chunks"),
    ],
)
def test_an_answer_is_the_same_however_it_is_cut_up(
    raw: tuple[Raw, str], new_client: NewClient, sent: bytes, step: int
) -> None:
    server, base = raw
    server.pieces = [sent[at : at + step] for at in range(0, len(sent), step)]
    client = new_client(retries=0)
    for _ in range(2):
        found = asked(client, base)
        assert found.fault is None
        assert found.pages[0].resources[0].id == "p1"
    assert len(server.connections) == 1


def test_without_a_length_the_end_of_the_connection_is_the_end(raw: tuple[Raw, str], new_client: NewClient) -> None:
    server, base = raw
    server.pieces, server.closes = [head() + CONTENT], True
    assert asked(new_client(retries=0), base).fault is None


def test_an_answer_that_comes_before_the_question_is_of_no_use_to_the_next(
    raw: tuple[Raw, str], new_client: NewClient
) -> None:
    """Whatever it is taken for, the connection is not kept."""
    server, base = raw
    server.pieces, server.unasked = [PLAIN], True
    client = new_client(retries=0)
    assert code(asked(client, base)) in (None, "CDS-602")
    assert code(asked(client, base)) in (None, "CDS-602")
    assert len(server.connections) == 2


BAD = [
    pytest.param(b"SSH-2.0-OpenSSH\r\n\r\n", "CDS-604", id="another protocol"),
    pytest.param(b"HTTP/1.1 20 OK\r\n\r\n", "CDS-604", id="half a status"),
    pytest.param(head(status=b"101 Switching Protocols"), "CDS-602", id="a change of protocol"),
    pytest.param(head(b"no colon", b"Content-Length: 36") + CONTENT, "CDS-604", id="no colon"),
    pytest.param(head(b"A: x\0y", b"Content-Length: 36") + CONTENT, "CDS-604", id="a zero in the head"),
    pytest.param(head(b"Content-Length: -1") + CONTENT, "CDS-604", id="a negative length"),
    pytest.param(head(b"Content-Length: +36") + CONTENT, "CDS-604", id="a signed length"),
    pytest.param(head(b"Content-Length: 0x24") + CONTENT, "CDS-604", id="a length in hexadecimal"),
    pytest.param(head(b"Content-Length: 36", b"Content-Length: 6") + CONTENT, "CDS-604", id="two lengths"),
    pytest.param(head(CHUNKED) + b"-5\r\n", "CDS-604", id="a negative chunk"),
    pytest.param(head(CHUNKED) + b"\r\n\r\n", "CDS-604", id="a chunk without a size"),
    pytest.param(head(CHUNKED) + b"f" * 17 + b"\r\n", "CDS-604", id="a chunk larger than memory"),
    pytest.param(head(CHUNKED) + b"1" * 5000, "CDS-604", id="a size without end"),
    pytest.param(head(CHUNKED) + b"1\r\n{}\r\n" + LAST, "CDS-604", id="a chunk longer than it says"),
    pytest.param(head(CHUNKED) + chunk(CONTENT), "CDS-604", id="no last chunk"),
    pytest.param(head(CHUNKED) + b"ff\r\n" + CONTENT, "CDS-604", id="a chunk cut off"),
    pytest.param(PLAIN[:-1], "CDS-604", id="content cut off"),
    pytest.param(b"HTTP/1.1 200 OK\r\nContent-Le", "CDS-604", id="cut off in the head"),
    pytest.param(head(status=b"100 Continue"), "CDS-602", id="an interim answer only"),
    pytest.param(b"", "CDS-602", id="nothing"),
    pytest.param(head(b"A: " + b"x" * 1_000_000), "CDS-604", id="a megabyte in one line of the head"),
    pytest.param(head(*(b"A%d: x" % n for n in range(100_000))), "CDS-604", id="a hundred thousand lines"),
    pytest.param(sized(CONTENT, b"Content-Encoding: gzip"), "CDS-604", id="not the gzip it says it is"),
    pytest.param(sized(PACKED[:-20], b"Content-Encoding: gzip"), "CDS-604", id="gzip cut off"),
    pytest.param(sized(CONTENT, b"Content-Encoding: zzz"), "CDS-604", id="packed in a way that was not asked for"),
    pytest.param(sized(gzip.compress(b" " * 200_000), b"Content-Encoding: gzip"), "CDS-604", id="a bomb"),
    pytest.param(head(b"Content-Length: 100001"), "CDS-604", id="a length over the limit"),
    pytest.param(head() + b" " * 200_000, "CDS-604", id="more than the limit until closed"),
]


@pytest.mark.parametrize(("sent", "expected"), BAD)
@pytest.mark.threat("zip-bomb")
def test_what_is_not_a_whole_answer_is_a_fault_at_once(
    raw: tuple[Raw, str], new_client: NewClient, sent: bytes, expected: str
) -> None:
    server, base = raw
    server.pieces, server.closes = [sent], True
    start = time.monotonic()
    found = asked(new_client(retries=0, max_bytes=100_000), base, within=5.0)
    assert code(found) == expected
    assert found.pages == []
    assert time.monotonic() - start < 2.0


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(lambda: itertools.repeat(head(status=b"100 Continue") * 500), id="interim answers"),
        pytest.param(lambda: itertools.chain([head()[:-2]], itertools.repeat(b"A: x\r\n" * 500)), id="a head"),
        pytest.param(lambda: itertools.chain([head(CHUNKED)], itertools.repeat(chunk(b" " * 4000))), id="chunks"),
        pytest.param(lambda: itertools.chain([head()], itertools.repeat(b" " * 65536)), id="content"),
    ],
)
@pytest.mark.threat("slow")
def test_what_never_ends_is_given_up(
    raw: tuple[Raw, str], new_client: NewClient, pieces: Callable[[], Iterable[bytes]]
) -> None:
    server, base = raw
    server.pieces = pieces()
    start = time.monotonic()
    assert asked(new_client(retries=0, max_bytes=100_000), base, within=1.0).fault is not None
    assert time.monotonic() - start < 1.15


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        pytest.param(PLAIN, True, id="by default"),
        pytest.param(PLAIN.replace(b"/1.1", b"/1.0"), False, id="not by default in 1.0"),
        pytest.param(sized(CONTENT, b"Connection: Close"), False, id="to be closed"),
        pytest.param(sized(CONTENT, b"Connection: keep-alive").replace(b"/1.1", b"/1.0"), True, id="kept in 1.0"),
        pytest.param(head(status=b"204 No Content"), True, id="no content"),
        pytest.param(PLAIN + PLAIN.replace(b"p1", b"p2"), False, id="something unasked behind it"),
        pytest.param(head(b"Content-Length: +36") + CONTENT, False, id="not plainly an answer"),
        pytest.param(sized(CONTENT, b"Content-Encoding: gzip"), False, id="of no use"),
    ],
)
def test_a_connection_is_kept_only_if_nothing_speaks_against_it(
    raw: tuple[Raw, str], new_client: NewClient, sent: bytes, kept: bool
) -> None:
    server, base = raw
    server.pieces = [sent]
    client = new_client(retries=0)
    answers = [asked(client, base) for _ in range(3)]
    assert {code(one) for one in answers} == {code(answers[0])}
    assert {r.id for one in answers for page in one.pages for r in page.resources} <= {"p1"}
    assert server.asked == 3
    assert len(server.connections) == (1 if kept else 3)


def test_a_lost_connection_is_tried_again_and_a_bad_answer_is_not(raw: tuple[Raw, str], new_client: NewClient) -> None:
    server, base = raw
    server.closes = True
    asked(new_client(retries=1), base)
    assert server.asked == 2
    server.pieces, server.asked = [PLAIN[:-1]], 0
    asked(new_client(retries=1), base)
    assert server.asked == 1


def test_more_open_files_than_select_can_see(raw: tuple[Raw, str], new_client: NewClient) -> None:
    """A worker's idle callers each keep a file open; waiting must not go blind beyond number 1023."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    server, base = raw
    server.pieces = [PLAIN[:20], PLAIN[20:]]
    open_files: list[Any] = []
    try:
        while not open_files or open_files[-1].fileno() < 1030:
            open_files.append(open("/dev/null", "rb"))  # noqa: SIM115
        spent = time.process_time()
        assert asked(new_client(retries=0), base).fault is None
        assert time.process_time() - spent < 0.5
    finally:
        for file in open_files:
            file.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
