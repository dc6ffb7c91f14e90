"""Are a model's inputs still there, in codes and units it knows, and within their ranges?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from scipy.special import ndtr

from cds.measures.estimate import SHARE, Estimate, Measured, Minimum, NotEnough
from cds.measures.proportions import difference, wilson_counts


@dataclass(frozen=True)
class InputState:
    """Shares of one input's answers in a period."""

    missing: Measured
    """Not there: never measured, or too long ago."""
    unread: Measured
    """Its source could not be read."""
    unusable: Measured
    """Sent with a unit or code that nobody here knows, or with no value."""
    out_of_range: Measured


MISSING = frozenset({"missing"})
UNREAD = frozenset({"unread", "unsupported"})
OUT_OF_RANGE = frozenset({"out-of-range", "implausible"})


def input_state(states: Mapping[str, int], minimum: Minimum = SHARE) -> InputState:
    """``states``: how often the input was in each state; what is neither found nor in the sets above is unusable."""
    total = sum(states.values())
    known = MISSING | UNREAD | OUT_OF_RANGE | {"found", "unsourced"}

    def share(count: int) -> Measured:
        if total < max(1, minimum.people):
            return NotEnough("people", total, max(1, minimum.people))
        return wilson_counts(count, total)

    return InputState(
        missing=share(sum(states.get(s, 0) for s in MISSING)),
        unread=share(sum(states.get(s, 0) for s in UNREAD)),
        unusable=share(sum(n for s, n in states.items() if s not in known)),
        out_of_range=share(sum(states.get(s, 0) for s in OUT_OF_RANGE)),
    )


@dataclass(frozen=True)
class Change:
    """How much a share rose since the baseline, and how likely that is chance."""

    by: Estimate
    p: float


def change(now: Measured, baseline: Measured) -> Change | NotEnough:
    """Of a share since the baseline, tested on both sides with the pooled share."""
    for estimate in (now, baseline):
        if not isinstance(estimate, Estimate):
            return estimate if isinstance(estimate, NotEnough) else NotEnough("people", 0, 1)
    assert isinstance(now, Estimate) and isinstance(baseline, Estimate)
    pooled = (now.events + baseline.events) / (now.n + baseline.n)
    error = math.sqrt(pooled * (1 - pooled) * (1 / now.n + 1 / baseline.n))
    p = 1.0 if error == 0 else float(2 * ndtr(-abs(now.value - baseline.value) / error))
    return Change(difference(now, baseline), p)
