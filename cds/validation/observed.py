"""Who had the outcome by a horizon, when some were lost from view before it.

Kaplan-Meier for the share that had it; inverse probability of being observed (Graf 1999) for the weights of those
whose outcome is known, so that those lost are spoken for by those who stayed. Both assume that being lost says
nothing about the outcome, and the pooled report repeats that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cds.measures.censoring import Followed, at_horizon, kaplan_meier
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
        alive = kaplan_meier(Followed(self.months[who], self.all_events[who]))
        return 1 - float(alive(self.horizon)), alive.error(self.horizon)


def known_by(horizon: int | None, events: Flags, months: Floats) -> Known:
    if horizon is None:
        ones = np.ones(len(events))
        return Known(None, events, np.ones(len(events), dtype=bool), ones, events, months)
    seen = at_horizon(np.zeros(len(months)), Followed(months, events), horizon)
    return Known(horizon, seen.event, seen.weight > 0, seen.weight, events, months)
