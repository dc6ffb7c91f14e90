"""A survival function on a monthly grid.

Worst, typical and best case are the curve's own percentiles, not multiples of its median: where a curve exists the
multiples are the weaker choice (Kiely 2011, J Clin Oncol 29:456: the worst-case multiple fits least).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Milestone:
    """Share alive at ``months``, with its interval, all in 0..1."""

    months: float
    alive: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Scenario:
    """Months by which the stated shares have died; None: later than the curve reaches."""

    worst: float | None
    """1 in 10 live shorter."""
    typical_from: float | None
    typical_to: float | None
    """The middle half."""
    best: float | None
    """1 in 10 live longer."""


@dataclass(frozen=True)
class Curve:
    times: tuple[float, ...]
    """Months, ascending, from 0."""
    alive: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]

    def __post_init__(self) -> None:
        if not len(self.times) == len(self.alive) == len(self.lower) == len(self.upper) >= 2:
            raise ValueError("a survival curve needs as many values and bounds as times, and two at least")

    def at(self, months: float) -> Milestone | None:
        """None outside the curve: it is not extrapolated."""
        if not self.times[0] <= months <= self.times[-1]:
            return None
        return Milestone(months, *(_interpolate(self.times, s, months) for s in (self.alive, self.lower, self.upper)))

    def until(self, share: float) -> float | None:
        """Months until only ``share`` is alive; None if the curve ends above it."""
        for i in range(1, len(self.times)):
            if self.alive[i] <= share:
                before, after = self.alive[i - 1], self.alive[i]
                if before == after:
                    return self.times[i]
                part = (before - share) / (before - after)
                return self.times[i - 1] + part * (self.times[i] - self.times[i - 1])
        return None

    @property
    def scenario(self) -> Scenario:
        return Scenario(self.until(0.9), self.until(0.75), self.until(0.25), self.until(0.1))


def _interpolate(times: Sequence[float], values: Sequence[float], at: float) -> float:
    for i in range(1, len(times)):
        if at <= times[i]:
            part = (at - times[i - 1]) / (times[i] - times[i - 1])
            return values[i - 1] + part * (values[i] - values[i - 1])
    return values[-1]
