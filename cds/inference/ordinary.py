"""The ordinary patient a survival estimate is held against: the same age and sex, otherwise as the cohort was.

What the cohort had in shares (``absent.weights``) is integrated over; what it had on average, or in most, stands at
``reference`` or at what an absence assumes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from cds.inference.marginal import MOST_COMBINATIONS, Array
from cds.record.inputs import Input

OWN = ("patient.age", "patient.male")


def rows(inputs: Sequence[Input], own: Sequence[float | None]) -> tuple[Array, Array] | None:
    """[combinations, inputs] and their weights [combinations]. ``own``: the patient's age and sex in their columns,
    None elsewhere. None where the manifest does not say what the cohort was like."""
    values, shares = [], []
    count = 1
    for spec, mine in zip(inputs, own, strict=True):
        could = _could_be(spec, mine)
        if could is None:
            return None
        if count * len(could[0]) > MOST_COMBINATIONS:
            could = ((spec.absent.value or 0.0,), (1.0,))
        count *= len(could[0])
        values.append(could[0])
        shares.append(could[1])
    weights = np.asarray(list(itertools.product(*shares))).prod(axis=1)
    return np.asarray(list(itertools.product(*values)), dtype=np.float64), weights


def _could_be(spec: Input, mine: float | None) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Values of one input and their shares."""
    if not spec.graph:
        return (0.0,), (1.0,)
    if mine is not None:
        return (mine,), (1.0,)
    if spec.absent.weights:
        return spec.absent.vary, spec.absent.weights
    known = (spec.reference, spec.constant, spec.absent.value, 0.0 if spec.is_flag else None)
    value = next((v for v in known if v is not None), None)
    return None if value is None else ((value,), (1.0,))
