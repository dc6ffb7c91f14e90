"""Told to stop, the service says so at ``/ready`` first and still answers for a while.

Whoever shares out calls (a balancer, Kubernetes) learns from ``/ready`` that it should send no more, and only at its
next look: a service that stops listening at once is sent calls that nobody takes.
"""

from __future__ import annotations

import mmap


class Leaving:
    """Whether it has begun, in memory that the workers share with the process that is told. Made before the fork."""

    def __init__(self) -> None:
        self._begun = mmap.mmap(-1, 1)

    @property
    def begun(self) -> bool:
        return self._begun[0] != 0

    def begin(self) -> None:
        self._begun[0] = 1


leaving = Leaving()
"""This service's own."""
