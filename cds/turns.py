"""Calls take turns at computing.

The interpreter runs one thread at a time whatever we do. Left to itself it goes round among all that have something
to compute: calls whose data came together all end as late as the last of them, and whoever wants to answer a short
question meanwhile has to get past each of them. In turns the first ends first, and there is one to get past.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager


class Turns:
    """Shared by the threads of a process. A courtesy and no guarantee: nobody waits longer than ``patience_s``, so one
    that is held up in its turn (a database that hangs, a service of a site's own) holds up nobody for long."""

    def __init__(self, patience_s: float = 0.05) -> None:
        self._patience_s = patience_s
        self._turn = threading.Lock()

    @contextmanager
    def one(self, waiting: AbstractContextManager[None]) -> Iterator[None]:
        """``waiting`` is entered for as long as others are before us."""
        with waiting:
            had = self._turn.acquire(timeout=self._patience_s)
        try:
            yield
        finally:
            if had:
                self._turn.release()
