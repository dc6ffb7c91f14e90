"""The two-stage baseline with random weights: every step's tensor is the original framework's, and so is the end.

Twice: with small networks, and with the published baseline's own grids, depths, strides and normalisation.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from click.testing import CliRunner
from conftest import COARSE_LABELS, FINE_LABELS, NEW, OLD, Trained, plans_of, published
from framework import Watched, logits_as_shipped, logits_in_full, predictor, preprocessed, probabilities, scan
from report_guided_annotation import extract_lesion_candidates
from scipy import ndimage

from cds.cli.main import main
from cds.inference.registry import read
from cds.inference.volumes.analyse import Analysis, Assessed, Indeterminate
from cds.inference.volumes.bundle import Bundle
from cds.inference.volumes.network import Device

SPACING = (3.0, 1.6, 1.6)
PACKAGED = Path(__file__).parents[2] / "models"
BEST = "checkpoint_best_panorama.pth"


class Run:
    """One scan through the imported folder."""

    def __init__(self, folder: Path, hu: np.ndarray) -> None:
        model = read(folder)
        assert model.manifest.runtime.volume is not None
        self.bundle: Bundle = model.manifest.runtime.volume
        self.analysis = Analysis(self.bundle, folder, Device(provider="cpu"))
        self.seen = Watched(self.analysis)
        self.found = self.analysis(hu, SPACING)


@dataclass(frozen=True)
class Plans:
    coarse: dict[str, Any]
    fine: dict[str, Any]
    scan: tuple[int, int, int]
    folds: int
    coarse_apart: tuple[float, float] = (1e-3, 1e-4)
    """Most that logits and probabilities of the first network may differ by."""


@pytest.fixture(scope="module", params=["small", "published"])
def plans(request: pytest.FixtureRequest) -> Plans:
    if request.param == "published":
        # half as many millimetres a voxel make eight times the voxels: a smaller scan, and one fold. Its window of
        # 442,000 voxels is mostly filled up: ONNX Runtime takes a norm's mean of them in 32 bits, torch in 64
        return Plans(published("coarse"), published("fine"), (12, 40, 48), 1, coarse_apart=(0.1, 1e-2))
    coarse = plans_of(OLD, [9.0, 4.5, 4.5], [16, 24, 24], (-152.0, 253.0, 42.8, 93.9))
    fine = plans_of(NEW, [3.5, 2.0, 2.0], [16, 32, 40], (-55.0, 430.0, 109.6, 77.4))
    return Plans(coarse, fine, (30, 80, 90), 2)


@pytest.fixture(scope="module")
def weights(plans: Plans, trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder, how = tmp_path_factory.mktemp("weights"), {"folds": plans.folds}
    return (
        trained(folder / "nnUNetTrainer__nnUNetPlans__3d_fullres", plans.coarse, COARSE_LABELS, seed=1, **how),
        trained(folder / "fine", plans.fine, FINE_LABELS, checkpoint=BEST, seed=2, **how),
    )


@pytest.fixture(scope="module")
def model(weights: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = tmp_path_factory.mktemp("models")
    shutil.copy(PACKAGED / "attributes.yaml", models)
    told = CliRunner().invoke(main, [*command(models), "--coarse", str(weights[0]), "--fine", str(weights[1])])
    assert told.exit_code == 0, told.output
    assert "Licence of the weights: CC BY-NC 4.0" in told.output
    assert "licence_acknowledged: 'CC BY-NC 4.0" in told.output
    return models / "two-stage"


def command(models: Path) -> list[str]:
    return ["models", "import", "nnunet", "--id", "two-stage", "--in", str(models), "--recipe", "panorama-baseline"]


@pytest.fixture(scope="module")
def hu(plans: Plans) -> np.ndarray:
    return scan(plans.scan)


@pytest.fixture(scope="module")
def run(model: Path, hu: np.ndarray) -> Run:
    return Run(model, hu)


def by_container(hu: np.ndarray) -> sitk.Image:
    """The container's first step: B-splines to 4.5 x 4.5 x 9 mm from the first voxel's centre."""
    image = sitk.GetImageFromArray(hu.astype(np.float32))
    image.SetSpacing(SPACING[::-1])
    wanted = (4.5, 4.5, 9.0)
    size = [int(np.round(n * (s / w))) for n, s, w in zip(image.GetSize(), image.GetSpacing(), wanted, strict=True)]
    return sitk.Resample(
        image, size, sitk.Transform(), sitk.sitkBSpline, image.GetOrigin(), wanted, image.GetDirection(), 8.0
    )


def near(name: str, found: np.ndarray, expected: np.ndarray, most: float, record: Any) -> None:
    difference = float(np.abs(found - expected).max())
    record(name, difference)
    assert found.shape == expected.shape
    assert difference <= most, f"{name}: {difference}"


def as_shipped(stage: str, found: np.ndarray, shipped: np.ndarray, most: float, record: Any) -> None:
    """nnU-Net itself adds up in 16 bits, in which the weight of a window's corner is all but rounded away; so its own
    logits are coarse where a volume's corner is seen by corners only, and close everywhere else."""
    difference = np.abs(found - shipped)
    record(f"{stage}: logits, nnU-Net's in 16 bits, median", float(np.median(difference)))
    record(f"{stage}: logits, nnU-Net's in 16 bits, 90th percentile", float(np.quantile(difference, 0.9)))
    record(f"{stage}: same class as nnU-Net's in 16 bits", same := float((found.argmax(0) == shipped.argmax(0)).mean()))
    assert np.median(difference) < most
    assert same > 0.97


