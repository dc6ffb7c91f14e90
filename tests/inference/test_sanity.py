"""What no answer may be, whatever a graph says, for one patient or for many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny_models
from tiny_models import Json

from cds.errors import ModelError
from cds.inference import sanity


def require(results: dict[str, Any], *outputs: Json, rows: int = 2) -> None:
    content = tiny_models.manifest("probe")
    content["outputs"] = list(outputs)
    del content["card"]
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in results.items()}
    sanity.require(tiny_models.parsed(content), arrays, rows)


CHANCE = {"name": "p", "kind": "probability", "horizon": "2y"}
CURVE = {"name": "p", "kind": "survival", "times": [0, 6, 12]}
SCORE = {"name": "p", "kind": "score"}
BAND = {"name": "p", "kind": "category", "categories": {"0": "low", "1": "high"}}


@pytest.mark.parametrize(
    ("output", "values"),
    [
        (CHANCE, [0.0, 1.0]),
        (CHANCE, [-1e-12, 1 + 1e-12]),
        (CURVE, [[1.0, 0.5, 0.5], [1.0, 0.0, 0.0]]),
        (CURVE, [[1.0, 0.5, 0.5 + 1e-12], [1.0, 1.0, 1.0]]),
        (SCORE, [-3.0, 1e9]),
        (BAND, [0.0, 1.0]),
        ({"name": "p", "kind": "contributions", "per_input": True}, [[1.0, -2.0], [0.0, 9.0]]),
    ],
    ids=["0 and 1", "rounding of a chance", "flat curve", "rounding of a curve", "a score", "a category", "per input"],
)
def test_possible_answers_pass(output: Json, values: Any) -> None:
    require({"p": values}, output)


@pytest.mark.parametrize(
    ("output", "values", "reason"),
    [
        (CHANCE, [0.2, float("nan")], "not finite"),
        (SCORE, [float("inf"), 0.0], "not finite"),
        (CHANCE, [0.2, 1.001], "outside 0 to 1"),
        (CHANCE, [-0.001, 0.2], "outside 0 to 1"),
        (CURVE, [[1.0, 0.5, 0.4], [1.0, 0.4, 0.41]], "survival curve that rises"),
        (CURVE, [[1.2, 0.5, 0.4], [1.0, 0.4, 0.4]], "outside 0 to 1"),
        (CURVE, [[1.0, 0.5], [1.0, 0.4]], r"shape \[2, 2\], its manifest says \[2, 3\]"),
        (CHANCE, [0.5], r"shape \[1\], its manifest says \[2\]"),
        (CHANCE, 0.5, r"shape \[\], its manifest says \[2\]"),
        (CHANCE, [[0.5], [0.5]], r"shape \[2, 1\], its manifest says \[2\]"),
        (BAND, [0.0, 2.0], "category its manifest does not name"),
        (BAND, [0.5, 1.0], "category its manifest does not name"),
    ],
)
def test_impossible_ones_are_named(output: Json, values: Any, reason: str) -> None:
    with pytest.raises(ModelError, match=rf"^probe: output 'p' .*{reason}"):
        require({"p": values}, output)


def test_a_bound_of_a_chance_is_a_chance_and_one_of_a_score_is_not() -> None:
    bounds = [{"name": "low", "kind": "bound"}, {"name": "high", "kind": "bound"}]
    between = {"lower": "low", "upper": "high", "interval": 0.95}
    results = {"p": [0.5, 0.5], "low": [0.4, 0.4], "high": [0.6, 1.4]}
    require(results, SCORE | between, *bounds)
    with pytest.raises(ModelError, match="output 'high' is a chance and lies outside 0 to 1"):
        require(results, CHANCE | between, *bounds)


def test_patients_beside_each_other_are_no_curve() -> None:
    """Survival at one time, many patients: the second may well live longer than the first."""
    require({"p": [0.2, 0.9]}, {"name": "p", "kind": "survival", "horizon": "1y"})


def test_single_precision_is_not_taken_for_double() -> None:
    content = tiny_models.manifest("probe")
    with pytest.raises(ModelError, match="output 'risk' is float32"):
        sanity.require(tiny_models.parsed(content), {"risk": np.array([0.5], dtype=np.float32)}, 1)  # type: ignore[dict-item]
