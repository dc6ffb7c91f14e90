"""Guessing passwords gets slower: after a few wrong ones a name, or an address, waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_FREE = 5
_WAIT_S = 30.0
_LONGEST_S = 900.0
_MOST = 10_000


class Attempts:
    """Of one process; several processes let through as many times as they are."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._wrong: dict[str, tuple[int, float]] = {}
        """(how often, not before)"""

    def wait(self, *keys: str) -> float:
        """Seconds until one of these may try again; 0: now."""
        with self._lock:
            now = self._clock()
            return max([0.0, *(self._wrong[key][1] - now for key in keys if key in self._wrong)])

    def failed(self, *keys: str) -> None:
        with self._lock:
            now = self._clock()
            for key in keys:
                count = self._wrong.get(key, (0, 0.0))[0] + 1
                pause = min(_LONGEST_S, _WAIT_S * 2 ** (count - _FREE)) if count >= _FREE else 0.0
                self._wrong.pop(key, None)
                self._wrong[key] = (count, now + pause)
            while len(self._wrong) > _MOST:
                del self._wrong[next(iter(self._wrong))]

    def succeeded(self, *keys: str) -> None:
        with self._lock:
            for key in keys:
                self._wrong.pop(key, None)