def test_the_first_stages_tensors_are_the_originals(
    run: Run, plans: Plans, weights: tuple[Path, Path], hu: np.ndarray, record_property: Any
) -> None:
    own = predictor(weights[0], "checkpoint_final.pth")
    coarse = sitk.GetArrayFromImage(by_container(hu))
    volume, properties = preprocessed(own, coarse, (9.0, 4.5, 4.5))
    near("locate: input", run.seen.inputs["locate"], volume, 1e-4, record_property)
    logits = logits_in_full(own, padded(volume, own))[(slice(None), *inside(volume, own))]
    near("locate: logits", run.seen.logits["locate"], logits, plans.coarse_apart[0], record_property)
    shipped = logits_as_shipped(own, volume)
    as_shipped("locate", run.seen.logits["locate"], shipped, max(2e-3, plans.coarse_apart[0]), record_property)
    _, chances = probabilities(own, logits, properties)
    near("locate: probabilities", run.seen.chances["locate"], chances, plans.coarse_apart[1], record_property)


def test_the_crop_is_the_containers(run: Run, hu: np.ndarray) -> None:
    label = sitk.GetImageFromArray(run.seen.chances["locate"].argmax(axis=0).astype(np.uint8))
    label.CopyInformation(by_container(hu))
    image = sitk.GetImageFromArray(hu.astype(np.float32))
    image.SetSpacing(SPACING[::-1])
    at = np.nonzero(sitk.GetArrayFromImage(label))
    cuts = []
    for axis, margin in zip((2, 1, 0), (100, 50, 15), strict=True):
        cuts.append((int(at[axis].min()), int(at[axis].max()), int(margin / SPACING[axis])))
    low = image.TransformPhysicalPointToIndex(label.TransformIndexToPhysicalPoint([c[0] for c in cuts]))
    high = image.TransformPhysicalPointToIndex(label.TransformIndexToPhysicalPoint([c[1] for c in cuts]))
    x, y, z = (
        slice(max(0, a - c[2]), min(n, b + c[2])) for a, b, c, n in zip(low, high, cuts, image.GetSize(), strict=True)
    )
    assert np.array_equal(run.seen.parts["detect"], hu[z, y, x])


