"""Milliseconds by stage of one call: for the ledger, the metrics and the log line; and each stage as a span."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from cds import tracing


class _Stage:
    """A class and not a generator: six of them stand in each call."""

    __slots__ = ("_ms", "_name", "_span", "_start")

    def __init__(self, ms: dict[str, float], name: str) -> None:
        self._ms, self._name = ms, name

    def __enter__(self) -> None:
        self._span = tracing.span(self._name)
        self._span.__enter__()
        self._start = time.perf_counter()

    def __exit__(self, *how: Any) -> None:
        took = (time.perf_counter() - self._start) * 1000
        self._span.__exit__(*how)
        self._ms[self._name] = self._ms.get(self._name, 0.0) + took


@dataclass
class Timings:
    ms: dict[str, float] = field(default_factory=dict)

    def stage(self, name: str) -> _Stage:
        return _Stage(self.ms, name)

    @property
    def total(self) -> float:
        return sum(self.ms.values())
