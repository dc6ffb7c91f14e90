"""Why this answer: what each input contributed, against whom it is compared, and what would change it most.

Exact where the graph itself gives contributions (a linear predictor, points) and where the inputs that differ from
the comparator are few: then the Shapley value is computed over every coalition. With more, coalitions are sampled in
antithetic pairs under a fixed seed, and the answer says so. Source of the value: Shapley 1953; of its use for
single predictions: Strumbelj and Kononenko, J Mach Learn Res 2010;11:1-18.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cds.errors import ModelError
from cds.inference.manifest import Output
from cds.inference.model import Model
from cds.inference.prediction import Prediction, WhatIf
from cds.record.features import Feature

EXACT_UP_TO = 10
"""Inputs that differ from the comparator: 1,024 coalitions at most."""
_A_YEAR = ("12m", "1y")
_PAIRS, _SEED = 100, 20130528

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Share:
    """What one input contributed."""

    feature: Feature
    value: float
    """On the scale of ``Explanation.scale``."""


@dataclass(frozen=True)
class Explanation:
    shares: tuple[Share, ...]
    """The largest first, whatever their sign; inputs at the comparator's value contribute nothing and are left out."""
    scale: str
    """Name of the output whose difference is shared out, or of the model's own contributions."""
    method: str
    """``model``, ``exact`` or ``sampled``."""
    compared: float | None
    """The comparator's answer on that scale; None where the model's own contributions have no such number."""


def explain(model: Model, prediction: Prediction) -> Explanation | None:
    """None for rules, whose conditions are their own explanation, and for a model without a comparator. Raises
    ModelError when the graph fails."""
    own = next((o for o in prediction.manifest.outputs if o.kind == "contributions"), None)
    if own is not None:
        weights = prediction.series(own.name)
        return Explanation(_sorted(prediction.features, weights), own.name, "model", None)
    main = headline(prediction)
    ordinary = comparator(model, prediction)
    if main is None or ordinary is None or model.graph is None:
        return None
    return _shapley(model, prediction, main, ordinary)


def headline(prediction: Prediction) -> Output | None:
    """The output an explanation is about: the first that is a single number; of a curve's milestones the year."""
    single = [o for o in prediction.manifest.outputs if o.kind in ("probability", "score") and not o.times]
    first = next(iter(single), None)
    if first is None or first.curve is None:
        return first
    return next((o for o in single if o.curve is not None and o.horizon in _A_YEAR), first)


def comparator(model: Model, prediction: Prediction) -> Array | None:
    """The ordinary patient of the same age and sex, [inputs]: each other input at its ``reference``, else at what its
    absence assumes, else (a flag) absent. None when some input has none of these."""
    row = []
    for feature in prediction.features:
        spec = feature.input
        if spec.source in ("patient.age", "patient.male", "constant") and feature.value is not None:
            row.append(feature.value)
        elif not spec.graph:
            row.append(0.0 if feature.value is None else feature.value)
        elif spec.reference is not None:
            row.append(spec.reference)
        elif spec.absent.value is not None:
            row.append(spec.absent.value)
        elif spec.is_flag:
            row.append(0.0)
        else:
            return None
    return np.asarray(row, dtype=np.float64)


def otherwise(model: Model, prediction: Prediction) -> dict[str, str]:
    """Of a graph that gives a category and no number to share out: by input, the category there would be, were that
    input alone as in an ordinary patient; inputs that change nothing are left out. Raises ModelError."""
    output = next((o for o in prediction.manifest.outputs if o.kind == "category"), None)
    ordinary = comparator(model, prediction)
    if output is None or ordinary is None or model.graph is None:
        return {}
    patient = np.asarray(
        [o if f.value is None else f.value for f, o in zip(prediction.features, ordinary, strict=True)]
    )
    differ = np.flatnonzero(patient != ordinary)
    x = np.tile(patient, (len(differ), 1))
    x[np.arange(len(differ)), differ] = ordinary[differ]
    answers = model.run(x)[output.name] if len(differ) else np.empty(0)
    told = [output.categories.get(f"{answer:g}", "") for answer in answers]
    names = [prediction.features[int(i)].input.name for i in differ]
    now = prediction.category(output.name)
    return {name: category for name, category in zip(names, told, strict=True) if category != now}


