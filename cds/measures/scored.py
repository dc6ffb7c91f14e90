"""People with a predicted risk and what became of them: what the measures at one horizon are asked about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cds.measures.estimate import Array, Flags, as_floats


@dataclass(frozen=True)
class Scored:
    risk: Array
    """Predicted chance of the event, 0 to 1; or a score, for measures of ranking only."""
    event: Flags
    """By the horizon."""
    weight: Array
    """1 where everybody was followed; 0 for who was lost before the horizon, whom the weights of others stand for."""

    @property
    def known(self) -> Scored:
        """Without those whose outcome nobody knows."""
        kept = self.weight > 0
        return self if kept.all() else Scored(self.risk[kept], self.event[kept], self.weight[kept])

    @property
    def n(self) -> int:
        """People whose outcome is known."""
        return int((self.weight > 0).sum())

    @property
    def events(self) -> int:
        return int((self.event & (self.weight > 0)).sum())

    def where(self, chosen: Flags) -> Scored:
        return Scored(self.risk[chosen], self.event[chosen], self.weight[chosen])


def scored(risk: Any, event: Any, weight: Any = None) -> Scored:
    """Raises ValueError when the lengths differ, a number is not finite or a weight is negative."""
    risks = as_floats(risk)
    events = np.asarray(event).astype(bool)
    weights = np.ones(len(risks)) if weight is None else as_floats(weight)
    if not len(risks) == len(events) == len(weights):
        raise ValueError("risk, event and weight must have one value a person")
    if (weights < 0).any():
        raise ValueError("a weight can't be negative")
    return Scored(risks, events, weights)
