"""A time of day that does not jump ahead.

For what is thrown away because it has expired: a clock set hours ahead by mistake and put right again must not have
cost a record of what is still valid.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta


class Steady:
    """The time of day, or what it was at the start and the seconds that have passed since, whichever is earlier."""

    def __init__(self, now: Callable[[], datetime], seconds: Callable[[], float] = time.monotonic) -> None:
        self._now, self._seconds = now, seconds
        self._began = now(), seconds()

    def __call__(self) -> datetime:
        at, then = self._began
        return min(self._now(), at + timedelta(seconds=self._seconds() - then))
