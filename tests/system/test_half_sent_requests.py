"""Clients that send half a request, or send it slowly, hold no thread and are told when they took too long; a request
that comes in pieces is answered like any other."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from itertools import pairwise

import pytest
import requests
from patience import eventually
from running_service import free_port

from cds.admission import threads_for

pytestmark = pytest.mark.system

MAY_TAKE_S = 2.5
FILES = 640
CALL = json.dumps(
    {
        "hook": "patient-view",
        "hookInstance": "b6b1a5f4-0000-4000-8000-000000000000",
        "context": {"userId": "Practitioner/1", "patientId": "p1"},
        "prefetch": {"filler": "x" * 200_000},
    }
).encode()
POST = b"POST /cds-services/pancreas-risk HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
WHOLE = POST + b"Content-Length: %d\r\n\r\n" % len(CALL) + CALL
HALVES = {
    "nothing": b"",
    "headers": b"POST /cds-services/pancreas-risk HTTP/1.1\r\nHost:",
    "body": WHOLE[:1000],
    "noughts": POST + b"Content-Length: 00000000000000001000\r\n\r\n",
    "chunks": POST + b"Transfer-Encoding: chunked\r\n\r\nfff\r\n{",
    "waiting": POST + b"Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n",
}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A service with one worker, as few threads as there may be, and room for half as many connections as files."""
    folder, free = tmp_path_factory.mktemp("half"), free_port()
    environment = {**os.environ, "CDS_PORT": str(free), "CDS_WORKERS": "1", "CDS_THREADS": "2"}
    environment |= {"CDS_DATA_DIR": str(folder), "CDS_ENVIRONMENT": "demo", "CDS_LONGEST_ARRIVAL_S": str(MAY_TAKE_S)}
    environment |= {"CDS_CLIENTS__DEMO__AUTHENTICATION": "loopback", "CDS_LEAVING_S": "0"}
    with (folder / "log").open("wb") as log:
        command = ["bash", "-c", f"ulimit -n {FILES}; exec {sys.executable} -m cds serve"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            eventually(lambda: well(free), within_s=30)
            yield free
        finally:
            process.terminate()
            process.wait(20)


def well(port: int) -> bool:
    try:
        return bool(requests.get(f"http://127.0.0.1:{port}/health", timeout=1).json() == {"status": "alive"})
    except requests.RequestException:
        return False


def connected(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def answer_on(connection: socket.socket) -> tuple[int, bytes]:
    with closing(http.client.HTTPResponse(connection)) as answer:
        answer.begin()
        return answer.status, answer.read()


@pytest.mark.threat("slow")
def test_half_requests_of_every_kind_hold_no_thread(port: int) -> None:
    with ExitStack() as stack:
        for _ in range(2 * threads_for(2)):
            for half in HALVES.values():
                stack.enter_context(connected(port)).sendall(half)
        time.sleep(0.3)
        begun = time.monotonic()
        assert well(port)
        call = requests.post(
            f"http://127.0.0.1:{port}/cds-services/pancreas-risk",
            data=CALL,
            headers={"Content-Type": "application/json"},
            timeout=3,
        )
        assert call.status_code == 412  # nothing is known of this patient, and that is an answer
        assert time.monotonic() - begun < MAY_TAKE_S - 0.5  # before any of them was given up
        eventually(lambda: well(port))  # also while all of them are


@pytest.mark.threat("slow")
def test_what_drips_is_given_up_when_its_time_is_over(port: int) -> None:
    """A body with an answer; without headers there is nothing to answer."""
    with ExitStack() as stack:
        begun = time.monotonic()
        dripping = {half: stack.enter_context(connected(port)) for half in ("headers", "body", "chunks", "waiting")}
        for half, connection in dripping.items():
            connection.sendall(HALVES[half])
        while time.monotonic() - begun < MAY_TAKE_S - 0.3:
            for connection in dripping.values():
                connection.sendall(b"x")
            time.sleep(0.2)
        with suppress(ConnectionResetError):  # what still came is not read
            assert dripping.pop("headers").recv(1) == b""
        for connection in dripping.values():
            status, body = answer_on(connection)
            assert status == 408
            assert json.loads(body)["issue"][0]["details"]["coding"][0]["code"] == "CDS-408"
        assert MAY_TAKE_S - 0.1 < time.monotonic() - begun < MAY_TAKE_S + 3


@pytest.mark.parametrize("chunks", [b'5\r\n{"a":1}\r\n', b"x\r\n", b"2\r\n{}\r\n0\r\nX Y\r\n\r\n"])
def test_chunks_that_are_none_are_the_caller_s_fault(port: int, chunks: bytes) -> None:
    with connected(port) as connection:
        connection.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
        status, body = answer_on(connection)
        assert (status, json.loads(body)["issue"][0]["details"]["coding"][0]["code"]) == (400, "CDS-400")


@pytest.mark.threat("flood")
@pytest.mark.parametrize("sent", [b"", b"P"], ids=["nothing", "a byte"])
def test_connections_on_which_little_comes_make_room_for_a_call(port: int, sent: bytes) -> None:
    """More of them than there are files for, which would end a worker that takes them all."""
    with ExitStack() as stack:
        for _ in range(FILES):
            stack.enter_context(connected(port)).sendall(sent)
        begun = time.monotonic()
        assert requests.get(f"http://127.0.0.1:{port}/health", timeout=10).ok
        assert time.monotonic() - begun < 8


@pytest.mark.threat("flood")
def test_heads_without_bodies_make_room_for_a_call_before_their_time_is_over(port: int) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(connected(port)) for _ in range(FILES)]
        for connection in held:
            connection.sendall(HALVES["noughts"])
        assert requests.get(f"http://127.0.0.1:{port}/health", timeout=10).ok
        statuses = {answer_on(connection)[0] for connection in held[: FILES // 8]}
        assert 503 in statuses, statuses  # and not 408 alone, when it has been waited for them


def test_a_body_that_breaks_off_is_no_call(port: int) -> None:
    for half in ("body", "chunks", "waiting"):
        with connected(port) as connection:
            connection.sendall(HALVES[half])
            connection.shutdown(socket.SHUT_WR)
            status, body = answer_on(connection)
            assert status == 400
            assert "broke off" in json.loads(body)["issue"][0]["details"]["text"]


def test_a_call_in_pieces_is_answered_as_if_it_came_at_once(port: int) -> None:
    cuts = [0, 10, len(POST) + 1, len(WHOLE) - len(CALL), len(WHOLE) - 150_000, len(WHOLE) - 1, len(WHOLE)]
    with connected(port) as connection:
        for _ in range(2):  # and the connection goes on
            for start, end in pairwise(cuts):
                connection.sendall(WHOLE[start:end])
                time.sleep(0.07)  # longer than a thread waits for the rest
            status, body = answer_on(connection)
            assert (status, bool(body)) == (412, True)


def test_chunks_are_answered_with_trailers_and_without(port: int) -> None:
    chunks = b"5;a=b\r\n" + CALL[:5] + b"\r\n%x\r\n" % (len(CALL) - 5) + CALL[5:] + b"\r\n0\r\n"
    for trailers in (b"", b"X-Trailer: 1\r\n"):
        with connected(port) as connection:
            begun = time.monotonic()
            connection.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + trailers + b"\r\n")
            status, body = answer_on(connection)
            assert (status, bool(body)) == (412, True)
            assert time.monotonic() - begun < 1  # and not when the time for it was over


def test_who_waits_to_be_told_to_go_on_is_told_once(port: int) -> None:
    head = POST + b"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n" % len(CALL)
    with connected(port) as connection:
        connection.sendall(head)
        assert connection.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(CALL)
        assert connection.recv(12) == b"HTTP/1.1 412"


def test_requests_sent_without_waiting_for_answers_are_all_answered(port: int) -> None:
    get = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    with connected(port) as connection:
        connection.sendall(get + WHOLE + get + get[:9])
        time.sleep(0.2)
        connection.sendall(get[9:])
        statuses = []
        with closing(connection.makefile("rb")) as came:
            for _ in range(4):
                statuses.append(int(came.readline().split()[1]))
                length = 0
                while (line := came.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                came.read(length)
    assert statuses == [200, 412, 200, 200]
