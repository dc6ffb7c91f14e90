"""Why an answer: shares that add up, the same for the same patient, and against an ordinary patient."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from spox import Var

import spox.opset.ai.onnx.v17 as op  # isort: skip
from cds.inference import explain, registry
from cds.inference.model import Model
from models.pinning import inputs, serialise


def folder(where: Path, names: list[str], formula: Callable[[list[Var]], Var]) -> Model:
    """A model folder of plain numbers with ``formula`` as its graph, loaded as any other."""
    home = where / "toy"
    home.mkdir()
    x = inputs(len(names))
    columns = [op.gather(x, op.const(np.int64(i)), axis=1) for i in range(len(names))]
    content = serialise(x, {"y": formula(columns)})
    (home / "model.onnx").write_bytes(content)
    manifest = {
        "id": "toy",
        "version": "1.0.0",
        "released": "2026-01-01",
        "task": "risk",
        "status": "demonstration",
        "words": {"title": {"en": "Toy"}},
        "population": {"description": {"en": "Nobody"}},
        "inputs": [
            {
                "name": n,
                "label": {"en": n},
                "concepts": ["thing"],
                "reduce": "latest",
                "reference": 0,
                "absent": {"does": "assume", "value": 0, "vary": [0, 3]},
            }
            for n in names
        ],
        "outputs": [{"name": "y", "kind": "score"}],
        "runtime": {"kind": "onnx", "file": "model.onnx", "sha256": hashlib.sha256(content).hexdigest()},
        "concepts": {"thing": {"resource": "Observation", "label": {"en": "thing"}, "unit": "1"}},
        "sources": {"own": {"citation": "this test"}},
        "licence": {"name": "none", "notice": "none"},
    }
    (home / "model.yaml").write_text(yaml.safe_dump(manifest), encoding="utf-8")
    return registry.read(home)


def weighted(columns: list[Var]) -> Var:
    total = op.mul(columns[0], op.const(np.float64(1.0)))
    for weight, column in enumerate(columns[1:], start=2):
        total = op.add(total, op.mul(column, op.const(np.float64(weight))))
    return total


def test_a_linear_score_is_shared_out_by_its_weights(tmp_path: Path) -> None:
    model = folder(tmp_path, ["a", "b", "c"], weighted)
    found = explain.explain(model, model.answer({"a": 1, "b": -2, "c": 5}))
    assert found is not None
    assert found.method == "exact"
    shares = {s.feature.input.name: s.value for s in found.shares}
    assert shares == pytest.approx({"a": 1, "b": -4, "c": 15})
    assert [s.feature.input.name for s in found.shares] == ["c", "b", "a"]


def test_what_two_inputs_do_together_is_shared_equally(tmp_path: Path) -> None:
    model = folder(tmp_path, ["a", "b"], lambda c: op.mul(c[0], c[1]))
    found = explain.explain(model, model.answer({"a": 3, "b": 4}))
    assert found is not None
    assert {s.feature.input.name: s.value for s in found.shares} == pytest.approx({"a": 6, "b": 6})


@pytest.mark.parametrize("count", [4, 10, 14])
def test_shares_add_up_to_the_difference_from_the_ordinary_patient(tmp_path: Path, count: int) -> None:
    names = [f"i{n:02d}" for n in range(count)]
    model = folder(tmp_path, names, lambda c: op.sigmoid(op.add(weighted(c), op.mul(c[0], c[-1]))))
    rng = np.random.default_rng(7)
    values = dict(zip(names, rng.normal(0, 0.2, count).tolist(), strict=True))
    prediction = model.answer(values)
    found = explain.explain(model, prediction)
    assert found is not None
    assert found.compared == pytest.approx(0.5)
    assert found.method == ("exact" if count <= explain.EXACT_UP_TO else "sampled")
    assert sum(s.value for s in found.shares) == pytest.approx(prediction.number("y") - 0.5)


def test_sampled_shares_are_near_the_exact_ones_and_the_same_every_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"i{n}" for n in range(8)]
    model = folder(tmp_path, names, lambda c: op.sigmoid(op.add(weighted(c), op.mul(c[0], c[1]))))
    prediction = model.answer(dict.fromkeys(names, 0.1))
    exact = explain.explain(model, prediction)
    monkeypatch.setattr(explain, "EXACT_UP_TO", 2)
    once, twice = explain.explain(model, prediction), explain.explain(model, prediction)
    assert exact is not None
    assert once is not None
    assert once == twice
    near = {s.feature.input.name: s.value for s in exact.shares}
    assert {s.feature.input.name: s.value for s in once.shares} == pytest.approx(near, abs=0.003)


def test_an_input_at_the_ordinary_value_contributes_nothing(tmp_path: Path) -> None:
    model = folder(tmp_path, ["a", "b"], weighted)
    found = explain.explain(model, model.answer({"a": 2, "b": 0}))
    assert found is not None
    assert [s.feature.input.name for s in found.shares] == ["a"]


def test_missing_inputs_are_in_the_order_of_how_much_they_could_move_the_answer(tmp_path: Path) -> None:
    model = folder(tmp_path, ["a", "c", "b"], lambda x: weighted([x[0], x[2], x[1]]))
    from datetime import UTC, datetime

    from cds.inference.prediction import Prediction
    from cds.record.facts import Record

    prediction = model.assess(Record(now=datetime(2026, 1, 1, tzinfo=UTC), patient_id="1"))
    assert isinstance(prediction, Prediction)
    found = explain.spreads(prediction.what_if, "y", prediction.number("y"))
    assert {name: (low, high) for name, (_, low, high) in found.items()} == {"a": (0, 3), "b": (0, 6), "c": (0, 9)}
    assert list(found) == ["c", "b", "a"]


def test_a_model_that_gives_its_own_contributions_is_taken_at_its_word() -> None:
    model = registry.load([Path(__file__).parents[2] / "models"])["metastatic-os"]
    values = {i.name: 1.0 for i in model.manifest.inputs} | {"age": 70.0, "ecog": 2.0}
    prediction = model.answer(values)
    found = explain.explain(model, prediction)
    assert found is not None
    assert found.method == "model"
    assert sum(s.value for s in found.shares) == pytest.approx(prediction.number("lp"), abs=1e-6)


def test_rules_need_no_explanation_but_themselves() -> None:
    model = registry.load([Path(__file__).parents[2] / "models"])["nice-ng12"]
    prediction = model.answer({"age": 70, "jaundice": 1})
    assert explain.explain(model, prediction) is None
