"""How many hook calls a process takes in hand, and which it refuses at once.

Two things run out, and each has its limit. A call holds one of ``places`` from its body to its answer, also while it
waits for a FHIR server, which costs nothing but the place. And of those that don't wait for somebody's server one
begins at a time: more would share one interpreter and all be late. More may, up to ``COMPUTING``, where calls
lately waited longer than they computed, since whoever begins will soon wait, too; and one for each that has hung for a
moment, so that a call which hangs is no reason to refuse all others. Whoever finds no room waits, first come first
served; who would wait too long is refused, and in an overload what is too long is shorter. While there is room nobody
is refused, however slow a FHIR server may be.

A refused call is counted (``cds_calls_refused_total``, CDS-503) and told of in the log, once a second. It has no row in
the ledger: writing one would cost what refusing saves, and before its token is looked at nobody knows whose it is.
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

COMPUTING = 4
"""Calls that compute at a time where servers are waited for. Where none is, all but the first would only be late: with
four, a fifth fewer calls were answered under overload."""
HELD_UP_S = 0.05
"""For one that has computed for so long another begins, up to ``COMPUTING``."""
WAITING_A_PLACE = 4
"""Calls that may wait for each place. Each has a thread meanwhile."""
SPARE = 8
"""Threads beyond those of calls: `/health`, discovery, feedback and refusals find one when all calls are held up. Who
sends half a request holds none (cds/arrival.py)."""
_STANDS_S, _STANDS_CALLS, _LONG = 0.3, 40, 1 / 3
"""A burst may queue. A queue that has not been empty for so long, and for the time of so many calls, and in which one
waits so much of the longest wait, makes every call late and none more: overload, as is a refusal."""
_OVERLOADED, _OVERLOADED_CALLS = 0.12, 4
"""Of the longest wait, and calls before one's own: the longer of both is still good under overload. Fewer calls, and a
load that could be answered would be refused for coming unevenly. Who has waited twice as long is refused, too."""
_WATCHED_S, _REFUSES_LITTLE, _AT_ONCE = 1.0, 0.1, 0.2
"""Overload ends after a stretch of so long without a refusal, or in which a smaller share was refused, or in which a
larger one did not wait at all: then it was one call that all others waited for."""
_NEWEST = 0.1
"""Weight of the newest call in the mean."""
_OUTLIER = 5.0
"""Times the mean that it counts for at most: a call that the machine held up says little of the next, and must not make
a short queue look long."""
_LONGEST_RETRY_S = 30


def threads_for(places: int) -> int:
    """What the server needs so that a call always finds a thread in which to wait or to be refused."""
    return places * (1 + WAITING_A_PLACE) + SPARE


class _Turn:
    """One that waits for a place."""

    def __init__(self) -> None:
        self.came = threading.Lock()  # an event costs several times as much
        self.came.acquire()
        self.since = 0.0


class Place:
    """Of one call in hand."""

    def __init__(self, admission: Admission, since: float) -> None:
        self._admission = admission
        self.since = self.back_at = since
        self.aside_s = 0.0
        """How long it waited for others' servers."""

    @contextmanager
    def aside(self, after_s: float = 0.0) -> Iterator[None]:
        """While it waits for somebody's server; another may compute meanwhile, or from ``after_s`` on if it takes as
        long. It goes on without waiting again."""
        begins = self._admission.step_aside(self.back_at, after_s)
        try:
            yield
        finally:
            self.back_at, took_s = self._admission.step_back(begins)
            self.aside_s += took_s


