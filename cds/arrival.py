"""A request gets a thread when all of it is there, and not before.

gunicorn gives a thread to a connection and lets it wait for what is still to come: as many clients as there are
threads, each with half a request, silence a worker (slow loris). Here what came of a request waits in memory and its
connection in the loop that waits for all of them, as in a proxy that buffers; whoever takes too long is answered 408.
How long a request is, is read here only to know when to stop waiting: gunicorn reads all of it again and decides what
it is.
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import re
import select
import socket
import threading
import time
from typing import Any

from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers import gthread

SILENCE_S = 5
"""Of one who is read from or written to in a thread after all, seconds."""
_PATIENCE_S = 0.05
"""That a thread spends on a request's remaining bytes, altogether: what is on its way need not go round by the loop."""
_HEAD = 65_536
"""Bytes without an end of the headers, after which gunicorn is to say what is wrong with them."""
_MOST_HELD = 64_000_000
"""Bytes of unfinished requests in a worker. Above it the largest is answered as one that took too long."""
_LOOK_S = 0.25
"""Between two looks at all that waits for more."""
_IDLE_S = 1.0
"""That a new connection may be without a whole head, and a request under way, while others wait to be taken."""
_SHARE = 4
"""One in so many places is made free at a look, of requests under way: all of them in a second."""
_NO_PLACE = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_PIECE, _LARGEST_PIECE = 16_384, 1_048_576
_LINGER_S = 2.0
"""For the other side to hang up, so that the end of an answer is not lost (RFC 9112, 9.6); gunicorn's own."""
_LINGERING = 4
"""Threads that wait for that at a time; the others hang up at once."""

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*0*(\d{1,15})[ \t]*(?=\r\n)")
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked")
_EXPECTS = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*(?=\r\n)")
_CHUNK_SIZE = re.compile(rb"0*([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")


_log = logging.getLogger("cds.arrival")


class Arrival:
    """What has come of a connection's next request. ``largest``: bytes of a body that are waited for at most."""

    def __init__(self, came: bytes, largest: int) -> None:
        self.came = bytearray(came)
        self.since = time.monotonic()
        self.heard = self.since
        """When something last came."""
        self.until = math.inf
        """On the monotonic clock; a connection on which nothing has come yet is only kept alive."""
        self.patience_s = _PATIENCE_S
        self.ended = False
        """Whether its end was seen: nothing more is to be read of it."""
        self.continues = False
        """Whether the client waits for `100 Continue`."""
        self._largest = largest
        self._body_at = 0
        self._length = -1
        self._chunk_at = 0
        self._looked_to = 0

    @property
    def headed(self) -> bool:
        return self._body_at > 0

    def take(self, piece: bytes) -> bool:
        """Whether there is nothing more to wait for."""
        self.came += piece
        if piece:
            self.heard = time.monotonic()
        if not self._body_at and not self._head():
            return len(self.came) > _HEAD
        if self._chunk_at:
            return self._chunks()
        self.ended = len(self.came) >= self._body_at + self._length
        return self.ended or self._length > self._largest

    def missing(self) -> int:
        """Bytes worth asking for."""
        left = self._body_at + self._length - len(self.came) if self._body_at and not self._chunk_at else 0
        return min(max(left, _PIECE), _LARGEST_PIECE)

    def _head(self) -> bool:
        end = self.came.find(b"\r\n\r\n", self._looked_to)
        if end < 0:
            self._looked_to = max(0, len(self.came) - 3)
            return False
        head = bytes(self.came[: end + 2]).lower()
        self._body_at = end + 4
        if _CHUNKED.search(head):
            self._chunk_at = self._body_at
        self._length = max(map(int, _LENGTH.findall(head)), default=0)
        waits = self._chunk_at or len(self.came) < self._body_at + self._length <= self._body_at + self._largest
        # a client that speaks an older HTTP does not wait (RFC 9110, 10.1.1)
        if waits and head.partition(b"\r\n")[0].endswith(b" http/1.1") and (expects := _EXPECTS.search(head)):
            # it is told here, so gunicorn need not tell it again
            self.continues = True
            del self.came[expects.start() : expects.end()]
            gone = expects.end() - expects.start()
            self._body_at -= gone
            self._chunk_at = max(0, self._chunk_at - gone)
        return True

    def _chunks(self) -> bool:
        while size := _CHUNK_SIZE.match(self.came, self._chunk_at):
            length = int(size[1], 16)
            if length == 0:
                # an empty line ends it, with trailers before it or none
                self.ended = self.came.find(b"\r\n\r\n", size.end() - 2) >= 0
                return self.ended or len(self.came) - size.end() > _HEAD
            self._chunk_at = size.end() + length + 2
        there = len(self.came) - self._chunk_at
        # what is no size of a chunk is gunicorn's to refuse
        return there > _HEAD or b"\r\n" in self.came[self._chunk_at :] or self._chunk_at - self._body_at > self._largest


