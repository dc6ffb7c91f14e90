"""Answers when an input is missing: integrated over what it may have been, and wider for not knowing it.

A missing input whose manifest gives the cohort's shares (``absent.weights``) is not merely replaced by one value.
The point is the mean of the answers over its possible values (the law of total probability; several missing inputs
are taken as independent). The interval follows the law of total variance on the scale on which it is symmetric,
log(-log S) for survival and the logit for a probability: the mean of the variances within, plus the variance of the
points between.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from cds.inference.manifest import Output
from cds.record.features import Feature

Array = NDArray[np.float64]
Results = Mapping[str, Array]

MOST_COMBINATIONS = 96
"""Rows of one run; beyond, the inputs declared last keep their assumed value."""
_EDGE = 1e-12


@dataclass(frozen=True)
class Mixture:
    """The combinations of values the missing inputs may have, and how often each occurs."""

    rows: Array
    """[combinations, inputs]"""
    weights: Array
    """[combinations], summing to 1."""


def mixture(features: Sequence[Feature], assumed: Sequence[float]) -> Mixture | None:
    """None when no input is missing, or none of the missing has weights."""
    columns, values, shares = [], [], []
    count = 1
    for column, feature in enumerate(features):
        absent = feature.input.absent
        if feature.found or not absent.weights or count * len(absent.vary) > MOST_COMBINATIONS:
            continue
        count *= len(absent.vary)
        columns.append(column)
        values.append(absent.vary)
        shares.append(absent.weights)
    if not columns:
        return None
    rows = np.tile(np.asarray(assumed, dtype=np.float64), (count, 1))
    rows[:, columns] = list(itertools.product(*values))
    return Mixture(rows, np.asarray([math.prod(combination) for combination in itertools.product(*shares)]))


def integrate(outputs: Sequence[Output], results: Results, weights: Array) -> dict[str, Array]:
    """``results``: [combinations] or [combinations, k] by output. Returns one row of each, [] or [k]; categories are
    left out, since a mean of categories is none."""
    by_name = {o.name: o for o in outputs}
    found = {name: weights @ values for name, values in results.items() if by_name[name].kind != "category"}
    for output in outputs:
        if output.kind in ("survival", "probability") and output.lower and output.upper:
            scale = _log_minus_log if output.kind == "survival" else _logit
            z = NormalDist().inv_cdf(0.5 + (output.interval or 0.95) / 2)
            points = scale(results[output.name])
            centre = scale(found[output.name])
            between = weights @ (points - weights @ points) ** 2
            for bound in (output.lower, output.upper):
                within = weights @ ((scale(results[bound]) - points) / z) ** 2
                # on log(-log S) a lower survival is a higher value
                up = (bound == output.upper) is (output.kind == "probability")
                reach = z * np.sqrt(within + between)
                inverse = _survival if output.kind == "survival" else _expit
                found[bound] = inverse(centre + reach if up else centre - reach)
                if output.kind == "survival":
                    certain = found[output.name] >= 1.0
                    found[bound] = np.minimum.accumulate(np.where(certain, 1.0, found[bound]))
    return found


def _log_minus_log(s: Array) -> Array:
    return np.asarray(np.log(-np.log(np.clip(s, _EDGE, 1 - _EDGE))))


def _survival(g: Array) -> Array:
    return np.asarray(np.exp(-np.exp(g)))


def _logit(p: Array) -> Array:
    clipped = np.clip(p, _EDGE, 1 - _EDGE)
    return np.asarray(np.log(clipped / (1 - clipped)))


def _expit(g: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-g)))
