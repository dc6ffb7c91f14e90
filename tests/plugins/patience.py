"""Waiting in tests for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def eventually(happened: Callable[[], bool], within_s: float = 20.0) -> None:
    """Return as soon as ``happened()``; fail the test when it does not within the time."""
    deadline = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < deadline, f"did not happen within {within_s:g} s"
        time.sleep(0.02)
