"""A TCP proxy on loopback that a test can poison: between the service and something that itself is well.

``proxy.silent()``, ``proxy.slow(0.2)``, ``proxy.resets()``, ``proxy.refuses()`` hold for connections that are open and
for new ones alike; ``proxy.well()`` ends it. Connections that were open are not mended: like a cable put back.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends RST and throws away what was not sent."""


class ToxicProxy:
    def __init__(self, to_port: int, tls: ssl.SSLContext | None = None) -> None:
        """``tls``: what callers must speak; what is behind it hears plain bytes."""
        self._to, self._tls = to_port, tls
        self._mode, self._delay_s = "well", 0.0
        self._over = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = self._listen(0)
        self.port = int(self._listener.getsockname()[1])

    def goes_to(self) -> int:
        """Port that the next connection is for."""
        return self._to

    def well(self) -> None:
        was, self._mode, self._delay_s = self._mode, "well", 0.0
        if was == "refuses":
            self._listener = self._listen(self.port)
        self._cut()  # what fell silent stays so; both ends find out

    def slow(self, seconds: float) -> None:
        """Every packet, either way, is that late."""
        self._mode, self._delay_s = "slow", seconds

    def silent(self) -> None:
        """Connections are taken and nothing passes: a firewall that forgot them, a server that froze."""
        self._mode = "silent"

    def resets(self) -> None:
        """RST on every connection, those to come as well."""
        self._mode = "resets"
        self._cut()

    def refuses(self) -> None:
        """Nobody listens."""
        self._mode = "refuses"
        _end(self._listener)
        self._cut()

    def close(self) -> None:
        self._over.set()
        _end(self._listener)
        self._cut()

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port), backlog=128)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            if self._mode == "resets":
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                near.close()
                continue
            threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        try:
            if self._tls is not None:
                near = self._tls.wrap_socket(near, server_side=True)
            far = socket.create_connection(("127.0.0.1", self.goes_to()), timeout=5)
        except OSError:  # a caller that does not like the certificate, too
            near.close()
            return
        far.settimeout(None)
        for one in (near, far):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._open |= {near, far}
        threading.Thread(target=self._pump, args=(far, near), daemon=True).start()
        self._pump(near, far)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self._mode == "slow":
                    time.sleep(self._delay_s)
                if self._mode == "silent":
                    continue
                sink.sendall(data)
        with self._lock:
            self._open -= {source, sink}
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _cut(self) -> None:
        with self._lock:
            found, self._open = self._open, set()
        for one in found:
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                one.shutdown(socket.SHUT_RD)  # wakes whoever reads it, and that closes it


def _end(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)  # wakes who accepts
    listener.close()


@contextmanager
def toxic_proxy(to_port: int, tls: ssl.SSLContext | None = None) -> Iterator[ToxicProxy]:
    proxy = ToxicProxy(to_port, tls)
    try:
        yield proxy
    finally:
        proxy.close()
