"""An answer without one of its inputs: the mean over what it may have been, and an interval that admits not knowing."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spox.opset.ai.onnx.v17 as op
import tiny_models
from numpy.typing import NDArray
from tiny_models import column, number

from cds.inference import marginal
from cds.inference.manifest import Output
from cds.inference.prediction import Prediction
from cds.inference.registry import load
from cds.record.features import Feature
from cds.record.inputs import Input

Z = 1.959963984540054
DRAWS = 400_000

CHANCE = Output(name="p", kind="probability", horizon="2y", lower="low", upper="high", interval=0.95)
CURVE = Output(name="p", kind="survival", times=(0.0, 6.0, 12.0), lower="low", upper="high", interval=0.95)
BOUNDS = (Output(name="low", kind="bound"), Output(name="high", kind="bound"))


def logit(p: Any) -> Any:
    return np.log(np.asarray(p) / (1 - np.asarray(p)))


def expit(g: Any) -> Any:
    return 1 / (1 + np.exp(-np.asarray(g)))


def log_minus_log(s: Any) -> Any:
    return np.log(-np.log(np.asarray(s)))


def spread_by_simulation(points: NDArray[np.float64], within: NDArray[np.float64], weights: list[float]) -> float:
    """Standard deviation of: draw which value the missing input had, then draw the estimate's own error."""
    random = np.random.default_rng(20261123)
    which = random.choice(len(weights), size=DRAWS, p=weights)
    return float(np.std(points[which] + within[which] * random.standard_normal(DRAWS)))


WEIGHTS = [0.2, 0.5, 0.3]


def integrate(outputs: tuple[Output, ...], results: dict[str, Any], weights: list[float]) -> dict[str, Any]:
    """Of one mix."""
    found = marginal.averaging(outputs)(results, np.array([weights]))
    return {name: values[0] for name, values in found.items()}


def test_a_chances_interval_is_the_law_of_total_variance() -> None:
    points, within = np.array([-2.0, -0.5, 1.0]), np.array([0.3, 0.5, 0.2])
    results = {"p": expit(points), "low": expit(points - Z * within), "high": expit(points + Z * within)}
    found = integrate((CHANCE, *BOUNDS), results, WEIGHTS)
    mean = float(np.dot(WEIGHTS, expit(points)))
    spread = spread_by_simulation(points, within, WEIGHTS)
    assert found["p"] == pytest.approx(mean)
    assert found["low"] == pytest.approx(expit(logit(mean) - Z * spread), rel=0.01)
    assert found["high"] == pytest.approx(expit(logit(mean) + Z * spread), rel=0.01)


def test_a_survival_curves_interval_is_it_at_every_time() -> None:
    score, hazard, within = np.array([-0.8, 0.0, 0.9]), np.array([0.0, 0.4, 1.0]), np.array([0.15, 0.25, 0.35])

    def survival(g: Any) -> Any:
        return np.exp(-np.exp(np.asarray(g)[:, None]) * hazard)

    results = {"p": survival(score), "low": survival(score + Z * within), "high": survival(score - Z * within)}
    found = integrate((CURVE, *BOUNDS), results, WEIGHTS)
    spread = spread_by_simulation(score, within, WEIGHTS)
    mean = np.asarray(WEIGHTS) @ survival(score)
    assert found["p"] == pytest.approx(mean)
    centre = log_minus_log(mean[1:])
    assert found["low"][1:] == pytest.approx(np.exp(-np.exp(centre + Z * spread)), rel=0.01)
    assert found["high"][1:] == pytest.approx(np.exp(-np.exp(centre - Z * spread)), rel=0.01)
    for name in ("p", "low", "high"):
        assert found[name][0] == 1.0, "everybody is alive at the start"
        assert (np.diff(found[name]) <= 0).all()
    assert (found["low"] <= found["p"]).all()
    assert (found["p"] <= found["high"]).all()


def test_not_knowing_never_makes_the_interval_narrower() -> None:
    """Than the narrowest it could be if the input were known, and no wider when the input does not matter."""
    points, within = np.array([-1.0, -1.0, -1.0]), np.array([0.4, 0.4, 0.4])
    results = {"p": expit(points), "low": expit(points - Z * within), "high": expit(points + Z * within)}
    same = integrate((CHANCE, *BOUNDS), results, WEIGHTS)
    assert (same["low"], same["high"]) == pytest.approx((results["low"][0], results["high"][0]))
    apart = dict(results, p=expit(points + np.array([0.5, 0.0, -0.5])))
    wider = integrate((CHANCE, *BOUNDS), apart, WEIGHTS)
    assert wider["high"] - wider["low"] > same["high"] - same["low"]


def test_chances_of_nearly_0_and_1_stay_chances() -> None:
    points = np.array([0.0, 1e-15, 1.0])
    found = integrate((CHANCE, *BOUNDS), {"p": points, "low": points, "high": points}, WEIGHTS)
    for value in found.values():
        assert 0 <= value <= 1


def test_a_mean_of_categories_is_none_and_is_left_out() -> None:
    band = Output(name="band", kind="category", categories={"0": "low", "1": "high"})
    found = integrate((band,), {"band": np.array([0.0, 1.0])}, [0.5, 0.5])
    assert found == {}


def absent(name: str, vary: tuple[float, ...], weights: tuple[float, ...] = (), state: str = "missing") -> Feature:
    spec = {
        "name": name,
        "label": {},
        "concepts": ["test-marker"],
        "reduce": "latest",
        "absent": {"does": "assume", "value": vary[0], "vary": vary, "weights": weights},
    }
    found = state == "found"
    return Feature(Input.model_validate(spec), vary[0] if found else None, state)


