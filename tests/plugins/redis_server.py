"""Fixture ``redis``: a real Redis server on a free loopback port, with a password, that a test may kill and start."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


class RedisServer:
    """Keeps nothing on disk: killed, it forgets every message."""

    password = "for-this-machine-only"

    def __init__(self, folder: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            pytest.fail("Redis is not installed: apt-get install redis-server", pytrace=False)
        self._program: str = program
        self._folder = folder
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start, or start again after ``kill``; returns when it takes connections."""
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "requirepass": self.password,
            "save": "",
            "appendonly": "no",
            "dir": str(self._folder),
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([self._program, *words], stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail("Redis did not start:\n" + (self._folder / "log").read_text()[-2000:])
                time.sleep(0.05)

    def listened_to(self) -> bool:
        """Somebody waits for the next message."""
        from redis import Redis

        with Redis(port=self.port, password=self.password) as client:
            return any(one["cmd"] == "brpop" for one in client.client_list())

    def kill(self) -> None:
        """SIGKILL, with every message in it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=10)
            self._process = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    folder = Path(tempfile.mkdtemp(prefix="cds-redis-", dir="/tmp"))
    server = RedisServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
