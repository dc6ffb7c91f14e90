"""A port the demonstration has chosen is nobody else's, though its server comes up later."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from cds.demo.port import Port

SERVER = """\
import os, socket
assert (os.environ["LISTEN_FDS"], os.environ["LISTEN_PID"]) == ("1", str(os.getpid()))
asked, _ = socket.socket(fileno=3).accept()
asked.sendall(b"ours")
asked.close()
"""


def test_nobody_else_gets_it_and_who_asks_early_is_answered_by_its_server() -> None:
    with Port(0) as port:
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", port.number))
                other.listen()
        with Port(port.number) as beside:
            assert beside.number != port.number
        with socket.create_connection(("127.0.0.1", port.number), timeout=10) as early:
            line = port.handed([sys.executable, "-c", SERVER])
            subprocess.run(line, check=True, timeout=30, pass_fds=[port.socket.fileno()])
            assert early.recv(10) == b"ours"
