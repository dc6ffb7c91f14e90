"""Answers when an input is missing: integrated over what it may have been, and wider for not knowing it.

A missing input whose manifest gives the cohort's shares (``absent.weights``) is not merely replaced by one value.
The point is the mean of the answers over its possible values (the law of total probability; several missing inputs
are taken as independent). Of a survival curve that holds at each time; times by which a share has died are read off
the averaged curve. The interval follows the law of total variance on the scale on which it is symmetric,
log(-log S) for survival and the logit for a probability: the mean of the variances within, plus the variance of the
points between.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from cds.inference import curves
from cds.inference.manifest import Output
from cds.record.features import Feature

Array = NDArray[np.float64]
Results = Mapping[str, Array]

MOST_COMBINATIONS = 96
"""Rows of one run; beyond, the inputs declared last keep their assumed value."""
_EDGE = 1e-12
_DOWN_UP = np.array([[-1.0], [1.0]])
"""To the lower bound, to the upper."""


@dataclass(frozen=True)
class Mixture:
    """The combinations of values the missing inputs may have, and how often each occurs."""

    rows: Array
    """[combinations, inputs]"""
    weights: Array
    """[1 + known, combinations], rows summing to 1: first as nothing more is known, then as each of ``known`` is."""
    known: tuple[tuple[int, float], ...]
    """(column, value) of each missing input: what the answer would be, had it been known to be that."""


def mixture(features: Sequence[Feature], assumed: Sequence[float]) -> Mixture | None:
    """None when no input is missing, or none of the missing has weights."""
    columns, missing = [], []
    count = 1
    for column, feature in enumerate(features):
        absent = feature.input.absent
        if feature.found or not absent.weights or count * len(absent.vary) > MOST_COMBINATIONS:
            continue
        count *= len(absent.vary)
        columns.append(column)
        missing.append((absent.vary, absent.weights))
    if not columns:
        return None
    values, weights, known = _combinations(tuple(missing))
    rows = np.tile(np.asarray(assumed, dtype=np.float64), (count, 1))
    rows[:, columns] = values
    return Mixture(rows, weights, tuple((columns[position], value) for position, value in known))


@lru_cache(maxsize=256)
def _combinations(
    missing: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...],
) -> tuple[Array, Array, tuple[tuple[int, float], ...]]:
    """``missing``: values and their shares of each input. Returns the combinations [combinations, missing], the rows of
    ``Mixture.weights`` and which (input, value) each after the first is for."""
    values = np.asarray(list(itertools.product(*(vary for vary, _ in missing))))
    shares = np.asarray(list(itertools.product(*(weights for _, weights in missing))))
    weights, known = [shares.prod(axis=1)], list[tuple[int, float]]()
    for position, (vary, _) in enumerate(missing):
        others = np.delete(shares, position, axis=1).prod(axis=1)
        for value in vary:
            weights.append(others * (values[:, position] == value))
            known.append((position, value))
    return values, np.asarray(weights), tuple(known)


@dataclass(frozen=True)
class _Alike:
    """Outputs of one kind and one width of interval."""

    survival: bool
    z: float
    """Standard errors from the point to a bound."""
    names: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    """Points, lower bounds, upper bounds."""


@dataclass(frozen=True)
class Averaging:
    """How the outputs of one model are averaged."""

    means: tuple[str, ...]
    bounded: tuple[_Alike, ...]
    reading: curves.Reading

    def __call__(self, results: Results, weights: Array) -> dict[str, Array]:
        """``results``: [combinations] or [combinations, k] by output; ``weights``: [mixes, combinations]. Returns
        [mixes] or [mixes, k]; categories are left out, since a mean of categories is none. What is read off a curve is
        read off the averaged one: the median of a mixture is no average of medians."""
        found = _means(self.means, results, weights)
        for alike in self.bounded:
            _widen(alike, results, weights, found)
        return found | self.reading(found)


def averaging(outputs: Sequence[Output]) -> Averaging:
    bounded: dict[tuple[bool, float], list[Output]] = {}
    for o in outputs:
        if o.kind in ("survival", "probability") and o.curve is None and o.lower and o.upper:
            bounded.setdefault((o.kind == "survival", _normal(o.interval or 0.95)), []).append(o)
    return Averaging(
        tuple(o.name for o in outputs if o.kind != "category" and o.curve is None),
        tuple(_Alike(*key, _names(alike)) for key, alike in bounded.items()),
        curves.reading(outputs),
    )


def _names(alike: Sequence[Output]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    return tuple(o.name for o in alike), tuple(o.lower or "" for o in alike), tuple(o.upper or "" for o in alike)


def _means(names: Sequence[str], results: Results, weights: Array) -> dict[str, Array]:
    """One product for all: outputs are many and small."""
    if not names:
        return {}
    side_by_side, places = _beside([results[name] for name in names])
    mean = weights @ side_by_side
    pairs = zip(names, places, strict=True)
    return {name: mean[:, place] if results[name].ndim == 2 else mean[:, place.start] for name, place in pairs}


def _beside(values: Sequence[Array]) -> tuple[Array, list[slice]]:
    """[combinations, columns of all], and which columns are whose."""
    flat = [v if v.ndim == 2 else v[:, None] for v in values]
    ends = list(itertools.accumulate(v.shape[1] for v in flat))
    return np.concatenate(flat, axis=1), [slice(a, b) for a, b in zip([0, *ends], ends, strict=False)]


@lru_cache(maxsize=64)
def _normal(interval: float) -> float:
    return NormalDist().inv_cdf(0.5 + interval / 2)


def _widen(alike: _Alike, results: Results, weights: Array, found: dict[str, Array]) -> None:
    """Bounds of outputs of one kind and one width, put into ``found``; all of them in one go, [mixes, 2, k]."""
    scale, inverse = (_log_minus_log, _survival) if alike.survival else (_logit, _expit)
    columns, places = _beside([results[name] for row in alike.names for name in row])
    rows, k = len(columns), places[len(alike.names[0]) - 1].stop
    scaled = scale(columns).reshape(rows, 3, k)
    mean = np.concatenate([found[name].reshape(len(weights), -1) for name in alike.names[0]], axis=1)
    off = (scaled[:, 1:] - scaled[:, :1]) / alike.z
    within = (weights @ (off * off).reshape(rows, 2 * k)).reshape(len(weights), 2, k)
    apart = scaled[:, 0] - weights[0] @ scaled[:, 0]
    between = np.maximum(weights @ (apart * apart) - (weights @ apart) ** 2, 0.0)
    reach = alike.z * np.sqrt(within + between[:, None])
    # on log(-log S) a lower survival is a higher value
    bounds = inverse(scale(mean)[:, None] + (-_DOWN_UP if alike.survival else _DOWN_UP) * reach)
    if alike.survival:
        bounds = np.where(mean[:, None] >= 1.0, 1.0, bounds)
    for side, row in enumerate(alike.names[1:]):
        for name, place in zip(row, places, strict=False):
            own = bounds[:, side, place]
            if results[name].ndim == 1:
                found[name] = own[:, 0]
            else:
                found[name] = np.minimum.accumulate(own, axis=1) if alike.survival else own


def _log_minus_log(s: Array) -> Array:
    return np.asarray(np.log(-np.log(_inside(s))))


def _survival(g: Array) -> Array:
    return np.asarray(np.exp(-np.exp(g)))


def _logit(p: Array) -> Array:
    inside = _inside(p)
    return np.asarray(np.log(inside / (1 - inside)))


def _expit(g: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-g)))


def _inside(p: Array) -> Array:
    """Between 0 and 1, neither reached."""
    return np.minimum(np.maximum(p, _EDGE), 1 - _EDGE)
