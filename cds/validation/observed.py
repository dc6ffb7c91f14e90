"""Who had the outcome by a horizon, when some were lost from view before it.

Kaplan-Meier for the share that had it; inverse probability of being observed (Graf 1999) for the weights of those
whose outcome is known, so that those lost are spoken for by those who stayed. Both assume that being lost says
nothing about the outcome, and the pooled report repeats that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cds.validation.bins import Floats

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Known:
    horizon: int | None
    events: Flags
    """Had it by the horizon."""
    known: Flags
    weights: Floats
    """0 where not known; 1 where nobody is censored."""
    all_events: Flags
    months: Floats

    def share(self, who: Flags) -> tuple[float, float]:
        """Of these people: the share that had the event by the horizon, with Greenwood's standard error."""
        assert self.horizon is not None
        alive, error = kaplan_meier(self.months[who], self.all_events[who], float(self.horizon))
        return 1 - alive, error


def known_by(horizon: int | None, events: Flags, months: Floats) -> Known:
    if horizon is None:
        ones = np.ones(len(events))
        return Known(None, events, np.ones(len(events), dtype=bool), ones, events, months)
    had = events & (months <= horizon)
    known = had | (months >= horizon)
    at = np.where(had, months, float(horizon))
    free = _still_observed(months, ~events, at)
    weights = np.where(known & (free > 0), 1 / np.where(free > 0, free, 1.0), 0.0)
    return Known(horizon, had, known, weights, events, months)


def kaplan_meier(months: Floats, events: Flags, at: float) -> tuple[float, float]:
    """(share without the event at ``at``, its standard error). 1 and 0 for nobody."""
    alive, variance = 1.0, 0.0
    times = np.unique(months[events & (months <= at)])
    for time in times:
        at_risk = int(np.count_nonzero(months >= time))
        had = int(np.count_nonzero(events & (months == time)))
        alive *= 1 - had / at_risk
        if at_risk > had:
            variance += had / (at_risk * (at_risk - had))
    return alive, float(alive * np.sqrt(variance))


def _still_observed(months: Floats, lost: Flags, at: Floats) -> Floats:
    """Kaplan-Meier of not being lost, just before each of ``at``. Those lost in the month of an event were lost after
    it."""
    times = np.unique(months[lost])
    steps = [_step(months, lost, time) for time in times]
    free: Floats = np.concatenate([[1.0], np.cumprod(steps)])[np.searchsorted(times, at, side="left")]
    return free


def _step(months: Floats, lost: Flags, time: float) -> float:
    then = months == time
    at_risk = np.count_nonzero(months >= time) - np.count_nonzero(then & ~lost)
    return float(1 - np.count_nonzero(then & lost) / at_risk)
