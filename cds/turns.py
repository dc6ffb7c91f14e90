"""Calls take turns at computing.

The interpreter runs one thread at a time whatever we do. Left to itself it goes round among all that have something
to compute: calls whose data came together all end as late as the last of them, whoever wants to answer a short
question meanwhile has to get past each of them, and each change from one to another costs. In turns the first ends
first, and there is one to get past. Who waits for a server gives the turn to others, and to whoever waits longest: a
plain lock goes to whom the kernel happens to run, and some waited until their patience ended.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext


class _Queue:
    """A lock that goes to whoever waits longest."""

    def __init__(self) -> None:
        self._taken = False
        self._waiting: deque[threading.Lock] = deque()
        self._door = threading.Lock()

    def acquire(self, timeout: float) -> bool:
        with self._door:
            if not self._taken:
                self._taken = True
                return True
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        if mine.acquire(timeout=timeout):
            return True
        with self._door:
            if mine in self._waiting:
                self._waiting.remove(mine)
                return False
        return True  # it came just as we gave up

    def release(self) -> None:
        with self._door:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


class Turns:
    """Shared by the threads of a process. A courtesy and no guarantee: nobody waits longer than ``patience_s``, so one
    that is held up in its turn (a database that hangs, a service of a site's own) holds up nobody for long."""

    def __init__(self, patience_s: float = 0.05) -> None:
        self._patience_s = patience_s
        self._lock = _Queue()

    @contextmanager
    def one(
        self, waiting: AbstractContextManager[None], aside: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> Iterator[Turn]:
        """``waiting`` is entered for as long as others are before us; ``aside``, too, while the turn is."""
        turn = Turn(self._lock, self._patience_s, aside)
        with waiting:
            turn.take()
        try:
            yield turn
        finally:
            turn.give()


class Turn:
    """Of one thread. ``take`` and ``give`` are for ``Turns``; a call steps ``aside``."""

    def __init__(self, lock: _Queue, patience_s: float, aside: Callable[[], AbstractContextManager[None]]) -> None:
        self._lock, self._patience_s, self._aside = lock, patience_s, aside
        self._mine = False

    def take(self) -> None:
        self._mine = self._lock.acquire(timeout=self._patience_s)

    def give(self) -> None:
        """Of what did not come to us in time, there is nothing to give."""
        if self._mine:
            self._mine = False
            self._lock.release()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Others compute for as long as this lasts; then it is our turn again."""
        self.give()
        try:
            with self._aside():
                yield
        finally:
            self.take()
