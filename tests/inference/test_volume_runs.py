"""A stage's graphs run on windows that lie on the device once, and answer as if asked one by one."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from spox import Tensor, argument, build
from spox.opset.ai.onnx import v17 as op

from cds.errors import ModelError
from cds.inference.volumes.bundle import Stage
from cds.inference.volumes.network import Device, Network

PATCH = (4, 6, 8)
CPU = Device(provider="cpu")


def fold(folder: Path, number: int, kind: type = np.float32) -> dict[str, str]:
    """Class 1 is ``number`` times the voxel; two features, the mean and ``number``."""
    x = argument(Tensor(kind, ("n", 1, *PATCH)))
    one = op.cast(x, to=np.float32)
    times = op.mul(one, op.const(np.float32(number)))
    logits = op.concat([op.neg(times), times], axis=1)
    mean = op.reshape(op.reduce_mean(one, axes=[1, 2, 3, 4], keepdims=1), op.const(np.array([-1, 1])))
    features = op.concat([mean, op.add(op.mul(mean, op.const(np.float32(0))), op.const(np.float32(number)))], axis=1)
    content = build({"x": x}, {"logits": logits, "features": features}).SerializeToString(deterministic=True)
    path = folder / f"fold-{number}-{np.dtype(kind).name}.onnx"
    path.write_bytes(content)
    return {"file": path.name, "sha256": hashlib.sha256(content).hexdigest()}


def stage(*folds: dict[str, str]) -> Stage:
    normalise = {"clip": (-1, 1), "mean": 0, "deviation": 1}
    described: dict[str, Any] = {"name": "look", "folds": folds, "classes": ("none", "some"), "spacing": (1, 1, 1)}
    return Stage.model_validate({**described, "patch": PATCH, "normalise": normalise}, strict=False)


@pytest.fixture
def windows() -> NDArray[np.float32]:
    return np.random.default_rng(3).normal(size=(3, 1, *PATCH)).astype(np.float32)


def test_the_folds_logits_are_averaged_and_the_firsts_features_kept(
    tmp_path: Path, windows: NDArray[np.float32]
) -> None:
    logits, features = Network(stage(*(fold(tmp_path, n) for n in (1, 2, 6))), tmp_path, CPU)(windows)
    assert logits == pytest.approx(np.concatenate([-3 * windows, 3 * windows], axis=1), abs=1e-5)
    assert features is not None
    assert features == pytest.approx(np.stack([windows.mean(axis=(1, 2, 3, 4)), [1, 1, 1]], axis=1), abs=1e-6)


def test_the_folds_share_what_lies_on_the_device(
    tmp_path: Path, windows: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = []
    real = onnxruntime.OrtValue.ortvalue_from_numpy

    def place(array: NDArray[Any], *where: Any) -> Any:
        placed.append((array.shape, *where))
        return real(array, *where)

    network = Network(stage(*(fold(tmp_path, n) for n in (1, 2, 6))), tmp_path, CPU)
    monkeypatch.setattr(onnxruntime.OrtValue, "ortvalue_from_numpy", place)
    network(windows)
    assert placed == [(windows.shape, "cpu", 0)]


def test_a_flipped_view_is_read_as_it_lies(tmp_path: Path, windows: NDArray[np.float32]) -> None:
    """An OrtValue knows no strides."""
    network = Network(stage(fold(tmp_path, 1)), tmp_path, CPU)
    flipped = np.flip(windows, 4)
    assert network(flipped)[0] == pytest.approx(np.concatenate([-flipped, flipped], axis=1), abs=1e-6)


def test_a_graph_of_16_bits_is_given_16_bits(tmp_path: Path, windows: NDArray[np.float32]) -> None:
    half = fold(tmp_path, 1, np.float16)
    logits, _ = Network(stage(half), tmp_path, CPU)(windows)
    assert logits.dtype == np.float32
    assert logits == pytest.approx(np.concatenate([-windows, windows], axis=1), abs=2e-3)


def test_windows_of_another_size_are_a_failure_with_a_name(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the graph failed"):
        Network(stage(fold(tmp_path, 1)), tmp_path, CPU)(np.zeros((1, 1, 4, 6, 9), np.float32))
