"""Numbers read off survival curves: the share alive at a time, the months until a share is left.

The engine reads them, so that they are always those of the curve that is shown, with or without a missing input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cds.inference.manifest import Output
from cds.record.inputs import months

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _OfOne:
    """What is read off one curve, all of it in one go: outputs are many, and patients wait."""

    curve: str
    times: Array
    at: tuple[str, ...]
    """Outputs that are shares at a time."""
    before: NDArray[np.int64]
    """The last time not after each of theirs, and in ``part`` how far on the way to the next one it lies."""
    part: Array
    until: tuple[str, ...]
    """Outputs that are months until a share is left, and in ``shares`` which."""
    shares: Array


@dataclass(frozen=True)
class Reading:
    """How the outputs of one model are read off its curves."""

    curves: tuple[_OfOne, ...]

    def __call__(self, results: Mapping[str, Array]) -> dict[str, Array]:
        """``results``: [rows, times] by name of a curve; returns [rows] for each output that is read off one."""
        found: dict[str, Array] = {}
        for one in self.curves:
            curve = results[one.curve]
            if one.at:
                found |= zip(one.at, alive_at(curve, one.before, one.part).T, strict=True)
            if one.until:
                found |= zip(one.until, until(curve, one.times, one.shares).T, strict=True)
        return found


def reading(outputs: Sequence[Output]) -> Reading:
    times = {o.name: o.times for o in outputs}
    named = dict.fromkeys(o.curve for o in outputs if o.curve is not None)
    return Reading(tuple(_of_one(name, times[name], [o for o in outputs if o.curve == name]) for name in named))


def _of_one(curve: str, times: tuple[float, ...], outputs: Sequence[Output]) -> _OfOne:
    at = [(o.name, months(o.horizon)) for o in outputs if o.horizon is not None]
    until = [(o.name, o.until) for o in outputs if o.until is not None]
    before, part = place([month for _, month in at], times)
    return _OfOne(
        curve,
        np.asarray(times),
        tuple(name for name, _ in at),
        before,
        part,
        tuple(name for name, _ in until),
        np.asarray([share for _, share in until]),
    )


def place(at: Sequence[float], times: Sequence[float]) -> tuple[NDArray[np.int64], Array]:
    """For each month the last time not after it, and how far on the way to the next one it lies."""
    grid, wanted = np.asarray(times), np.asarray(at, dtype=np.float64)
    before = np.minimum(np.searchsorted(grid, wanted, side="right") - 1, len(grid) - 2)
    return before, (wanted - grid[before]) / (grid[before + 1] - grid[before])


def alive_at(curve: Array, before: NDArray[np.int64], part: Array) -> Array:
    """[rows, months], on straight lines between the curve's times."""
    left, right = curve[:, before], curve[:, before + 1]
    # what lies on a time is that very number, without rounding
    return np.asarray(np.where(part == 0.0, left, np.where(part == 1.0, right, left + part * (right - left))))


def until(curve: Array, times: Array, shares: Array) -> Array:
    """[rows, shares]: months until only the share is alive; the last time where the curve never falls so far."""
    fallen = curve[:, None, :] <= shares[:, None]
    first = fallen.argmax(axis=2)
    ago = np.maximum(first - 1, 0)
    rows = np.arange(len(curve))[:, None]
    before, after = curve[rows, ago], curve[rows, first]
    fall = np.where(before > after, before - after, 1.0)
    found = times[ago] + np.where(before > after, (before - shares) / fall, 1.0) * (times[first] - times[ago])
    return np.asarray(np.where(fallen[rows, np.arange(len(shares)), first], found, times[-1]))
