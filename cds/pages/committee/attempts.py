"""Guessing passwords gets slower, for whoever guesses.

Wrong passwords are counted for a name from one address, for an address, and for a name. The first slows one guesser
down more and more. The second and third, which others share (a hospital behind one address; everybody who means to sign
in under that name), cost a few seconds at most after many. A browser in which somebody has signed in under a name
before is counted apart from all of these for that name: whoever guesses elsewhere does not keep its owner out. What is
tried while it waits is not looked at, and does not make the wait longer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_WAIT_S = 30.0
_FADES_S = 3600.0
"""After the last wait has been over for so long, the count begins anew."""
_MOST = 10_000


@dataclass(frozen=True)
class Counted:
    """What wrong passwords are counted for."""

    key: str
    free: int
    """So many cost nothing."""
    longest_s: float


def counted(name: str, source: str | None, browser: str | None) -> tuple[Counted, ...]:
    """``source``: the address; None: not known. ``browser``: its number, where this name has signed in with it."""
    name = name.casefold()
    if browser is not None:
        return (Counted(f"browser:{browser}:{name}", 5, 900.0),)
    shared = Counted(f"name:{name}", 20, 5.0), Counted(f"from:{source or ''}", 20, 5.0)
    # whoever can't be told from everybody else must not make everybody wait
    return shared if source is None else (*shared, Counted(f"guess:{source}:{name}", 5, 900.0))


class Attempts:
    """Of one process; several processes let through as many times as they are."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._wrong: dict[str, tuple[int, float]] = {}
        """(how often, not before)"""

    def wait(self, counts: Iterable[Counted]) -> float:
        """Seconds until all of these may try again; 0: now."""
        with self._lock:
            now = self._clock()
            return max([0.0, *(self._wrong[c.key][1] - now for c in counts if c.key in self._wrong)])

    def failed(self, counts: Iterable[Counted]) -> None:
        with self._lock:
            now = self._clock()
            for c in counts:
                before, until = self._wrong.pop(c.key, (0, now))
                count = 1 if now - until > _FADES_S else before + 1
                pause = min(c.longest_s, _WAIT_S * 2 ** min(count - c.free, 30)) if count >= c.free else 0.0
                self._wrong[c.key] = (count, now + pause)
            while len(self._wrong) > _MOST:
                del self._wrong[next(iter(self._wrong))]

    def succeeded(self, counts: Iterable[Counted]) -> None:
        """Forgets what was this one's alone: whoever has an account must not begin anew with others' by it."""
        with self._lock:
            for c in counts:
                if not c.key.startswith(("name:", "from:")):
                    self._wrong.pop(c.key, None)
