"""A stage's graphs run on windows that lie on the device once, and answer as if asked one by one."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnxruntime.transformers.float16 import convert_float_to_float16
from spox import Tensor, argument, build
from spox.opset.ai.onnx import v17 as op

from cds.errors import ModelError
from cds.inference import registry
from cds.inference.volumes.analyse import Analysis, Assessed, Indeterminate
from cds.inference.volumes.bundle import Bundle, Stage
from cds.inference.volumes.extent import TRACE_MM2, cut_off
from cds.inference.volumes.golden import GPU_TOLERANCE
from cds.inference.volumes.grid import Grid
from cds.inference.volumes.network import Device, Network

PATCH = (4, 6, 8)
CPU = Device(provider="cpu")
SHIPPED = Path(__file__).parents[2] / "models" / "pancreas-ct-demo"


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


@pytest.mark.parametrize("number", [0, 1])
def test_a_network_cast_to_16_bits_says_nearly_the_same(tmp_path: Path, number: int) -> None:
    """As TensorRT may compute and a graph of 16 bits does: within what the self-test allows a GPU."""
    model = registry.load([SHIPPED.parent])[SHIPPED.name]
    assert model.manifest.runtime.volume is not None
    whole = model.manifest.runtime.volume.stages[number]
    content = convert_float_to_float16(onnx.load(str(SHIPPED / whole.folds[0].file))).SerializeToString()
    (tmp_path / "half.onnx").write_bytes(content)
    fold = {"file": "half.onnx", "sha256": hashlib.sha256(content).hexdigest()}
    half = whole.model_copy(update={"folds": (whole.folds[0].model_copy(update=fold),)})
    whole = whole.model_copy(update={"folds": whole.folds[:1]})
    windows = np.random.default_rng(5).normal(size=(1, 1, *whole.patch)).astype(np.float32)
    (there, seen), (here, own) = (Network(s, f, CPU)(windows) for s, f in ((half, tmp_path), (whole, SHIPPED)))
    assert 0 < np.abs(there - here).max() < GPU_TOLERANCE
    assert (there.argmax(axis=1) == here.argmax(axis=1)).mean() > 0.9999
    assert seen is not None and own is not None
    assert np.abs(seen - own).max() < GPU_TOLERANCE


def test_windows_of_another_size_are_a_failure_with_a_name(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the graph failed"):
        Network(stage(fold(tmp_path, 1)), tmp_path, CPU)(np.zeros((1, 1, 4, 6, 9), np.float32))


@pytest.mark.parametrize(
    ("first", "last", "ends", "cut"),
    [
        (0, 0, (True, True), False),
        (12, 12, (True, True), False),
        (13, 0, (True, True), True),
        (0, 13, (True, True), True),
        (13, 0, (False, True), False),
        (0, 13, (True, False), False),
        (13, 13, (False, False), False),
    ],
)
def test_a_scan_ends_inside_an_organ_of_which_more_than_a_trace_lies_in_its_first_or_last_slice(
    first: int, last: int, ends: tuple[bool, bool], cut: bool
) -> None:
    """Voxels of 4 mm2 in each end slice, not all of them together."""
    assert TRACE_MM2 == 50
    organ = np.zeros((6, 10, 10), bool)
    organ[2:4] = True
    for at, count in ((0, first), (-1, last)):
        organ[at].flat[: count * 2 : 2] = True
    assert cut_off(organ, Grid((6, 10, 10), (3.0, 2.0, 2.0)), ends) is cut


def shipped(**changed: Any) -> Analysis:
    """The demonstration network without its gates, as most imported ones are."""
    bundle = registry.read(SHIPPED).manifest.runtime.volume
    assert bundle is not None
    return Analysis(bundle.model_copy(update={"gates": (), **changed}), SHIPPED, CPU)


def told(found: Assessed | Indeterminate) -> tuple[str, str, bool]:
    if isinstance(found, Indeterminate):
        return found.reason, found.stage, False
    return "", found.category, found.cut_off


def test_a_scan_that_ends_inside_the_organ_is_never_of_the_lowest_category(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SHIPPED))
    import phantom

    clear, mass = phantom.make(4_000_007), phantom.make(4_000_006)
    analysis = shipped()
    assert told(analysis(clear.ct, clear.spacing)) == ("", "low", False)
    assert told(analysis(clear.ct[35:], clear.spacing)) == ("cut-off", "detect", False)
    assert told(analysis(mass.ct, mass.spacing)) == ("", "raised", False)
    assert told(analysis(mass.ct[29:], mass.spacing)) == ("", "raised", True), "what was found does not go"


def test_either_stage_may_see_that_the_organ_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SHIPPED))
    import phantom

    # the second network loses the gland in the last slices, or the first one gives another class
    made, analysis = phantom.make(4_000_023), shipped()
    part = made.ct[37:]
    assert told(analysis(part, made.spacing))[:2] == ("cut-off", "detect")
    first, last = analysis.bundle.stages
    first = first.model_copy(update={"classes": ("background", "trunk"), "keep": ("trunk",)})
    trunk = shipped(stages=(first, last))
    assert told(trunk(part, made.spacing)) == ("", "low", False)
    clear = phantom.make(4_000_007)
    assert told(trunk(clear.ct[35:], clear.spacing)) == ("cut-off", "detect", False)


def test_where_all_scans_are_of_one_category_its_score_stands_and_says_that_the_scan_ends_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(SHIPPED))
    import phantom

    point = {"category": "unrated", "at_least": 0}
    one = Bundle.model_validate(shipped().bundle.model_dump() | {"operating_points": [point]})
    clear, analysis = phantom.make(4_000_007), shipped(operating_points=one.operating_points)
    assert told(analysis(clear.ct, clear.spacing)) == ("", "unrated", False)
    assert told(analysis(clear.ct[35:], clear.spacing)) == ("", "unrated", True)


def test_where_no_class_is_said_to_be_the_organ_nothing_is_claimed_of_the_scans_ends() -> None:
    bundle = shipped().bundle
    silent = bundle.model_copy(
        update={
            "legend": bundle.legend.model_copy(update={"structures": {}}),
            "likelihood": bundle.likelihood.model_copy(update={"within": ()}),
        }
    )
    assert bundle.organ == ("duct", "lesion", "pancreas")
    assert silent.organ == ()
    by_legend = silent.model_copy(update={"legend": bundle.legend})
    assert by_legend.organ == ("lesion", "pancreas")
