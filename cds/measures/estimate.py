"""What every measure returns: a value with its interval, or why there is none; never a number that misleads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

COVERAGE = 0.95
Z = NormalDist().inv_cdf(0.5 + COVERAGE / 2)
"""Two-sided 95 %."""


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval, and how many people it rests on."""

    value: float
    lower: float
    upper: float
    n: int
    events: int

    @property
    def told(self) -> str:
        return f"{self.value:.3g} (95% interval {self.lower:.3g} to {self.upper:.3g}; n={self.n}, events={self.events})"


@dataclass(frozen=True)
class NotEnough:
    """Fewer people than the measure needs. ``what``: people, events, people without the event, ..."""

    what: str
    have: int
    need: int

    @property
    def told(self) -> str:
        return f"not enough data: {self.have} {self.what}, {self.need} needed"


@dataclass(frozen=True)
class NotEstimable:
    """Enough people, and yet the measure has no value: such as the slope of predictions that are all equal."""

    why: str

    @property
    def told(self) -> str:
        return f"can't be estimated: {self.why}"


Refusal = NotEnough | NotEstimable
Measured = Estimate | Refusal


@dataclass(frozen=True)
class Minimum:
    """How many people a measure needs before it is told. The least cell also keeps single patients from showing."""

    people: int = 0
    events: int = 0
    others: int = 0
    """Without the event."""

    def lacking(self, n: int, events: int) -> NotEnough | None:
        """The scarcest first: events, those without, people altogether."""
        for what, have, need in (
            ("events", events, self.events),
            ("people without the event", n - events, self.others),
            ("people", n, self.people),
        ):
            if have < need:
                return NotEnough(what, have, need)
        return None


VALIDATION = Minimum(events=100, others=100)
"""For ranking and calibration in the large (Vergouwe 2005, J Clin Epidemiol 58:475; Collins 2016, Stat Med 35:214)."""
CURVE = Minimum(events=200, others=200)
"""A flexible calibration curve (Van Calster 2016, J Clin Epidemiol 74:167)."""
SHARE = Minimum(people=30)
"""A proportion, such as the positive predictive value: of those it is a proportion of. The product's choice: below, its
interval is wider than 0.35 at worst."""
CELL = 5
"""No count below this is shown of a subgroup."""


def logit_interval(value: float, error: float, n: int, events: int) -> Estimate:
    """Of a share in (0, 1) with this standard error: symmetric on the logit scale, so never outside 0 and 1."""
    scale = value * (1 - value)
    if scale <= 0 or not math.isfinite(error):
        raise ValueError("a logit interval needs a share between 0 and 1")
    centre, half = math.log(value / (1 - value)), Z * error / scale
    return Estimate(value, _expit(centre - half), _expit(centre + half), n, events)


def log_interval(value: float, log_error: float, n: int, events: int) -> Estimate:
    """Of a ratio, by the standard error of its logarithm."""
    factor = math.exp(Z * log_error)
    return Estimate(value, value / factor, value * factor, n, events)


def plain_interval(value: float, error: float, n: int, events: int) -> Estimate:
    return Estimate(value, value - Z * error, value + Z * error, n, events)


def _expit(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def effective(weights: Array) -> float:
    """Kish's effective number: how many equally weighted people say as much (Kish 1965, Survey Sampling)."""
    total = float(weights.sum())
    return total * total / float(np.square(weights).sum()) if total > 0 else 0.0


def as_floats(values: Any) -> Array:
    """One dimension, finite. Raises ValueError for anything else."""
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or not np.isfinite(found).all():
        raise ValueError("a measure takes one finite number a person")
    return found
