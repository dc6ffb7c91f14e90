"""Simulated cohorts for the committee's measures: risks, outcomes, follow-up; made from a seed, so always the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Risks:
    risk: Floats
    event: Bools


def risks(n: int, seed: int = 1, *, slope: float = 1.0, intercept: float = 0.0, mean: float = -1.5) -> Risks:
    """Outcomes drawn from ``intercept + slope x logit(risk)``: 0 and 1 make the risks right."""
    random = np.random.default_rng(seed)
    risk = expit(random.normal(mean, 1.0, n))
    event = random.random(n) < expit(intercept + slope * logit(risk))
    return Risks(risk, event)


@dataclass(frozen=True)
class Lives:
    """Exponential times with hazard ``rate x exp(score)``, some of them censored."""

    score: Floats
    months: Floats
    event: Bools
    rate: float

    def alive(self, months: float) -> Floats:
        """The true chance to live so long."""
        found: Floats = np.exp(-self.rate * np.exp(self.score) * months)
        return found


def lives(
    n: int, seed: int = 1, *, rate: float = 0.06, spread: float = 0.8, lost: float = 0.03, end: float = 60.0
) -> Lives:
    """``lost``: monthly hazard of being lost; everybody is at ``end``."""
    random = np.random.default_rng(seed)
    score = random.normal(0, spread, n)
    death = random.exponential(1 / (rate * np.exp(score)))
    censored = np.minimum(random.exponential(1 / lost, n) if lost else np.full(n, np.inf), end)
    return Lives(score, np.minimum(death, censored), death <= censored, rate)
