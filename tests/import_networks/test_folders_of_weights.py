"""Folders of weights as they are published: both forms of plans, what is unsafe, damaged or not understood."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import COARSE_LABELS, NEW, OLD, PUBLISHED, REAL, Trained, plans_of

from cds.errors import ManifestError
from cds.networks import checkpoints, graph, nnunet, plans

HU = (-152.0, 253.0, 42.8, 93.9)
UNETS = "dynamic_network_architectures.architectures.unet"


def small(network: dict[str, Any]) -> dict[str, Any]:
    return plans_of(network, [9.0, 4.5, 4.5], [8, 16, 16], HU)


def test_old_and_new_plans_are_the_same_network(trained: Trained, tmp_path: Path) -> None:
    old = trained(tmp_path / "old", small(OLD), COARSE_LABELS)
    new = trained(tmp_path / "new", small(NEW), COARSE_LABELS)
    assert plans.read(old).arguments == plans.read(new).arguments
    assert checkpoints.load(checkpoints.find(old, None, None), new / "fold_0" / "checkpoint_final.pth").mirror == (
        0,
        1,
        2,
    )


def test_a_residual_encoder_is_exported_like_its_original(trained: Trained, tmp_path: Path) -> None:
    residual = json.loads(json.dumps(NEW))
    residual["architecture"]["network_class_name"] = f"{UNETS}.ResidualEncoderUNet"
    arguments = residual["architecture"]["arch_kwargs"]
    arguments["n_blocks_per_stage"] = arguments.pop("n_conv_per_stage")
    folder = trained(tmp_path / "residual", small(residual), COARSE_LABELS)
    source = nnunet.source(folder)
    made = graph.export(source.folds[0][1](), source.patch, tmp_path / "graph.onnx")
    assert made.difference < 1e-3
    assert made.agreement > 0.999


def test_every_fold_is_found_and_the_last_checkpoint_preferred(trained: Trained, tmp_path: Path) -> None:
    folder = trained(tmp_path / "three", small(OLD), COARSE_LABELS, folds=3)
    found = checkpoints.find(folder, None, None)
    assert [p.parent.name for p in found.folds] == ["fold_0", "fold_1", "fold_2"]
    assert {p.name for p in found.folds} == {"checkpoint_final.pth"}
    assert [p.parent.name for p in checkpoints.find(tmp_path, None, None, ["1"]).folds] == ["fold_1"]
    (folder / "fold_2" / "checkpoint_final.pth").rename(folder / "fold_2" / "checkpoint_best.pth")
    with pytest.raises(ManifestError, match=r"lacks fold_2/checkpoint_final.pth; its folds hold checkpoint_best.pth"):
        checkpoints.find(folder, None, None)


class Harmful:
    """What an evil checkpoint holds: unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return (os.mkdir, (str(self.path),))


def test_code_in_a_checkpoint_is_refused_and_not_run(trained: Trained, tmp_path: Path) -> None:
    folder = trained(tmp_path / "evil", small(OLD), COARSE_LABELS)
    torch.save({"network_weights": {}, "more": Harmful(tmp_path / "ran")}, folder / "fold_0" / "checkpoint_final.pth")
    with pytest.raises(ManifestError, match=r"more than weights and numbers is in it.*mkdir"):
        nnunet.source(folder)
    assert not (tmp_path / "ran").exists()


def test_weights_of_another_network_are_named(trained: Trained, tmp_path: Path) -> None:
    folder = trained(tmp_path / "other", small(OLD), COARSE_LABELS)
    wider = json.loads((folder / "plans.json").read_text())
    wider["configurations"]["3d_fullres"]["UNet_base_num_features"] = 8
    (folder / "plans.json").write_text(json.dumps(wider))
    with pytest.raises(ManifestError, match="does not fit the network of its plans"):
        nnunet.source(folder)


def test_a_damaged_checkpoint_is_named(trained: Trained, tmp_path: Path) -> None:
    folder = trained(tmp_path / "short", small(OLD), COARSE_LABELS)
    path = folder / "fold_0" / "checkpoint_final.pth"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ManifestError, match="or it is damaged"):
        nnunet.source(folder)


NEEDS_REAL = pytest.mark.skipif(
    not REAL, reason="CDS_PANORAMA_PLANS names no folder with the published baseline's plans"
)


@NEEDS_REAL
@pytest.mark.parametrize("stage", ["coarse", "fine"])
def test_what_the_tests_take_for_the_published_plans_is_what_they_say(stage: str) -> None:
    real = json.loads((Path(REAL) / f"{stage}_plans.json").read_text())
    ours, theirs = (p["configurations"]["3d_fullres"] for p in (PUBLISHED[stage], real))
    told_otherwise = {"batch_size", "median_image_size_in_voxels"}  # no tensor depends on them
    assert {k: v for k, v in ours.items() if k not in told_otherwise} == {
        k: v for k, v in theirs.items() if k not in told_otherwise
    }
    for name in ("transpose_forward", "transpose_backward"):
        assert PUBLISHED[stage][name] == real[name]
    ours, theirs = (p["foreground_intensity_properties_per_channel"]["0"] for p in (PUBLISHED[stage], real))
    for name in ("percentile_00_5", "percentile_99_5", "mean", "std"):
        assert ours[name] == theirs[name]


@NEEDS_REAL
@pytest.mark.parametrize(("stage", "classes", "most"), [("coarse", 2, 1e-3), ("fine", 7, 1e-3)])
def test_the_published_baselines_own_plans(
    stage: str, classes: int, most: float, tmp_path: Path, record_property: Any
) -> None:
    for name in ("plans", "dataset"):
        (tmp_path / f"{name}.json").write_bytes((Path(REAL) / f"{stage}_{name}.json").read_bytes())
    plan = plans.read(tmp_path, "3d_fullres")
    assert len(plan.classes) == classes
    network = checkpoints.build(plan).eval()
    # the smallest window its strides allow: the whole one takes minutes on a processor
    window = {"coarse": (16, 32, 32), "fine": (16, 64, 64)}[stage]
    made = graph.export(network, window, tmp_path / "graph.onnx")
    record_property(f"published plans, {stage}: largest difference of logits", made.difference)
    record_property(
        f"published plans, {stage}: millions of weights", sum(p.numel() for p in network.parameters()) / 1e6
    )
    assert made.difference < most
