"""Rows that neither the database nor the spool takes: the disk is full, or the spool's folder is not writable.

Their cards have gone out, so they are kept in the memory of the process that made them until there is room. What has
not been promised to anybody (feedback) is refused instead, and its sender sends it again.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from cds.ledger.spool import Entry

MOST = 5000
"""Rows of one process. A row is about 10 kB, so 50 MB; at forty calls a second two minutes, at a hospital's pace of
a few hundred an hour and process most of a day."""


class Held:
    """For the threads of one process."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._rows: deque[Entry] = deque()
        self._lock, self._giving = threading.Lock(), threading.Lock()

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, row: Entry) -> bool:
        """False: there are too many already."""
        with self._lock:
            if len(self._rows) >= self._most:
                return False
            self._rows.append(row)
            return True

    def give(self, take: Callable[[Entry], object]) -> int:
        """Hand them over one after the other, the oldest first; how many were taken. What ``take`` raises comes
        through, and that row and those after it stay."""
        taken = 0
        with self._giving:  # one at a time, and never in the way of who puts
            while self._rows:
                take(self._rows[0])
                with self._lock:
                    self._rows.popleft()
                taken += 1
        return taken
