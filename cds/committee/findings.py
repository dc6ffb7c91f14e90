"""One measure of one model, and how bad it is by the charter's limits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cds.committee.charter import Limits
from cds.measures.estimate import Estimate, Measured, NotEnough

Level = Literal["green", "watch", "act", "stop"]
ORDER: tuple[Level, ...] = ("green", "watch", "act", "stop")


@dataclass(frozen=True)
class Finding:
    measure: str
    """As in the charter's ``limits``; others are told without a limit."""
    about: str
    """Which input, group or time; empty for the model as a whole."""
    result: Measured
    level: Level = "green"
    limit: float | None = None
    """That was reached."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """Plain values beside it, such as a p value."""

    @property
    def plain(self) -> dict[str, Any]:
        """For the ledger and for scripts."""
        told: dict[str, Any] = {"measure": self.measure, "about": self.about, "level": self.level}
        if isinstance(self.result, Estimate):
            r = self.result
            told |= {"value": r.value, "lower": r.lower, "upper": _finite(r.upper), "n": r.n, "events": r.events}
        else:
            told["lacking"] = self.result.told
            if isinstance(self.result, NotEnough):
                told |= {"what": self.result.what, "have": self.result.have, "need": self.result.need}
        if self.limit is not None:
            told["limit"] = self.limit
        return told | ({"detail": dict(self.detail)} if self.detail else {})


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def worst(levels: Any) -> Level:
    return max(levels, key=ORDER.index, default="green")


def rising(measure: str, about: str, result: Measured, limits: Limits, **detail: Any) -> Finding:
    """Worse the higher: a level is reached when the whole interval lies above its limit."""
    lower = result.lower if isinstance(result, Estimate) else -math.inf
    return _judged(measure, about, result, limits, lambda limit: lower > limit, detail)


def falling(measure: str, about: str, result: Measured, limits: Limits, **detail: Any) -> Finding:
    """Worse the lower: a level is reached when the whole interval lies below its limit."""
    upper = result.upper if isinstance(result, Estimate) else math.inf
    return _judged(measure, about, result, limits, lambda limit: upper < limit, detail)


def off_one(measure: str, about: str, result: Measured, limits: Limits, **detail: Any) -> Finding:
    """Of a ratio that should be 1, whichever way it is off."""
    lower, upper = (result.lower, result.upper) if isinstance(result, Estimate) else (1.0, 1.0)
    return _judged(measure, about, result, limits, lambda limit: lower > limit or upper < 1 / limit, detail)


def _judged(measure: str, about: str, result: Measured, limits: Limits, beyond: Any, detail: dict[str, Any]) -> Finding:
    level: Level = "green"
    reached: float | None = None
    for name, limit in (("watch", limits.watch), ("act", limits.act), ("stop", limits.stop)):
        if limit is not None and beyond(limit):
            level, reached = name, limit  # type: ignore[assignment]
    return Finding(measure, about, result, level, reached, detail)
