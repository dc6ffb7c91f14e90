"""Ends an exchange at its deadline, whatever the server does meanwhile.

urllib3's limits are on each wait, and its parser reads a head line by line: a server that sends a byte now and then
keeps it for hours, and with it the worker, whose heartbeat goes on. So the socket is shut down from outside.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection

_here = threading.local()


class Watchdog:
    """Of one exchange, in the thread that begins it."""

    def __init__(self) -> None:
        self.fired = False
        self._connection: HTTPConnection | None = None
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def watch(self, connection: HTTPConnection) -> None:
        """Told before a request is sent, and again when its answer is awaited: by then a connection may be another,
        and afterwards it may have forgotten its socket while the answer is still being read."""
        with self._lock:
            self._connection, self._socket = connection, connection.sock or self._socket

    def fire(self) -> None:
        with self._lock:
            self.fired = True
            found = self._socket or (self._connection.sock if self._connection is not None else None)
        if found is not None:
            with contextlib.suppress(OSError):
                found.shutdown(socket.SHUT_RDWR)


class Plain(HTTPConnection):
    def request(self, *args: Any, **named: Any) -> None:
        _tell(self)
        super().request(*args, **named)

    def getresponse(self) -> Any:
        _tell(self)
        return super().getresponse()


class Secure(Plain, HTTPSConnection):
    """The same over TLS."""


def _tell(connection: HTTPConnection) -> None:
    watchdog: Watchdog | None = getattr(_here, "watchdog", None)
    if watchdog is not None:
        watchdog.watch(connection)


@contextmanager
def watched(seconds: float) -> Iterator[Watchdog]:
    """What this thread sends by a ``Plain`` or ``Secure`` connection inside is cut off after so long."""
    watchdog = Watchdog()
    timer = threading.Timer(seconds, watchdog.fire)
    timer.daemon = True
    _here.watchdog = watchdog
    timer.start()
    try:
        yield watchdog
    finally:
        timer.cancel()
        _here.watchdog = None
