"""Clients that send half a request and then nothing do not silence the service."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from cds.admission import threads_for

pytestmark = pytest.mark.system


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """A service with one worker, and as few threads as there may be."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = int(probe.getsockname()[1])
    environment = {**os.environ, "CDS_PORT": str(free), "CDS_WORKERS": "1", "CDS_THREADS": "2"}
    environment |= {"CDS_DATA_DIR": str(tmp_path), "CDS_ENVIRONMENT": "demo"}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "cds", "serve"], env=environment, stdout=log, stderr=log)
        try:
            for _ in range(200):
                try:
                    requests.get(f"http://127.0.0.1:{free}/health", timeout=1)
                    break
                except requests.RequestException:
                    time.sleep(0.1)
            yield free
        finally:
            process.terminate()
            process.wait(20)


@pytest.mark.parametrize(
    "half",
    [
        b"POST /cds-services/pancreas-risk HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 1000\r\n\r\n{",
        b"POST /cds-services/pancreas-risk HTTP/1.1\r\nHost:",
    ],
    ids=["body", "headers"],
)
@pytest.mark.threat("slow")
def test_half_a_request_holds_no_thread_for_ever(port: int, half: bytes) -> None:
    with ExitStack() as stack:
        for _ in range(threads_for(2)):
            stack.enter_context(socket.create_connection(("127.0.0.1", port))).sendall(half)
        time.sleep(11)
        assert requests.get(f"http://127.0.0.1:{port}/health", timeout=3).json() == {"status": "alive"}