def test_the_second_stages_tensors_are_the_originals(
    run: Run, weights: tuple[Path, Path], record_property: Any
) -> None:
    own = predictor(weights[1], BEST)
    volume, properties = preprocessed(own, run.seen.parts["detect"], SPACING)
    near("detect: input", run.seen.inputs["detect"], volume, 1e-4, record_property)
    logits = logits_in_full(own, padded(volume, own))[(slice(None), *inside(volume, own))]
    near("detect: logits", run.seen.logits["detect"], logits, 1e-3, record_property)
    shipped = logits_as_shipped(own, volume)
    as_shipped("detect", run.seen.logits["detect"], shipped, 2e-3, record_property)
    segmentation, chances = probabilities(own, logits, properties)
    near("detect: probabilities", run.seen.chances["detect"], chances, 1e-4, record_property)
    assert (run.seen.chances["detect"].argmax(axis=0) == segmentation).mean() > 0.9999


def test_map_and_likelihood_are_those_of_the_containers_own_library(run: Run, record_property: Any) -> None:
    found = run.found
    assert isinstance(found, Assessed)
    chances = run.seen.chances["detect"]
    mask = np.isin(chances.argmax(axis=0), [FINE_LABELS[n] for n in ("tumor", "pancreas", "pancreatic duct")])
    lesion = np.where(ndimage.binary_dilation(mask, np.ones((5, 5, 5))), chances[1], 0).astype(np.float32)
    drawn, _, _ = extract_lesion_candidates(lesion)
    many = run.bundle.likelihood.model_copy(update={"most": 100_000})
    from cds.inference.volumes.candidates import find

    own = np.zeros_like(drawn)
    for candidate in find(chances, found.classes, many, found.grid).candidates:
        own[candidate.mask] = candidate.likelihood
    near("detection map", own, drawn, 0.0, record_property)
    near("likelihood", np.float32(found.likelihood), np.float32(drawn.max()), 0.0, record_property)
    assert found.likelihood > 0


def test_no_organ_ends_in_not_found_where_the_container_stops_with_an_error(
    trained: Trained, weights: tuple[Path, Path], tmp_path: Path, hu: np.ndarray
) -> None:
    import torch

    blind = tmp_path / "blind"
    plans = json.loads((weights[0] / "plans.json").read_text())
    trained(blind, plans, COARSE_LABELS)
    path = blind / "fold_0" / "checkpoint_final.pth"
    content = torch.load(path, weights_only=False)
    for name, tensor in content["network_weights"].items():
        if "seg_layers" in name:
            tensor.zero_()
            if name.endswith("bias"):
                tensor[0] = 5.0  # background everywhere
    torch.save(content, path)
    told = CliRunner().invoke(main, [*command(tmp_path / "m"), "--coarse", str(blind), "--fine", str(weights[1])])
    assert told.exit_code == 0, told.output
    found = Run(tmp_path / "m" / "two-stage", hu).found
    assert isinstance(found, Indeterminate)
    assert (found.reason, found.stage) == ("not-found", "locate")


def test_models_check_repeats_the_known_answers(model: Path) -> None:
    told = CliRunner().invoke(main, ["models", "check", str(model)])
    assert told.exit_code == 0, told.output
    assert "two-stage 1.0.0: good" in told.output


def test_a_graph_that_answers_otherwise_is_found(model: Path, tmp_path: Path) -> None:
    shutil.copy(PACKAGED / "attributes.yaml", tmp_path)
    copy = tmp_path / "two-stage"
    shutil.copytree(model, copy)
    text = (copy / "model.yaml").read_text(encoding="utf-8")
    # the same network, told to normalise by another mean
    (copy / "model.yaml").write_text(text.replace("mean: 109.6", "mean: 90.0"), encoding="utf-8")
    told = CliRunner().invoke(main, ["models", "check", str(copy)])
    assert told.exit_code == 1
    assert "self-test: stage 'detect' does not answer as nnU-Net in torch did" in told.output


def padded(volume: np.ndarray, own: Any) -> np.ndarray:
    lacks = [max(0, p - n) for p, n in zip(own.configuration_manager.patch_size, volume.shape, strict=True)]
    return np.pad(volume, [(k // 2, k - k // 2) for k in lacks])


def inside(volume: np.ndarray, own: Any) -> tuple[slice, ...]:
    lacks = [max(0, p - n) for p, n in zip(own.configuration_manager.patch_size, volume.shape, strict=True)]
    return tuple(slice(k // 2, k // 2 + n) for k, n in zip(lacks, volume.shape, strict=True))
