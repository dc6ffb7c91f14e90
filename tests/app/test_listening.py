"""The address to listen on is asked for before anything is made, but not where a socket that listens is handed down."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cds.demo.port import Port
from cds.errors import SettingsError
from cds.listening import require_address, written

ASKS = "import sys; from cds.listening import require_address; require_address('127.0.0.1', int(sys.argv[1]), tries=1)"


def test_a_socket_that_was_handed_down_is_no_other_program_s() -> None:
    """As the demonstration and systemd start a service."""
    with Port(0) as port:
        with pytest.raises(SettingsError, match="another program listens there"):
            require_address("127.0.0.1", port.number, tries=1)
        line = port.handed([sys.executable, "-c", ASKS, str(port.number)])
        subprocess.run(line, check=True, timeout=60, pass_fds=[port.socket.fileno()])


def test_nor_is_that_of_the_service_which_this_one_replaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUNICORN_PID", "1")
    monkeypatch.setenv("GUNICORN_FD", "7")
    with Port(0) as port:
        require_address("127.0.0.1", port.number, tries=1)


@pytest.mark.parametrize(("of", "sockets"), [(1, "1"), (0, "0")])
def test_sockets_that_another_process_was_handed_are_none(
    monkeypatch: pytest.MonkeyPatch, of: int, sockets: str
) -> None:
    monkeypatch.setenv("LISTEN_PID", str(os.getpid() + of))
    monkeypatch.setenv("LISTEN_FDS", sockets)
    with Port(0) as port, pytest.raises(SettingsError, match="another program listens there"):
        require_address("127.0.0.1", port.number, tries=1)


def test_an_address_of_ipv6_is_written_in_brackets() -> None:
    assert [written(host, 80) for host in ("::1", "127.0.0.1", "localhost")] == [
        "[::1]:80",
        "127.0.0.1:80",
        "localhost:80",
    ]
