"""Fixture ``postgres``: a real PostgreSQL server on a free loopback port, that a test may kill and start again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest


class PostgresServer:
    """One cluster in ``folder``, owned by an unprivileged user, trusted on loopback only."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        """``durable``: a commit waits for the disk, as in a hospital; tests do without."""
        self._bin = _binaries()
        self._folder, self._durable = folder, durable
        self._data = folder / "data"
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.chmod(0o755)
        if os.getuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        arguments = ["-D", str(self._data), "-U", "cds", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run([*self._as_user(), str(self._bin / "initdb"), *arguments], check=True, capture_output=True)

    @property
    def url(self) -> str:
        """Of the database ``postgres``."""
        return self.database_url("postgres")

    def database_url(self, name: str) -> str:
        return f"postgresql://cds@127.0.0.1:{self.port}/{name}"

    @property
    def pid(self) -> int:
        """Of the server, or of what started it as its user; the backends are below it."""
        if self._process is None:
            raise RuntimeError("PostgreSQL is not running")
        return self._process.pid

    def create_database(self, name: str) -> str:
        """A new empty database; its URL."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.database_url(name)

    def drop_database(self, name: str) -> None:
        """Whoever is still connected to it is thrown out."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def start(self) -> None:
        """Start, or start again after `kill`; returns when the server takes connections."""
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self._folder,
            # SIGKILL leaves what was written in the kernel's hands, so nothing committed is lost without fsync;
            # with it, a start after a kill first syncs every file of every database
            "fsync": "on" if self._durable else "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._as_user(), str(self._bin / "postgres"), "-D", str(self._data), *options],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail("PostgreSQL did not start:\n" + (self._folder / "log").read_text()[-2000:])
                time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL to the server and all its backends at once: a machine that lost power."""
        if self._process is None:
            return
        backends = self.freeze()
        for pid in (self._process.pid, *backends):
            _signal(pid, signal.SIGKILL)
        self._process.wait(timeout=10)
        self._process = None
        # while one is left, the shared memory is in use and the server can't be started again
        deadline = time.monotonic() + 10
        while any(_runs(pid) for pid in backends):
            assert time.monotonic() < deadline, "a PostgreSQL backend survived SIGKILL"
            time.sleep(0.01)

    def freeze(self) -> list[int]:
        """SIGSTOP: connections stay open, nothing answers. The process ids of the backends.

        The parent first: it then neither makes a child nor answers the death of one.
        """
        assert self._process is not None, "the server is not running"
        _signal(self._process.pid, signal.SIGSTOP)
        backends = self._backends()
        for pid in backends:
            _signal(pid, signal.SIGSTOP)
        return backends

    def thaw(self) -> None:
        if self._process is not None:
            for pid in (*self._backends(), self._process.pid):
                _signal(pid, signal.SIGCONT)

    def stop(self) -> None:
        if self._process is not None:
            self.thaw()
            _signal(self._process.pid, signal.SIGQUIT)
            self._process.wait(timeout=30)
            self._process = None

    @property
    def running(self) -> bool:
        return self._process is not None

    def _backends(self) -> list[int]:
        assert self._process is not None
        parent = self._process.pid
        return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]

    def _as_user(self) -> list[str]:
        if os.getuid() != 0:
            return []
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _runs(pid: int) -> bool:
    """False for a process that is gone, or dead and not yet reaped by init."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3]))
    if found:
        return found[-1].parent
    if config := shutil.which("pg_config"):
        folder = Path(subprocess.run([config, "--bindir"], check=True, capture_output=True, text=True).stdout.strip())
        if (folder / "initdb").exists():
            return folder
    pytest.fail("PostgreSQL's server is not installed: apt-get install postgresql", pytrace=False)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The session's server. Started before any test that asks for it; fails where PostgreSQL is absent."""
    # in /tmp: the path of a unix socket may be 107 characters, and the server's user must reach the folder
    folder = Path(tempfile.mkdtemp(prefix="cds-pg-", dir="/tmp"))
    try:
        server = PostgresServer(folder)
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """The server, up at the start of the test and up again after it, whatever the test did to it."""
    yield postgres_server
    postgres_server.thaw()
    if not postgres_server.running:
        postgres_server.start()


@pytest.fixture
def postgres_database(postgres: PostgresServer) -> Iterator[Callable[[], str]]:
    """Call it for the URL of a new, empty database; it goes when the test ends."""
    made: list[str] = []

    def create() -> str:
        made.append(f"t{time.time_ns()}")
        return postgres.create_database(made[-1])

    yield create
    if not postgres.running:
        postgres.start()
    postgres.thaw()
    for name in made:
        postgres.drop_database(name)