class _Reader(SocketUnreader):  # type: ignore[misc]  # gunicorn ships no types
    """Of what has come, then of what gunicorn still wants of a request that was handed over before its end."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection)
        self._came = memoryview(b"")
        self._until = math.inf

    def begin(self, came: bytearray, until: float) -> None:
        self._came, self._until = memoryview(came), until

    def chunk(self, size_hint: int | None = None) -> bytes:
        if self._came:
            # in pieces as from a socket: gunicorn copies what is left at each of its reads
            size = max(self.mxchunk, min(size_hint or 0, self.max_body_chunk))
            piece, self._came = bytes(self._came[:size]), self._came[size:]
            return piece
        if time.monotonic() >= self._until:
            raise TimeoutError("the request did not arrive in time")
        return bytes(super().chunk(size_hint))

    def end(self) -> None:
        """What came of the next request is where gunicorn looks for it."""
        self.buf.seek(0, io.SEEK_END)
        self.buf.write(self._came)
        self._came = memoryview(b"")


class Worker(gthread.ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """``app`` has the ``settings``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._may_take_s: float = self.app.settings.longest_arrival_s
        self._largest: int = self.app.settings.max_body_bytes
        self._lingering = threading.BoundedSemaphore(_LINGERING)
        self._look_at = 0.0

    def handle(self, conn: Any) -> Any:
        """In a thread, for a connection on which something came, or that is new."""
        if not conn.initialized:
            conn.init()
            conn.parser.unreader = _Reader(conn.sock)
            conn.arrival = None
        arrival = conn.arrival = conn.arrival or Arrival(conn.parser.unreader.take_buffered(), self._largest)
        if arrival.came and arrival.until == math.inf:
            arrival.until = time.monotonic() + self._may_take_s  # it came with the request before
        try:
            there = self._receive(conn.sock, arrival)
        except OSError:
            self._hang_up(conn.sock, at_once=True)
            return False
        late = not there and time.monotonic() >= arrival.until
        if not there and not late:
            return gthread._DEFER
        if late and not arrival.headed:
            self._hang_up(conn.sock, at_once=True)  # there is no request to answer
            return False
        conn.arrival = None
        reader: _Reader = conn.parser.unreader
        reader.begin(arrival.came, min(arrival.until, time.monotonic() + self._may_take_s))
        goes_on = super().handle(conn)
        if goes_on is False:
            self._hang_up(conn.sock, at_once=late or arrival.ended)
        else:
            reader.end()
        return goes_on

    def _receive(self, connection: socket.socket, arrival: Arrival) -> bool:
        """Whether gunicorn has no more to wait for, of what can be had without waiting long."""
        connection.setblocking(False)
        piece = b""
        while not arrival.take(piece):
            if arrival.continues:
                arrival.continues = False
                connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            try:
                piece = connection.recv(arrival.missing())
            except BlockingIOError:
                if not _comes(connection, arrival):
                    return False
                piece = b""
                continue
            if not piece:
                return True  # the other side has closed: gunicorn sees what there is
            if arrival.until == math.inf:
                arrival.until = time.monotonic() + self._may_take_s
        return True

    def murder_pending(self) -> None:
        """gunicorn's, at each turn of its loop: what waits for more is looked through, four times a second."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_S
        # where no more connections are taken, those make room on which no whole head came
        full = self.nr_conns >= self.worker_connections
        idle_s = _IDLE_S if full else self._may_take_s
        over = sum(len(conn.arrival.came) for conn in self.pending_conns) - _MOST_HELD
        for conn in sorted(self.pending_conns, key=lambda conn: -len(conn.arrival.came)):
            if over > 0:
                over -= len(conn.arrival.came)
                conn.arrival.until = now
            if conn.arrival.until <= now:
                self.on_pending_socket_readable(conn, conn.sock)  # to be answered that it took too long
            elif not (conn.arrival.headed if full else conn.arrival.came) and now - conn.arrival.since > idle_s:
                self._drop(conn)
            elif not self.alive:
                conn.timeout = min(conn.timeout, now + gthread.STOP_KEEPALIVE_LINGER)
        if full and self.nr_conns >= self.worker_connections:
            self._make_room(now)
        super().murder_pending()

    def _make_room(self, now: float) -> None:
        """Requests under way hold all places: those that are silent go first, then those that began first. A call's
        bytes are there within milliseconds of its first, so it is none of them."""
        under_way = [conn for conn in self.pending_conns if conn.arrival.headed and now - conn.arrival.since > _IDLE_S]
        under_way.sort(key=lambda conn: (now - conn.arrival.heard <= _IDLE_S, conn.arrival.since))
        given_up = under_way[: max(1, self.worker_connections // _SHARE)]
        for conn in given_up:
            with contextlib.suppress(OSError):
                conn.sock.send(_NO_PLACE)
            self._drop(conn)
        if given_up:
            # once a look, which is four times a second at most
            _log.warning("arrival.given_up requests=%d places=%d", len(given_up), self.worker_connections)

    def set_accept_enabled(self, enabled: bool) -> None:
        """gunicorn, at its end, leaves the listener open and takes nothing from it any more: who connects waits for an
        answer until all is over, and is cut off. Here who has come is let in and whoever comes later is refused, so
        that they go elsewhere at once."""
        super().set_accept_enabled(enabled)
        if enabled or self.alive:
            return
        while self.sockets:
            listener, held = self.sockets.pop(), -1
            while held != self.nr_conns:
                held = self.nr_conns
                self.accept(listener)
            listener.close()

    def finish_request(self, conn: Any, done: Any) -> None:
        if conn.sock.fileno() < 0:
            self.nr_conns -= 1  # an answer broke off and it was closed: gunicorn would count it off twice
        else:
            super().finish_request(conn, done)

    def _drop(self, conn: Any) -> None:
        self.poller.unregister(conn.sock)
        self.pending_conns.remove(conn)
        self.nr_conns -= 1
        conn.close()

    def _hang_up(self, connection: socket.socket, *, at_once: bool) -> None:
        """gunicorn would wait in its loop for the other side to hang up, and take no connection meanwhile. Here it
        finds nothing to wait for: a few threads wait in its place, for those who may still be sending."""
        with contextlib.suppress(OSError):  # it is closed, or the other side would not say anything
            connection.shutdown(socket.SHUT_WR)
            if not at_once and self._lingering.acquire(blocking=False):
                try:
                    _wait_for_end(connection, time.monotonic() + _LINGER_S)
                finally:
                    self._lingering.release()
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def _comes(connection: socket.socket, arrival: Arrival) -> bool:
    if arrival.patience_s <= 0:
        return False
    begun = time.monotonic()
    waiting = select.poll()
    waiting.register(connection, select.POLLIN)
    found = waiting.poll(1000 * arrival.patience_s)
    arrival.patience_s -= time.monotonic() - begun
    return bool(found)


def _wait_for_end(connection: socket.socket, until: float) -> None:
    while (left := until - time.monotonic()) > 0:
        connection.settimeout(left)
        if not connection.recv(4096):
            return
