"""Counts by score. A hospital's table of events and other people over the round's fixed score bins, and how small cells
are joined with their neighbours until none is left.

A cell is a bin's count of people with the event, or of people without it. It may be 0 or at least the minimum: a
count in between could be somebody. Bins are joined, not dropped, so that totals stay exact. Of all ways to join
neighbours the one is taken that loses least of the ranking (a dynamic programme over the edges), because people in
one bin count as tied.

With censored outcomes the people whose outcome is not known at the horizon are a third cell, and known ones carry
weights (inverse probability of being observed), so that sums and not only counts travel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bin:
    """People whose score is in [``low``, ``high``) (the last bin: up to and with ``high``)."""

    low: float
    high: float
    people: int
    events: int
    """Who had the event by the horizon, counted."""
    others: int
    """Who is known not to have had it, counted; ``people`` - ``events`` - ``others`` were censored before the
    horizon."""
    event_weight: float
    other_weight: float
    """Sums of weights; equal to the counts where nobody is censored."""
    score_sum: float
    """Of all people in the bin."""


def logit_edges(low: float, high: float, bins: int) -> tuple[float, ...]:
    """``bins`` + 1 edges from 0 to 1, logit-spaced between ``low`` and ``high``. Raises ValueError."""
    if not (0 < low < high < 1) or bins < 3:
        raise ValueError("edges need 0 < low < high < 1 and at least 3 bins")
    inner = np.linspace(np.log(low / (1 - low)), np.log(high / (1 - high)), bins - 1)
    return (0.0, *(round(float(1 / (1 + np.exp(-x))), 10) for x in inner), 1.0)


def tabulate(
    edges: Sequence[float], scores: Floats, events: NDArray[np.bool_], known: NDArray[np.bool_], weights: Floats
) -> tuple[Bin, ...]:
    """One bin for each pair of edges, arrays of one person an element. ``events`` counts only where ``known``. A score
    outside the edges is put into the outermost bin."""
    place = np.clip(np.searchsorted(np.asarray(edges), scores, side="right") - 1, 0, len(edges) - 2)
    had, had_not = known & events, known & ~events

    def count(chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(place[chosen], minlength=len(edges) - 1).astype(np.int64)

    def total(chosen: NDArray[np.bool_], values: Floats) -> Floats:
        return np.asarray(np.bincount(place[chosen], weights=values[chosen], minlength=len(edges) - 1), dtype=float)

    everybody = np.ones(len(scores), dtype=bool)
    people, n_events, n_others = count(everybody), count(had), count(had_not)
    event_weight, other_weight, score_sum = total(had, weights), total(had_not, weights), total(everybody, scores)
    return tuple(
        Bin(
            float(edges[i]), float(edges[i + 1]), int(people[i]), int(n_events[i]), int(n_others[i]),
            float(event_weight[i]), float(other_weight[i]), float(score_sum[i]),
        )
        for i in range(len(edges) - 1)
    )  # fmt: skip


def joined(bins: Sequence[Bin]) -> Bin:
    return Bin(
        bins[0].low,
        bins[-1].high,
        sum(b.people for b in bins),
        sum(b.events for b in bins),
        sum(b.others for b in bins),
        sum(b.event_weight for b in bins),
        sum(b.other_weight for b in bins),
        sum(b.score_sum for b in bins),
    )


def safe(bins: Sequence[Bin], minimum: int) -> bool:
    """No cell is small."""
    return all(
        cell == 0 or cell >= minimum for b in bins for cell in (b.events, b.others, b.people - b.events - b.others)
    )


def join_small(tables: Sequence[Sequence[Bin]], minimum: int) -> tuple[int, ...] | None:
    """Where to cut (indices of edges, from 0 to the number of bins) so that no cell of any of the ``tables``, which
    share their edges, is small; None when even one bin of all people would have one.

    Of the admissible cuts those with the least ranking lost, summed over the tables; equal losses: the most bins.
    """
    size = len(tables[0])
    cells = [_sums([(b.events, b.others, b.people - b.events - b.others) for b in table]) for table in tables]
    weights = [_sums([(b.event_weight, b.other_weight) for b in table]) for table in tables]
    ties = [_tie_sums(table) for table in tables]
    best: list[tuple[float, int] | None] = [(0.0, 0)] + [None] * size
    came: list[int] = [0] * (size + 1)
    for end in range(1, size + 1):
        for begin in range(end):
            before = best[begin]
            if before is None or not all(_admissible(c[end] - c[begin], minimum) for c in cells):
                continue
            lost = sum(_lost(w, t, begin, end) for w, t in zip(weights, ties, strict=True))
            rank = (before[0] + lost, before[1] - 1)
            found = best[end]
            if found is None or rank < found:
                best[end], came[end] = rank, begin
    if best[size] is None:
        return None
    cuts = [size]
    while cuts[-1]:
        cuts.append(came[cuts[-1]])
    return tuple(reversed(cuts))


def cut(bins: Sequence[Bin], cuts: Sequence[int]) -> tuple[Bin, ...]:
    return tuple(joined(bins[begin:end]) for begin, end in pairwise(cuts))


def _sums(rows: Sequence[tuple[float, ...]]) -> Floats:
    table = np.asarray(rows, dtype=float)
    return np.vstack([np.zeros((1, table.shape[1])), np.cumsum(table, axis=0)])


def _tie_sums(bins: Sequence[Bin]) -> Floats:
    """Ordered pairs: [i] = sum over k < i of (events in k) x (others below k) and (others in k) x (events below k)."""
    pairs, events, others = np.zeros((len(bins) + 1, 2)), 0.0, 0.0
    for i, b in enumerate(bins):
        pairs[i + 1] = pairs[i] + (b.event_weight * others, b.other_weight * events)
        events, others = events + b.event_weight, others + b.other_weight
    return pairs


def _lost(sums: Floats, pairs: Floats, begin: int, end: int) -> float:
    """Pairs of one with and one without the event whose order is lost when bins [begin, end) become one."""
    events, others = sums[end] - sums[begin]
    right = pairs[end, 0] - pairs[begin, 0] - sums[begin, 1] * events
    wrong = pairs[end, 1] - pairs[begin, 1] - sums[begin, 0] * others
    total = float(sums[-1, 0] * sums[-1, 1]) or 1.0
    return abs(float(right - wrong)) / total


def _admissible(cells: Floats, minimum: int) -> bool:
    return bool(np.all((cells == 0) | (cells >= minimum)))
