"""Numbers read off survival curves: the share alive at a time, the months until a share is left.

The engine reads them, so that they are always those of the curve that is shown, with or without a missing input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cds.inference.manifest import Output
from cds.record.inputs import months

Array = NDArray[np.float64]


def read_off(outputs: Sequence[Output], results: Mapping[str, Array]) -> dict[str, Array]:
    """``results``: [rows, times] by name of a curve; returns [rows] for each output that is read off one."""
    times = {o.name: o.times for o in outputs}
    return {o.name: _read(o, times[o.curve], results[o.curve]) for o in outputs if o.curve is not None}


def _read(output: Output, times: tuple[float, ...], curve: Array) -> Array:
    if output.until is not None:
        return until(output.until, times, curve)
    return alive_at(months(output.horizon or "0d"), times, curve)


def alive_at(month: float, times: tuple[float, ...], curve: Array) -> Array:
    """[rows], on straight lines between the curve's times."""
    before, part = _place(month, times)
    found = curve[:, before] if not part else curve[:, before] + part * (curve[:, before + 1] - curve[:, before])
    return np.asarray(found, dtype=np.float64)


@lru_cache(maxsize=256)
def _place(month: float, times: tuple[float, ...]) -> tuple[int, float]:
    """The last time not after ``month``, and how far on the way to the next one it lies."""
    before = int(np.searchsorted(times, month, side="right")) - 1
    if times[before] == month:
        return before, 0.0
    return before, (month - times[before]) / (times[before + 1] - times[before])


def until(share: float, times: tuple[float, ...], curve: Array) -> Array:
    """[rows]: months until only ``share`` is alive; the last time where the curve never falls so far."""
    fallen = curve <= share
    first = fallen.argmax(axis=1)
    rows = np.arange(len(curve))
    at = np.asarray(times)
    after, before = curve[rows, first], curve[rows, np.maximum(first - 1, 0)]
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(before > after, (before - share) / (before - after), 1.0)
    found = at[first - 1] + part * (at[first] - at[first - 1])
    return np.asarray(np.where(fallen.any(axis=1), np.where(first > 0, found, at[0]), at[-1]))
