"""The wire itself, through a real gunicorn: bodies in chunks, HEAD and OPTIONS, connections kept open."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from requirements import requirement
from service import Json, PrefetchOf, context_of, request, write_settings

pytestmark = pytest.mark.system

CALL = "/cds-services/pancreas-risk"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A service as ``cds serve`` starts it, one worker, on a free loopback port."""
    folder = tmp_path_factory.mktemp("gunicorn")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = int(probe.getsockname()[1])
    settings = write_settings(folder, number)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("CDS_", "PROMETHEUS_"))}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cds", "--settings", str(settings), "serve"],
            stdout=log,
            stderr=log,
            env=environment,
        )
        try:
            _wait(number, process, folder / "log")
            yield number
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), contextlib.closing(_connect(port)) as connection:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.1)
    pytest.fail("the service did not start:\n" + log.read_text(encoding="utf-8", errors="replace")[-2000:])


def _connect(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=30)


@pytest.fixture
def connection(port: int) -> Iterator[http.client.HTTPConnection]:
    with contextlib.closing(_connect(port)) as found:
        yield found


@pytest.fixture(scope="module")
def body(prefetch_of: PrefetchOf) -> bytes:
    context = context_of("new-diabetes", "patient-view")
    return json.dumps(request("patient-view", context, prefetch_of("new-diabetes"))).encode()


def pieces(body: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def answered(connection: http.client.HTTPConnection) -> tuple[int, Json]:
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


@requirement(1, 22)
@pytest.mark.parametrize("size", [1000, 65_536])
def test_a_body_in_chunks_without_a_length_is_read(
    connection: http.client.HTTPConnection, body: bytes, size: int
) -> None:
    headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    connection.request("POST", CALL, pieces(body, size), headers, encode_chunked=True)
    status, answer = answered(connection)
    assert status == 200
    assert answer["cards"]


@requirement(23)
@pytest.mark.threat("oversized")
def test_a_body_in_chunks_that_never_ends_is_413(connection: http.client.HTTPConnection) -> None:
    headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    endless = (b" " * 500_000 for _ in range(20))
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.request("POST", CALL, endless, headers, encode_chunked=True)
    status, answer = answered(connection)
    assert status == 413
    assert answer["resourceType"] == "OperationOutcome"


@requirement(4)
def test_head_and_options_are_answered_without_a_body(connection: http.client.HTTPConnection) -> None:
    for method in ("HEAD", "OPTIONS"):
        connection.request(method, "/cds-services")
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.read() == b""
    assert "GET" in (answer.getheader("Allow") or "")


@requirement(41)
def test_one_connection_serves_many_calls(connection: http.client.HTTPConnection, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    sockets = set()
    for path, sent in ((CALL, body), (CALL, b"{"), ("/cds-services/unknown", body), (CALL, body)):
        connection.request("POST", path, sent, headers)
        sockets.add(connection.sock)
        status, _ = answered(connection)
        assert status == {(CALL, body): 200, (CALL, b"{"): 400}.get((path, sent), 404)
    assert len(sockets) == 1


@requirement(41)
def test_over_the_wire_too_an_answer_takes_less_than_half_a_second(
    connection: http.client.HTTPConnection, body: bytes
) -> None:
    times = []
    for _ in range(5):
        start = time.perf_counter()
        connection.request("POST", CALL, body, {"Content-Type": "application/json"})
        assert answered(connection)[0] == 200
        times.append(time.perf_counter() - start)
    assert sorted(times)[2] < 0.5


@requirement(42)
def test_over_the_wire_too_answers_are_not_to_be_stored(connection: http.client.HTTPConnection, body: bytes) -> None:
    connection.request("POST", CALL, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    assert answer.getheader("Cache-Control") == "no-store"
