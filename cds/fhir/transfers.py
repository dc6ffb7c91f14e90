"""GETs side by side in the thread that wants them, by libcurl: its reader of HTTP, its connections, its TLS.

libcurl's ``multi_socket`` interface says which sockets it waits for and when it wants to be woken; here is the poll
around it. (Its own ``select`` goes blind beyond 1024 open files, which a worker with many idle callers may have.)
"""

from __future__ import annotations

import math
import select
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import certifi
import pycurl

_WAITED_FOR = {
    pycurl.POLL_IN: select.POLLIN,
    pycurl.POLL_OUT: select.POLLOUT,
    pycurl.POLL_INOUT: select.POLLIN | select.POLLOUT,
}
_REFUSAL_S = 0.05
"""So long the rest of a refusal is waited for: nobody reads it, but then its connection can be kept."""


class Answer(NamedTuple):
    status: int
    """0: no answer had begun."""
    content: bytes
    """Unpacked. Not all of it if there was an ``error``."""
    retry_after: float
    """Seconds the server asked to be left alone; 0 when it did not."""
    error: int
    """One of libcurl's ``E_`` codes; ``E_OK`` (0) for a whole answer."""
    too_large: bool


class Transfer:
    """One GET at a time, on one of libcurl's handles."""

    def __init__(
        self, ca_file: Path | None, connect_timeout_s: float, max_bytes: int, shown: tuple[str, str] | None
    ) -> None:
        """``shown``: files of our certificate and its key, for a server that asks for one."""
        self.shown = shown
        self._max_bytes = max_bytes
        self._pieces: list[bytes] = []
        self._size = 0
        self.until = math.inf
        """When a refusal's rest is no longer waited for (``time.monotonic()``)."""
        handle = self.handle = pycurl.Curl()
        # nothing from the environment and nothing remembered: no proxy, password, cookie, redirect or other protocol
        handle.setopt(pycurl.PROXY, "")
        handle.setopt(pycurl.NETRC, pycurl.NETRC_IGNORED)
        handle.setopt(pycurl.FOLLOWLOCATION, 0)
        handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        handle.setopt(pycurl.HTTP09_ALLOWED, 0)
        handle.setopt(pycurl.PATH_AS_IS, 1)
        handle.setopt(pycurl.SSL_VERIFYPEER, 1)
        handle.setopt(pycurl.SSL_VERIFYHOST, 2)
        handle.setopt(pycurl.CAINFO, str(ca_file) if ca_file is not None else certifi.where())
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, max(1, round(connect_timeout_s * 1000)))
        handle.setopt(pycurl.ACCEPT_ENCODING, "gzip")
        handle.setopt(pycurl.USERAGENT, "cds")
        handle.setopt(pycurl.NOSIGNAL, 1)  # a signal would come in another thread
        handle.setopt(pycurl.BUFFERSIZE, 262_144)
        handle.setopt(pycurl.MAXFILESIZE_LARGE, max_bytes)  # on the wire; unpacked: _write
        handle.setopt(pycurl.WRITEFUNCTION, self._write)
        if shown is not None:
            handle.setopt(pycurl.SSLCERT, shown[0])
            handle.setopt(pycurl.SSLKEY, shown[1])

    def prepare(self, url: str, headers: list[str]) -> None:
        self._pieces, self._size, self.until = [], 0, math.inf
        self.handle.setopt(pycurl.URL, url)
        self.handle.setopt(pycurl.HTTPHEADER, headers)

    @property
    def refused(self) -> bool:
        return int(self.handle.getinfo(pycurl.RESPONSE_CODE)) >= 300

    def answer(self, error: int) -> Answer:
        return Answer(
            int(self.handle.getinfo(pycurl.RESPONSE_CODE)),
            b"".join(self._pieces),
            float(self.handle.getinfo(pycurl.RETRY_AFTER)),
            error,
            self._size > self._max_bytes or error == pycurl.E_FILESIZE_EXCEEDED,
        )

    def _write(self, piece: bytes) -> int:
        """Called with what has arrived, unpacked, 16 kB at most. Fewer bytes than given end the transfer."""
        self._size += len(piece)
        if self._size > self._max_bytes:
            return 0
        self._pieces.append(piece)
        return len(piece)


class Transfers:
    """For one thread at a time, made after the fork. Connections are kept from one use to the next."""

    def __init__(self, ca_file: Path | None, connect_timeout_s: float, max_bytes: int) -> None:
        self._settings = (ca_file, connect_timeout_s, max_bytes)
        self._poll = select.poll()
        self._alarm = math.inf
        # a handle goes from server to server, but our certificate is shown to its own server alone
        self._idle: dict[tuple[str, str] | None, list[Transfer]] = defaultdict(list)
        self._running: dict[pycurl.Curl, Transfer] = {}
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_alarm)

    def start(self, url: str, headers: list[str], certificate: tuple[str, str] | None = None) -> Transfer:
        """``url``: in ASCII, as it goes over the wire."""
        idle = self._idle[certificate]
        transfer = idle.pop() if idle else Transfer(*self._settings, certificate)
        transfer.prepare(url, headers)
        self._running[transfer.handle] = transfer
        self._multi.add_handle(transfer.handle)
        return transfer

    def wait(self, until: float) -> list[tuple[Transfer, Answer]]:
        """Those that ended, once one has or the moment (``time.monotonic()``) is there; possibly none, and sooner."""
        first = min(until, self._alarm, *(transfer.until for transfer in self._running.values()))
        for fd, events in self._poll.poll(max(0, math.ceil((first - time.monotonic()) * 1000))):
            there = pycurl.CSELECT_OUT if events & select.POLLOUT else 0
            if events & ~select.POLLOUT:  # also the end of a connection, which is found out by reading
                there |= pycurl.CSELECT_IN
            self._multi.socket_action(fd, there)
        now = time.monotonic()
        if self._alarm <= now:
            self._alarm = math.inf
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        return self._ended() + self._refused(now)

    def drop(self, transfer: Transfer) -> None:
        """What it was doing is given up, and its connection with it."""
        del self._running[transfer.handle]
        self._multi.remove_handle(transfer.handle)
        self._idle[transfer.shown].append(transfer)

    def _ended(self) -> list[tuple[Transfer, Answer]]:
        ended: list[tuple[Transfer, Answer]] = []
        left = 1
        while left:
            left, good, bad = self._multi.info_read()
            for handle, error in [(one, pycurl.E_OK) for one in good] + [(one, error) for one, error, _ in bad]:
                transfer = self._running[handle]
                ended.append((transfer, transfer.answer(error)))
                self.drop(transfer)
        return ended

    def _refused(self, now: float) -> list[tuple[Transfer, Answer]]:
        over = []
        for transfer in list(self._running.values()):
            if transfer.until <= now:
                over.append((transfer, transfer.answer(pycurl.E_OK)))
                self.drop(transfer)
            elif transfer.until == math.inf and transfer.refused:
                transfer.until = now + _REFUSAL_S
        return over

    def _watch(self, what: int, fd: int, _multi: object, _data: object) -> None:
        if what == pycurl.POLL_REMOVE:
            self._poll.unregister(fd)
        else:
            self._poll.register(fd, _WAITED_FOR.get(what, 0))

    def _set_alarm(self, ms: int) -> None:
        self._alarm = time.monotonic() + ms / 1000 if ms >= 0 else math.inf