class Admission:
    """Shared by the threads of a process."""

    def __init__(self, places: int, longest_wait_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._places = places
        self._longest_wait_s = longest_wait_s
        self.clock = clock
        self._lock = threading.Lock()
        self.waiting: deque[_Turn] = deque()
        self.taken = 0
        self._aside: list[float] = []
        """Of the taken, those that wait for somebody's server: when others may compute for them."""
        self._computes: list[float] = []
        """Of the others, when each began or came back."""
        self._since = 0.0
        """Sum of the times at which the taken places were taken."""
        self._held_s, self._computed_s = 0.0, 0.0
        """Recent means of how long a call held its place, and of how long it did not stand aside meanwhile."""
        self._nobody_waited_at = -math.inf
        self._overload = False
        self._refused_at = self._watched_from = -math.inf
        self._came, self._refused, self._at_once = 0, 0, 0
        """In the stretch that is watched."""
        self._shed = 0
        self._told_at = -math.inf
        self._cpu = (-math.inf, 0.0)
        """(time, processor time until then) of some seconds ago; a process that has just forked has used none."""

    @contextmanager
    def place(self) -> Iterator[Place]:
        """Raises Overloaded when a call that came now would wait too long, or has."""
        place = Place(self, self._take())
        try:
            yield place
        finally:
            self._give_back(place)

    def step_aside(self, back_at: float, after_s: float = 0.0) -> float:
        """When it begins to count. ``back_at``: when the call began or last came back."""
        with self._lock:
            now = self.clock()
            begins = now + after_s
            self._computes.remove(back_at)
            self._aside.append(begins)
            if begins <= now:
                self._let_in(now)
            return begins

    def step_back(self, begins: float) -> tuple[float, float]:
        """When, and for how many seconds others could compute."""
        with self._lock:
            now = self.clock()
            self._aside.remove(begins)
            self._computes.append(now)
            return now, max(0.0, now - begins)

    def _take(self) -> float:
        with self._lock:
            now = self.clock()
            self._watch(now)
            self._let_in(now)  # somebody's moment aside may have become a long one
            if not self.waiting and self._room(now):
                self._at_once += 1
                self._begin(now)
                return now
            if len(self.waiting) >= WAITING_A_PLACE * self._places or self._expected(now) > self._patience():
                raise self._refusal(now)
            turn = _Turn()
            self.waiting.append(turn)
            until = time.monotonic() + min(self._longest_wait_s, 2 * self._patience())
            look_s = self._look_again_s(now)
        while not turn.came.acquire(timeout=min(look_s, max(0.0, until - time.monotonic()))):
            with self._lock:
                now = self.clock()
                self._let_in(now)  # those before us may be held up
                look_s = self._look_again_s(now)
                if turn.came.locked() and time.monotonic() >= until:
                    self.waiting.remove(turn)
                    raise self._refusal(now)
        return turn.since

    def _give_back(self, place: Place) -> None:
        with self._lock:
            now = self.clock()
            held_s = now - place.since
            self._held_s = _mean(self._held_s, held_s)
            self._computed_s = _mean(self._computed_s, held_s - place.aside_s)
            self.taken -= 1
            self._computes.remove(place.back_at)
            self._since -= place.since
            self._let_in(now)
            if now - self._cpu[0] >= 10:
                self._cpu = (now, time.process_time())

    def _room(self, now: float) -> bool:
        computing, hang = self._computing(now), sum(now - since > HELD_UP_S for since in self._computes)
        others = computing - hang < self._at_a_time() and (not hang or computing < COMPUTING)
        return self.taken < self._places and others

    def _look_again_s(self, now: float) -> float:
        """Until somebody's moment aside becomes a long one, or somebody may hang."""
        soon = min((begins - now for begins in self._aside if begins > now), default=HELD_UP_S)
        return min(soon + 0.0005, HELD_UP_S)

    def _computing(self, now: float) -> int:
        return self.taken - sum(begins <= now for begins in self._aside)

    def _at_a_time(self) -> int:
        """As many as it takes for one of them to have something to compute."""
        if self._held_s >= COMPUTING * self._computed_s:
            return COMPUTING if self._held_s else 1
        return max(1, int(self._held_s / self._computed_s))

    def _begin(self, now: float) -> None:
        self.taken += 1
        self._since += now
        self._computes.append(now)

    def _let_in(self, now: float) -> None:
        while self.waiting and self._room(now):
            turn = self.waiting.popleft()
            turn.since = now
            self._begin(now)
            turn.came.release()

    def _expected(self, now: float) -> float:
        """Seconds until one more that waits would begin, by the limit that is reached."""
        before = len(self.waiting) + 1
        # by those in hand, too, so that calls which have just begun to hang are seen before the first of them ends
        if self.taken < self._places:
            still_s = now - max(self._computes, default=now)
            hang = self._computing(now) >= COMPUTING and still_s > HELD_UP_S
            return before * max(self._computed_s, still_s if hang else 0.0) / self._at_a_time()
        return before * max(self._held_s, now - self._since / self.taken) / self._places

    def _watch(self, now: float) -> None:
        """Looked at whenever a call comes."""
        if not self.waiting:
            self._nobody_waited_at = now
        if not self._overload:
            stands = now - self._nobody_waited_at >= max(_STANDS_S, _STANDS_CALLS * self._computed_s)
            if stands and self._expected(now) > _LONG * self._longest_wait_s:
                self._begin_overload(now)
        elif now - self._watched_from >= _WATCHED_S:
            calm = now - self._refused_at >= _WATCHED_S
            if calm or self._refused < _REFUSES_LITTLE * self._came or self._at_once > _AT_ONCE * self._came:
                self._overload = False
            else:
                self._begin_overload(now)
        self._came += 1

    def _begin_overload(self, now: float) -> None:
        """Or its next stretch."""
        self._overload, self._watched_from = True, now
        self._came = self._refused = self._at_once = 0

    def _patience(self) -> float:
        if not self._overload:
            return self._longest_wait_s
        places_left = self.taken < self._places
        each_s = self._computed_s / self._at_a_time() if places_left else self._held_s / self._places
        return min(self._longest_wait_s, max(_OVERLOADED * self._longest_wait_s, _OVERLOADED_CALLS * each_s))

    def _refusal(self, now: float) -> Overloaded:
        expected = self._expected(now)
        if not self._overload:
            self._begin_overload(now)
        self._refused_at = now
        self._refused += 1
        self._shed += 1
        if now - self._told_at >= 1:
            (then, cpu), spent = self._cpu, time.process_time()
            # near 1: it computes all the time; near 0: its calls wait for FHIR servers
            busy = (spent - cpu) / max(now - then, 0.001)
            _log.warning(
                "calls.shed count=%d limit=%s in_hand=%d waiting=%d held_s=%.3f computed_s=%.3f expected_wait_s=%.3f "
                "processor=%.2f",
                self._shed,
                "computing" if self.taken < self._places else "threads",
                self.taken,
                len(self.waiting),
                self._held_s,
                self._computed_s,
                expected,
                busy,
            )
            self._shed, self._told_at = 0, now
        return Overloaded(min(max(1, math.ceil(expected)), _LONGEST_RETRY_S))


def _mean(before: float, newest: float) -> float:
    return before + _NEWEST * (min(max(newest, 0.0), _OUTLIER * before or newest) - before)
