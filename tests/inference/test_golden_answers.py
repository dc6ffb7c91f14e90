"""The self-test of an imported network: the known answers of its framework, and what no longer gives them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from cds.errors import ModelError
from cds.inference.volumes import golden
from cds.inference.volumes.bundle import Bundle, Stage

STAGE = {
    "name": "detect",
    "classes": ["background", "lesion"],
    "spacing": [3.0, 2.0, 2.0],
    "patch": [8, 12, 12],
    "normalise": {"clip": [-100, 200], "mean": 50, "deviation": 100},
}


def graph(path: Path, weight: float) -> dict[str, str]:
    """Logits -x and weight * x."""
    values = helper.make_tensor("w", TensorProto.FLOAT, [2, 1, 1, 1, 1], [-1.0, weight])
    taken = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 8, 12, 12])
    given = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2, 8, 12, 12])
    node = helper.make_node("Conv", ["x", "w"], ["logits"], kernel_shape=[1, 1, 1])
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(helper.make_graph([node], "g", [taken], [given], [values]), opset_imports=opset)
    model.ir_version = 8
    onnx.save(model, path)
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def bundle(folder: Path, weight: float, known: float = 2.0) -> Bundle:
    """A network of ``weight``, with the answers of one of weight ``known``."""
    stage = Stage.model_validate(STAGE | {"folds": [graph(folder / "detect.onnx", weight)]})
    x = golden.window(stage, 5)
    logits = np.concatenate([-x[0], known * x[0]])
    content = golden.written({"detect": golden.answers_at(stage, logits, 5)}, 5, "torch")
    (folder / "golden.json").write_bytes(content)
    return Bundle.model_validate(
        {
            "stages": [stage],
            "likelihood": {"of": "lesion"},
            "operating_points": [{"category": "unrated", "at_least": 0}],
            "golden": {"file": "golden.json", "sha256": hashlib.sha256(content).hexdigest()},
        }
    )


def test_the_network_that_was_imported_answers_as_known(tmp_path: Path) -> None:
    assert list(golden.misses(bundle(tmp_path, 2.0), tmp_path)) == []


def test_another_answer_is_named_with_stage_and_size(tmp_path: Path) -> None:
    (found,) = golden.misses(bundle(tmp_path, 2.1), tmp_path)
    assert "stage 'detect' does not answer as torch did" in found
    assert "CPUExecutionProvider" in found


def test_answers_are_pinned_like_graphs(tmp_path: Path) -> None:
    made = bundle(tmp_path, 2.0)
    (tmp_path / "golden.json").write_text("{}")
    with pytest.raises(ModelError, match="not the file its manifest pins"):
        list(golden.misses(made, tmp_path))


def test_a_bundle_without_known_answers_has_no_self_test(tmp_path: Path) -> None:
    assert list(golden.misses(bundle(tmp_path, 2.0).model_copy(update={"golden": None}), tmp_path)) == []


def test_the_made_up_volume_is_the_same_everywhere() -> None:
    stage = Stage.model_validate(STAGE | {"folds": [{"file": "f", "sha256": "0" * 64}]})
    made = golden.volume(stage, 1)
    assert made.shape == (8, 12, 12)
    assert made.min() < -900
    assert made.max() > 50
    assert np.array_equal(made, golden.volume(stage, 1))
    assert float(made.sum()) == -677442
