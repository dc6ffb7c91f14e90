"""Callers that keep their connection (an EHR's pool, a proxy) are shared evenly among the workers.

Whichever worker the kernel wakes first gets a new connection, and with it all the calls on it: of eight, one worker
may come to hold eight and the other none. So each worker tells the others how many it holds, in memory they share,
and who holds more than another lets that one go first.
"""

from __future__ import annotations

import mmap
import time

_PLACES = 256
"""More than workers at a time; a worker that is started after as many others takes the place of one long gone."""
_COURTESY_S = 0.004
"""Long enough for a worker whose threads compute to reach its listener, short beside a call."""


class Held:
    """Connections held by each worker. Made before the workers are forked. A count that is a moment old, or of a
    worker that does not answer, costs balance and no connection."""

    def __init__(self) -> None:
        # one more than the number, so that 0 is no worker
        self._counts = memoryview(mmap.mmap(-1, _PLACES * 4)).cast("i")

    def say(self, worker: int, connections: int) -> None:
        """``worker``: its number since the service was started."""
        self._counts[worker % _PLACES] = connections + 1

    def gone(self, worker: int) -> None:
        self._counts[worker % _PLACES] = 0

    def give_way(self, worker: int) -> bool:
        """Let the others go first if one of them holds fewer; whether we did."""
        own = self._counts[worker % _PLACES]
        if not any(0 < count < own for count in self._counts.tolist()):
            return False
        time.sleep(_COURTESY_S)
        return True
