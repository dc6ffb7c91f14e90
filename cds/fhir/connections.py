"""The connections to one server: kept for the next query, never more than so many, and opened without blocking.

Nothing here asks the environment for a proxy. Names are looked up in a thread: the operating system offers no other
way to give up waiting for them.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
import threading
import time
import weakref
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from cds.fhir.rounds import READ, WRITE, Steps, Wait, ready, told

_Turn = Future[socket.socket | None]


class Connections:
    """Safe to share between threads; made after the fork. ``tls``: None for plain http."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None, *, most: int, patience_s: float) -> None:
        """``patience_s``: seconds for opening one."""
        self._host, self._port, self._tls = host, port, tls
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._idle: list[socket.socket] = []
        self._unopened = most
        self._queue: deque[_Turn] = deque()
        self._names = ThreadPoolExecutor(1, thread_name_prefix="fhir-names")
        self._looking: Future[list[Any]] | None = None
        weakref.finalize(self, _close, self._idle)

    def take(self) -> Steps[socket.socket]:
        """One that is open, to be given back whatever becomes of it. Raises OSError."""
        found = yield from self._turn()
        try:
            if found is not None and not _alive(found):
                found.close()
                found = None
            if found is None:
                found = yield from self._opened()
        except BaseException:
            self.give_back(None)
            raise
        return found

    def give_back(self, kept: socket.socket | None) -> None:
        """``kept``: the connection, if its next user may have it; None if it is closed."""
        with self._lock:
            while self._queue:
                turn = self._queue.popleft()
                if turn.set_running_or_notify_cancel():
                    break
            else:
                if kept is None:
                    self._unopened += 1
                else:
                    self._idle.append(kept)
                return
        turn.set_result(kept)

    def _turn(self) -> Steps[socket.socket | None]:
        """A connection that was kept, or leave to open one (None); first come, first served when all are in use."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
            if self._unopened:
                self._unopened -= 1
                return None
            turn: _Turn = Future()
            self._queue.append(turn)
        try:
            return (yield from told(turn))
        except GeneratorExit:
            if not turn.cancel():  # it came too late for us
                self.give_back(turn.result())
            raise

    def _opened(self) -> Steps[socket.socket]:
        fault: OSError = OSError("the server's name has no address")
        for family, kind, protocol, _, address in (yield from self._addresses()):
            until = time.monotonic() + self._patience_s
            opened = socket.socket(family, kind, protocol)
            try:
                yield from _connected(opened, address, until)
                if self._tls is not None:
                    opened = self._tls.wrap_socket(opened, server_hostname=self._host, do_handshake_on_connect=False)
                    yield from ready(opened.do_handshake, opened, READ, until)
            except OSError as error:
                opened.close()
                fault = error
            except GeneratorExit:
                opened.close()
                raise
            else:
                return opened
        raise fault

    def _addresses(self) -> Steps[list[Any]]:
        try:
            return self._look_up(socket.AI_NUMERICHOST)
        except socket.gaierror:  # a name
            pass
        with self._lock:
            # one look-up serves all who wait for it
            if self._looking is None or self._looking.done():
                self._looking = self._names.submit(self._look_up)
            looking = self._looking
        return (yield from told(looking, time.monotonic() + self._patience_s))

    def _look_up(self, flags: int = 0) -> list[Any]:
        return list(socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM, flags=flags))


def _close(idle: list[socket.socket]) -> None:
    for one in idle:
        one.close()


def _connected(opened: socket.socket, address: Any, until: float) -> Steps[None]:
    opened.setblocking(False)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    code = opened.connect_ex(address)
    if code in (errno.EINPROGRESS, errno.EWOULDBLOCK):
        yield Wait(opened, WRITE, until)
        if time.monotonic() >= until:
            raise TimeoutError
        code = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def _alive(kept: socket.socket) -> bool:
    """Whether the server left it open. One that says something unasked is not to be relied on either."""
    try:
        kept.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    return False