def spreads(what_if: Iterable[WhatIf], output: str, base: float) -> dict[str, tuple[Feature, float, float]]:
    """By input name: how low and how high ``output`` could be, had the absent input been known; the one that could
    change it most comes first."""
    found: dict[str, tuple[Feature, float, float]] = {}
    for alternative in what_if:
        value = alternative.outputs[output]
        if isinstance(value, tuple):
            continue
        name = alternative.feature.input.name
        _, low, high = found.get(name, (alternative.feature, base, base))
        found[name] = (alternative.feature, min(low, value), max(high, value))
    return dict(sorted(found.items(), key=lambda item: item[1][1] - item[1][2]))


def _sorted(features: tuple[Feature, ...], weights: tuple[float, ...] | Array) -> tuple[Share, ...]:
    shares = [Share(f, float(w)) for f, w in zip(features, weights, strict=True) if w]
    return tuple(sorted(shares, key=lambda s: -abs(s.value)))


def _shapley(model: Model, prediction: Prediction, main: Output, ordinary: Array) -> Explanation:
    patient = np.asarray(
        [o if f.value is None else f.value for f, o in zip(prediction.features, ordinary, strict=True)]
    )
    differ = [int(i) for i in np.flatnonzero(patient != ordinary)]
    few = len(differ) <= EXACT_UP_TO
    coalitions = _every(len(differ)) if few else _sampled(len(differ))
    x = np.tile(ordinary, (len(coalitions), 1))
    x[:, differ] = np.where(coalitions, patient[differ], ordinary[differ])
    answers = model.score(x)[main.name]
    if answers.ndim != 1:
        raise ModelError(f"{model.manifest.id}: '{main.name}' is no single number")
    values = _exact(answers, len(differ)) if few else _estimated(answers, len(differ))
    weights = np.zeros(len(patient))
    weights[differ] = values
    base = float(answers[0])
    return Explanation(_sorted(prediction.features, weights), main.name, "exact" if few else "sampled", base)


def _every(k: int) -> NDArray[np.bool_]:
    """[2**k, k]; row ``r`` holds player ``i`` where bit ``i`` of ``r`` is set."""
    rows = np.arange(2**k)[:, None]
    return np.asarray((rows >> np.arange(k)[None, :]) & 1, dtype=np.bool_)


def _exact(answers: Array, k: int) -> Array:
    size = np.asarray([row.bit_count() for row in range(2**k)])
    weight = np.asarray([1 / (k * math.comb(k - 1, s)) for s in range(k)]) if k else np.empty(0)
    values = np.zeros(k)
    rows = np.arange(2**k)
    for player in range(k):
        without = rows[(rows >> player) & 1 == 0]
        values[player] = np.sum(weight[size[without]] * (answers[without | (1 << player)] - answers[without]))
    return values


def _orders(k: int) -> Array:
    """[2 * pairs, k]: each drawn order and its reverse, which cancels much of the variance."""
    rng = np.random.default_rng(_SEED)
    drawn = [rng.permutation(k) for _ in range(_PAIRS)]
    return np.asarray(list(itertools.chain.from_iterable((order, order[::-1]) for order in drawn)))


def _sampled(k: int) -> NDArray[np.bool_]:
    """[orders * (k + 1), k]: the coalitions met when the players join in each order."""
    rows = []
    for order in _orders(k):
        joined = np.zeros(k, dtype=np.bool_)
        rows.append(joined.copy())
        for player in order:
            joined[int(player)] = True
            rows.append(joined.copy())
    return np.asarray(rows)


def _estimated(answers: Array, k: int) -> Array:
    values = np.zeros(k)
    orders = _orders(k)
    steps = np.diff(answers.reshape(len(orders), k + 1), axis=1)
    for order, gained in zip(orders.astype(int), steps, strict=True):
        values[order] += gained
    return values / len(orders)
