"""Several conversations at once, all in the thread that wants to know: each is a generator that yields what it waits
for, and is gone on with when that is there.

A call's queries were threads once. Each answer then cost a hand-over of the interpreter lock and a place in the queue
for it, which under load took longer than the reading; and a thread that waits for a byte can't be told that it is too
late, as a generator can.
"""

from __future__ import annotations

import contextlib
import math
import selectors
import socket
import ssl
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future
from typing import NamedTuple, TypeVar

_T = TypeVar("_T")

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
# one system call less to make and to leave than epoll, whose strength is thousands of sockets
_Selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.DefaultSelector)


class Wait(NamedTuple):
    """Until ``on`` is ready for ``events``, or a moment (``time.monotonic()``) is there, whichever comes first."""

    on: socket.socket | None = None
    events: int = 0
    until: float = math.inf


Steps = Generator[Wait, None, _T]
"""A conversation that ends with a T."""


def run(conversations: Sequence[Steps[None]], deadline: float) -> list[bool]:
    """All of them until they end or the deadline (``time.monotonic()``) is there: which of them ended.

    One that did not is closed: its ``finally`` runs, and it keeps nothing open.
    """
    waiting, due = dict.fromkeys(conversations, Wait()), list(conversations)
    try:
        with _Selector() as selector:
            while waiting and time.monotonic() < deadline:
                for one in due:
                    if (wait := next(one, None)) is None:
                        del waiting[one]
                        continue
                    waiting[one] = wait
                    if wait.on is not None:
                        selector.register(wait.on, wait.events, one)
                due = _due(selector, waiting, deadline)
    finally:
        for one in conversations:
            one.close()
    return [one not in waiting for one in conversations]


def _due(selector: selectors.BaseSelector, waiting: Mapping[Steps[None], Wait], deadline: float) -> list[Steps[None]]:
    """Those that can be gone on with, once there is one or the deadline is there."""
    if not waiting:
        return []
    first = min(deadline, *(wait.until for wait in waiting.values()))
    there = {key.data for key, _ in selector.select(max(0.0, first - time.monotonic()))}
    now = time.monotonic()
    due = [one for one, wait in waiting.items() if one in there or wait.until <= now]
    for one in due:
        if (on := waiting[one].on) is not None:
            selector.unregister(on)
    return due


def ready(act: Callable[[], _T], on: socket.socket, events: int, until: float = math.inf) -> Steps[_T]:
    """Do something with a socket that does not block, as soon as it can be done. Raises TimeoutError after ``until``.

    TLS may have to read in order to write, and the other way round.
    """
    while True:
        try:
            return act()
        except ssl.SSLWantReadError:
            events = READ
        except ssl.SSLWantWriteError:
            events = WRITE
        except BlockingIOError:
            pass
        if time.monotonic() >= until:
            raise TimeoutError
        yield Wait(on, events, until)


def told(future: Future[_T], until: float = math.inf) -> Steps[_T]:
    """What another thread will say. Raises TimeoutError after ``until``."""
    bell, cord = socket.socketpair()
    with bell, cord:
        bell.setblocking(False)

        def ring(_: object) -> None:
            with contextlib.suppress(OSError):  # nobody listens any more
                cord.send(b"!")

        future.add_done_callback(ring)
        while not future.done():
            if time.monotonic() >= until:
                raise TimeoutError
            yield Wait(bell, READ, until)
    return future.result()
