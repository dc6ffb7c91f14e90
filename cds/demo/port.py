"""A port of this machine that is ours from the moment it is chosen.

The demonstration's servers come up a second or two after their ports were chosen. One that was only found to be free
may be another program's by then, and another CDS service there answers for ours: with 401, if its clients sign their
calls. So the socket listens from the beginning and is handed down as systemd hands sockets to a service
(sd_listen_fds(3)), which gunicorn understands.
"""

from __future__ import annotations

import socket
import sys
from types import TracebackType

from cds.errors import CdsError

_FIRST = 3
"""Where a service looks for the sockets it is handed: SD_LISTEN_FDS_START."""
_HAND_DOWN = f"""\
import os, sys
given = int(sys.argv[1])
if given != {_FIRST}:
    os.dup2(given, {_FIRST})
    os.close(given)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""


class DemoFailed(CdsError):
    code = "CDS-900"


class Port:
    """Listening, from the beginning; what connects is answered once the server is up. Closed when it is left: by then
    the server has it."""

    def __init__(self, wish: int) -> None:
        """At ``wish`` if nobody is there, else anywhere on 127.0.0.1. Raises DemoFailed."""
        self.socket = _bound(wish)
        self.socket.listen(128)
        self.number = int(self.socket.getsockname()[1])

    def handed(self, command: list[str]) -> list[str]:
        """``command`` as it is to be run, with this socket's file among those it inherits."""
        return [sys.executable, "-c", _HAND_DOWN, str(self.socket.fileno()), *command]

    def __enter__(self) -> Port:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.socket.close()


def free_port(wish: int) -> int:
    """For a program that must bind it by itself: another may be quicker."""
    with _bound(wish) as found:
        return int(found.getsockname()[1])


def _bound(wish: int) -> socket.socket:
    for candidate in (wish, 0):
        found = socket.socket()
        try:
            found.bind(("127.0.0.1", candidate))
        except OSError:
            found.close()
        else:
            return found
    raise DemoFailed("no free port on 127.0.0.1")
