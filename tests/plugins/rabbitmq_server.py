"""Fixture ``rabbitmq``: a real RabbitMQ on a free loopback port, with a password, that a test may kill and start.

Its port mapper (epmd) would stay behind as a daemon: here it runs in the foreground, on a port of its own, and goes
with the server.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

_HOME = Path("/usr/lib/rabbitmq")


class RabbitMqServer:
    """One node with its data in ``folder``; what is durable survives ``kill``."""

    user, password = "cds", "for-this-machine-only"

    def __init__(self, folder: Path) -> None:
        found = sorted(_HOME.glob("lib/*/sbin/rabbitmq-server"))
        mapper = shutil.which("epmd")
        if not found or mapper is None:
            pytest.fail("RabbitMQ is not installed: apt-get install rabbitmq-server", pytrace=False)
        self._program, self._mapper_program, self._folder = found[-1], mapper, folder
        self.port, self._mapper_port, self._node_port = _free_ports(3)
        self._process: subprocess.Popen[bytes] | None = None
        self._mapper: subprocess.Popen[bytes] | None = None
        (folder / "rabbitmq.conf").write_text(
            f"default_user = {self.user}\ndefault_pass = {self.password}\nlog.console = true\nlog.file = false\n"
        )
        (folder / "plugins").write_text("[].\n")

    @property
    def url(self) -> str:
        return f"amqp://{self.user}:{self.password}@127.0.0.1:{self.port}//"

    def start(self) -> None:
        """Start, or start again after ``kill``; returns when it takes logins."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"cds{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._node_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_LOG_BASE": str(self._folder),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        }
        with (self._folder / "log").open("ab") as log:
            if self._mapper is None:
                command = [self._mapper_program, "-address", "127.0.0.1", "-port", str(self._mapper_port)]
                self._mapper = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            self._process = subprocess.Popen(
                [str(self._program)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                start_new_session=True,
            )
        deadline = time.monotonic() + 90
        while not self.listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                pytest.fail("RabbitMQ did not start:\n" + (self._folder / "log").read_text()[-3000:])
            time.sleep(0.1)

    def listens(self) -> bool:
        from amqp import Connection
        from amqp.exceptions import AMQPError

        try:
            with Connection(f"127.0.0.1:{self.port}", self.user, self.password, connect_timeout=2, read_timeout=5):
                return True
        except (OSError, AMQPError):
            return False

    def listened_to(self) -> bool:
        """Somebody waits for the next message."""
        from amqp import Connection
        from amqp.exceptions import NotFound

        from cds.jobs.celery import QUEUE

        try:
            with Connection(f"127.0.0.1:{self.port}", self.user, self.password) as connection:
                return bool(connection.channel().queue_declare(QUEUE, passive=True).consumer_count)
        except (OSError, NotFound):
            return False

    def kill(self) -> None:
        """SIGKILL to the node, and the shell that started it: the session is this server's own."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=10)
            self._process = None

    def close(self) -> None:
        self.kill()
        if self._mapper is not None:
            self._mapper.kill()
            self._mapper.wait(timeout=10)


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[RabbitMqServer]:
    folder = Path(tempfile.mkdtemp(prefix="cds-rabbitmq-", dir="/tmp"))
    server = RabbitMqServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def rabbitmq(rabbitmq_server: RabbitMqServer) -> RabbitMqServer:
    """The session's, up, whatever the test before did to it. A message left over wakes a worker, and no more."""
    if not rabbitmq_server.listens():
        rabbitmq_server.kill()
        rabbitmq_server.start()
    return rabbitmq_server