def test_several_missing_inputs_are_taken_as_independent() -> None:
    features = [
        absent("a", (0, 1), (0.25, 0.75)),
        absent("known", (5, 6), (0.5, 0.5), "found"),
        absent("b", (2, 3, 4), (0.2, 0.3, 0.5)),
        absent("unweighted", (8, 9)),
    ]
    mixed = marginal.mixture(features, [0.0, 5.0, 2.0, 8.0])
    assert mixed is not None
    expected = {(a, 5.0, b, 8.0) for a, b in itertools.product((0.0, 1.0), (2.0, 3.0, 4.0))}
    assert {tuple(row) for row in mixed.rows.tolist()} == expected
    assert mixed.weights.sum(axis=1) == pytest.approx(1)
    share = {tuple(row): w for row, w in zip(mixed.rows.tolist(), mixed.weights[0].tolist(), strict=True)}
    assert share[1.0, 5.0, 4.0, 8.0] == pytest.approx(0.75 * 0.5)
    assert mixed.known == ((0, 0.0), (0, 1.0), (2, 2.0), (2, 3.0), (2, 4.0))
    known = dict(zip([tuple(row) for row in mixed.rows.tolist()], mixed.weights[1 + 4].tolist(), strict=True))
    assert known[1.0, 5.0, 4.0, 8.0] == pytest.approx(0.75), "b known to be 4, a is still as it is in the cohort"
    assert known[1.0, 5.0, 3.0, 8.0] == 0


def test_a_value_that_nobody_of_the_cohort_had_can_still_be_asked_about() -> None:
    mixed = marginal.mixture([absent("a", (0, 1), (1.0, 0.0))], [0.0])
    assert mixed is not None
    assert mixed.weights.tolist() == [[1, 0], [1, 0], [0, 1]]


def test_without_shares_there_is_nothing_to_integrate() -> None:
    assert marginal.mixture([absent("a", (0, 1))], [0.0]) is None
    assert marginal.mixture([absent("a", (0, 1), (0.5, 0.5), "found")], [0.0]) is None


def test_combinations_have_an_end_and_the_last_declared_give_way() -> None:
    features = [absent(f"i{n}", (0, 1), (0.5, 0.5)) for n in range(10)]
    mixed = marginal.mixture(features, [0.0] * 10)
    assert mixed is not None
    assert len(mixed.rows) <= marginal.MOST_COMBINATIONS
    moving = [position for position in range(10) if len(set(mixed.rows[:, position].tolist())) > 1]
    assert moving == list(range(6))
    assert mixed.weights.sum(axis=1) == pytest.approx(1)


# ---- the whole way: record, graph, answer


@pytest.fixture(scope="module")
def legion(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A risk with an interval; its marker may be missing: 30 in half of the cohort, 50 and 90 in a quarter each."""
    content = tiny_models.manifest("mixed")
    content["inputs"][1]["absent"] = {
        "does": "assume", "value": 30, "vary": [30, 50, 90], "weights": [0.5, 0.25, 0.25],
    }  # fmt: skip
    content["outputs"] = [
        {"name": "risk", "kind": "probability", "horizon": "2y", "lower": "low", "upper": "high", "interval": 0.95},
        {"name": "low", "kind": "bound"},
        {"name": "high", "kind": "bound"},
    ]

    def outputs(x: Any) -> dict[str, Any]:
        g = op.div(op.sub(column(x, 1), number(50.0)), number(20.0))
        return {
            "risk": op.sigmoid(g),
            "low": op.sigmoid(op.sub(g, number(Z * 0.4))),
            "high": op.sigmoid(op.add(g, number(Z * 0.4))),
        }

    folder: Path = tmp_path_factory.mktemp("mixed")
    tiny_models.write(folder, content, tiny_models.graph(outputs))
    return load([folder])


def test_a_patient_without_the_marker_gets_the_mean_a_wider_interval_and_every_what_if(legion: Any) -> None:
    known = legion["mixed"].assess(tiny_models.patient(30))
    unknown = legion["mixed"].assess(tiny_models.patient(None))
    assert isinstance(known, Prediction)
    assert isinstance(unknown, Prediction)
    points = np.array([-1.0, 0.0, 2.0])
    mean = 0.5 * expit(-1) + 0.25 * expit(0) + 0.25 * expit(2)
    assert unknown.number("risk") == pytest.approx(mean)
    spread = spread_by_simulation(points, np.array([0.4, 0.4, 0.4]), [0.5, 0.25, 0.25])
    assert unknown.number("low") == pytest.approx(expit(logit(mean) - Z * spread), rel=0.01)
    assert unknown.number("high") == pytest.approx(expit(logit(mean) + Z * spread), rel=0.01)
    assert unknown.number("high") - unknown.number("low") > known.number("high") - known.number("low")
    assert {w.value: w.outputs["risk"] for w in unknown.what_if} == {
        30: pytest.approx(known.number("risk")),
        50: pytest.approx(0.5),
        90: pytest.approx(expit(2)),
    }
    assert known.what_if == ()


def test_a_value_that_can_not_be_used_is_integrated_over_like_one_that_is_missing(legion: Any) -> None:
    missing = legion["mixed"].assess(tiny_models.patient(None))
    beyond = legion["mixed"].assess(tiny_models.patient(5000))
    assert beyond.number("risk") == missing.number("risk")
    assert beyond.feature("marker").state == "out-of-range"
