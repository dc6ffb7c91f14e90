"""A shipped model asked about each patient of a cohort as the service asks it: eligibility, ranges, what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cds.cohort import measures as ms
from cds.cohort.measures import Array, Rows
from cds.cohort.reading import Cohort
from cds.cohort.unestimated import Unestimated
from cds.errors import CohortError
from cds.inference.manifest import Output
from cds.inference.model import Model
from cds.inference.prediction import Failed, Prediction
from cds.record.inputs import Input

FEW = 10
"""Groups of fewer patients are not shown: a small group may be somebody."""
SEED = 20261128
_AGES = (65.0, 75.0)
_VALUES = 5
"""Different values of an input that are groups of their own; with more, it is cut at its median."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Answers:
    """The patients the model answered for."""

    model: Model
    output: Output
    values: Array
    """[n], or [n, T] for a survival curve"""
    event: Array
    """[n]"""
    months: Array | None
    """[n]"""
    groups: dict[str, Mask]
    """By name: the model's own inputs value by value, then the file's columns."""
    left_out: dict[str, int]
    """Why others got no answer: how many."""
    unknown: dict[str, int]
    """Inputs the file does hold, and for how many patients not."""
    draws: int

    def resampled(self, statistic: Callable[[Rows], float], rows: Mask | None = None) -> dict[str, Any]:
        """With its interval, or why there is none. ``statistic`` counts from 0 within ``rows``."""
        count = len(self.event) if rows is None else int(rows.sum())
        return or_why(lambda: ms.resampled(statistic, count, draws=self.draws, seed=SEED))


def or_why(found: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return found()
    except Unestimated as reason:
        return {"not_estimated": str(reason)}


def ask(model: Model, output: Output, cohort: Cohort, draws: int) -> Answers:
    """Raises CohortError where the model fails, or answers for nobody."""
    rows, values = [], []
    why: Counter[str] = Counter()
    for at, features in enumerate(cohort.features):
        said = model.again(features)
        if isinstance(said, Prediction):
            rows.append(at)
            values.append(said.outputs[output.name])
        elif isinstance(said, Failed):
            raise CohortError(f"{model.manifest.id} could not run: {said.error}")
        elif said.reason == "input-absent":
            why["not known, or out of range: " + ", ".join(f.input.name for f in said.lacking)] += 1
        else:
            why[said.says.get("en", said.reason)] += 1
    if not rows:
        reasons = "; ".join(f"{reason} ({count})" for reason, count in why.most_common(3))
        raise CohortError(f"{model.manifest.id} answers for nobody in this file: {reasons}")
    kept = np.array(rows)
    return Answers(
        model,
        output,
        np.array(values, dtype=float),
        cohort.event[kept],
        None if cohort.months is None else cohort.months[kept],
        _groups(model, cohort, rows),
        dict(why.most_common()),
        _unknown(cohort, rows),
        draws,
    )


def _unknown(cohort: Cohort, rows: list[int]) -> dict[str, int]:
    lacked = Counter(f.input.name for at in rows for f in cohort.features[at] if not f.found)
    return {name: count for name, count in lacked.items() if name not in cohort.never_known}


def _groups(model: Model, cohort: Cohort, rows: list[int]) -> dict[str, Mask]:
    found: dict[str, Mask] = {}
    for at, spec in enumerate(model.manifest.inputs):
        values = [cohort.features[row][at].value for row in rows]
        found |= _by_input(spec, np.array([np.nan if v is None else v for v in values], dtype=float))
    for column, texts in cohort.groups.items():
        own = np.array([texts[row] for row in rows])
        found |= {f"{column}: {text}": own == text for text in sorted(set(own.tolist()) - {""})}
    return {name: mask for name, mask in found.items() if FEW <= mask.sum() < len(rows)}


def _by_input(spec: Input, values: Array) -> dict[str, Mask]:
    known = np.unique(values[~np.isnan(values)])
    label = spec.label.get("en", spec.name)
    if spec.source == "patient.male":
        return {"women": values == 0, "men": values == 1}
    if spec.source == "patient.age":
        low, high = _AGES
        middle = (values >= low) & (values < high)
        return {
            f"under {low:g}": values < low,
            f"{low:g} to {high - 1:g}": middle,
            f"{high:g} and over": values >= high,
        }
    if len(known) < 2:
        return {}
    if set(known.tolist()) <= {0.0, 1.0}:
        return {f"{label}: no": values == 0, f"{label}: yes": values == 1}
    if len(known) <= _VALUES:
        return {f"{label}: {value:g}": values == value for value in known}
    middle_value = float(np.nanmedian(values))
    below, above = values < middle_value, values >= middle_value
    return {f"{label}: below {middle_value:.3g}": below, f"{label}: {middle_value:.3g} or more": above}
