"""How many hook calls a process takes in hand, and which it refuses at once.

A call holds one of ``places`` from its body to its answer, whether it computes or waits for a FHIR server. Beyond
them it waits for a place, first come first served. One rule serves both limits, since both show in how long a call
holds its place: where the processor is short, places are held longer because calls share it; where a FHIR server is
slow, because they wait for it. While places are free nobody is refused, however slow that server is.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cds.errors import Overloaded

_log = logging.getLogger("cds.admission")

WAITING_A_PLACE = 4
"""Calls that may wait for each place. Each has a thread meanwhile."""
SPARE = 8
"""Threads beyond those of calls: `/health`, discovery, feedback and refusals find one when all calls are held up."""
_STANDING = 0.2
"""Of the longest wait, what is still good when the queue has not been empty for that long: a burst may queue, but a
queue that stands makes every call late and none more (Maurer, "Fail at Scale", ACM Queue 13(8), 2015)."""
_NEWEST = 0.1
"""Weight of the newest call in the mean."""
_LONGEST_RETRY_S = 30


def threads_for(places: int) -> int:
    """What the server needs so that a call always finds a thread in which to wait or to be refused."""
    return places * (1 + WAITING_A_PLACE) + SPARE


class _Turn:
    """One that waits for a place."""

    def __init__(self) -> None:
        self.came = threading.Event()
        self.since = 0.0


class Admission:
    """Shared by the threads of a process."""

    def __init__(self, places: int, longest_wait_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._places = places
        self._longest_wait_s = longest_wait_s
        self.clock = clock
        self._lock = threading.Lock()
        self.waiting: deque[_Turn] = deque()
        self.taken = 0
        self._since = 0.0
        """Sum of the times at which the taken places were taken."""
        self._held_s = 0.0
        """Recent mean of how long a call held its place."""
        self._empty_at = clock()
        """When nobody waited last."""
        self._shed = 0
        self._told_at = -math.inf
        self._cpu = (-math.inf, 0.0)
        """(time, processor time until then) of some seconds ago; a process that has just forked has used none."""

    @contextmanager
    def place(self) -> Iterator[None]:
        """Raises Overloaded when a call that came now would wait too long, or has."""
        since = self._take()
        try:
            yield
        finally:
            self._give_back(since)

    def _take(self) -> float:
        with self._lock:
            now = self.clock()
            if not self.waiting:
                self._empty_at = now
            if self.taken < self._places:
                self.taken += 1
                self._since += now
                return now
            if len(self.waiting) >= WAITING_A_PLACE * self._places or self._expected(now) > self._patience(now):
                raise self._refusal(now)
            turn = _Turn()
            self.waiting.append(turn)
        if not turn.came.wait(self._longest_wait_s):
            with self._lock:
                if not turn.came.is_set():  # else it came in this very moment
                    self.waiting.remove(turn)
                    raise self._refusal(self.clock())
        return turn.since

    def _give_back(self, since: float) -> None:
        with self._lock:
            now = self.clock()
            self._held_s += _NEWEST * (now - since - self._held_s)
            self._since -= since
            if self.waiting:
                turn = self.waiting.popleft()
                turn.since = now
                self._since += now
                turn.came.set()
            else:
                self.taken -= 1
            if now - self._cpu[0] >= 10:
                self._cpu = (now, time.process_time())

    def _expected(self, now: float) -> float:
        """Seconds until one more that waits would have a place. By those in hand, too, so that calls which have just
        begun to hang are seen before the first of them ends."""
        held_s = max(self._held_s, now - self._since / self.taken)
        return (len(self.waiting) + 1) * held_s / self._places

    def _patience(self, now: float) -> float:
        stands = now - self._empty_at > self._longest_wait_s
        return self._longest_wait_s * (_STANDING if stands else 1)

    def _refusal(self, now: float) -> Overloaded:
        expected = self._expected(now)
        self._shed += 1
        if now - self._told_at >= 1:
            (then, cpu), spent = self._cpu, time.process_time()
            # near 1: it computes all the time; near 0: its calls wait for FHIR servers
            busy = (spent - cpu) / max(now - then, 0.001)
            _log.warning(
                "calls.shed count=%d in_hand=%d waiting=%d held_s=%.3f expected_wait_s=%.3f processor=%.2f",
                self._shed,
                self.taken,
                len(self.waiting),
                self._held_s,
                expected,
                busy,
            )
            self._shed, self._told_at = 0, now
        return Overloaded(min(max(1, math.ceil(expected)), _LONGEST_RETRY_S))
