"""Have inputs or answers changed since the baseline? A population stability index that knows how many people it saw.

The usual limits of the index (0.1, 0.25) are wrong at small numbers: without any drift, in ten bins, 100 people often
pass 0.1. Under no drift the index is about chi-square with one degree of freedom less than bins, times (1/n + 1/m)
(Yurdakul 2018, Statistical properties of population stability index); where bins are thin its distribution is drawn
instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, chdtri

from cds.measures.estimate import Array, NotEnough, as_floats

LEAST = 200
"""People in either sample."""
MATERIAL = 0.1
"""Below this index a change is certain perhaps, and small."""
_THIN = 5.0
_DRAWS = 2000
_HALF = 0.5
"""Added to each bin: an empty one must not make the index infinite."""


@dataclass(frozen=True)
class Drift:
    index: float
    critical: float
    """Above this the change is unlikely to be chance."""
    p: float
    n: int
    m: int
    """People now, and in the baseline."""
    parts: tuple[float, ...]
    """What each bin adds to the index."""

    @property
    def significant(self) -> bool:
        return self.index > self.critical

    @property
    def material(self) -> bool:
        return self.index >= MATERIAL


def edges_of(baseline: Any, bins: int = 10) -> Array:
    """Inner edges at the baseline's quantiles; equal ones are one, so a value that many have gets a bin of its own."""
    values = as_floats(baseline)
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
    # the least of two values is no edge: nothing lies below it
    found: Array = edges[edges > values.min()]
    return found


def counts_in(values: Any, edges: Array) -> NDArray[np.int64]:
    """How many lie in each of ``len(edges) + 1`` bins; an edge belongs to the bin above it."""
    place = np.searchsorted(edges, as_floats(values), side="right")
    return np.bincount(place, minlength=len(edges) + 1).astype(np.int64)


def drift(
    baseline: Sequence[int] | NDArray[np.int64],
    now: Sequence[int] | NDArray[np.int64],
    alpha: float = 0.05,
    least: int = LEAST,
    seed: int = 0,
) -> Drift | NotEnough:
    """Of counts in the same bins. ``alpha``: how often a difference that is chance may be called one."""
    before, after = np.asarray(baseline, dtype=np.float64), np.asarray(now, dtype=np.float64)
    if before.shape != after.shape or before.ndim != 1:
        raise ValueError("baseline and now must have the same bins")
    m, n = int(before.sum()), int(after.sum())
    for have, what in ((n, "people"), (m, "people in the baseline")):
        if have < least:
            return NotEnough(what, have, least)
    used = (before + after) > 0
    before, after = before[used], after[used]
    parts = _parts(before, after)
    index = float(parts.sum())
    if len(before) < 2:
        return Drift(0.0, 0.0, 1.0, n, m, (0.0,))
    scale = 1 / n + 1 / m
    together = (before + after) / (n + m)
    if min(n, m) * float(together.min()) >= _THIN:
        freedom = len(before) - 1
        return Drift(
            index,
            float(chdtri(freedom, alpha)) * scale,
            float(chdtrc(freedom, index / scale)),
            n,
            m,
            tuple(parts),
        )
    random = np.random.default_rng(seed)
    drawn = _parts(
        random.multinomial(m, together, _DRAWS).astype(float), random.multinomial(n, together, _DRAWS).astype(float)
    ).sum(axis=-1)
    # one more than drawn: a chance of exactly 0 can't be shown by drawing
    p = float((np.count_nonzero(drawn >= index) + 1) / (_DRAWS + 1))
    return Drift(index, float(np.quantile(drawn, 1 - alpha)), p, n, m, tuple(parts))


def _parts(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    one, other = ((counts + _HALF) / (counts + _HALF).sum(axis=-1, keepdims=True) for counts in (before, after))
    found: NDArray[np.float64] = (other - one) * np.log(other / one)
    return found


def holm(chances: Sequence[float], alpha: float = 0.05) -> tuple[bool, ...]:
    """Which of several tests hold when all of them together may be wrong ``alpha`` of the time (Holm 1979)."""
    order = np.argsort(chances)
    held = [False] * len(chances)
    for rank, place in enumerate(order):
        if chances[place] > alpha / (len(chances) - rank):
            break
        held[place] = True
    return tuple(held)
