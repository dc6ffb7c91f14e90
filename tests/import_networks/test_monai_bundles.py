"""A MONAI bundle with random weights: its own transforms, windows and way back against the imported folder."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from framework import Watched, scan
from monai_bundle import UNET, configuration, write

from cds.cli.main import main
from cds.errors import ManifestError
from cds.inference.registry import read
from cds.inference.volumes.analyse import Analysis
from cds.inference.volumes.network import Device
from cds.networks import monai
from cds.networks import recipe as recipes
from cds.networks.folder import make

SPACING = (3.0, 1.6, 1.4)
NETWORKS: dict[str, dict[str, Any]] = {
    "UNet": UNET,
    "SegResNet": {
        "spatial_dims": 3,
        "in_channels": 1,
        "out_channels": 3,
        "init_filters": 8,
        "blocks_down": [1, 2],
        "blocks_up": [1],
    },
    "DynUNet": {
        "spatial_dims": 3,
        "in_channels": 1,
        "out_channels": 3,
        "kernel_size": [3, 3, 3],
        "strides": [1, 2, 2],
        "upsample_kernel_size": [2, 2],
        "filters": [4, 8, 8],
    },
}


def bundle(folder: Path, network: str = "UNet", mode: str = "constant") -> Path:
    write(folder, configuration(network, NETWORKS[network], mode))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from monai.networks import nets

        torch.manual_seed(3)
        torch.save(getattr(nets, network)(**NETWORKS[network]).state_dict(), folder / "models" / "model.pt")
    return folder


def by_monai(folder: Path, hu: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(networks' input, probabilities on the scan's own grid), both [.., z, y, x] of this service."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from monai.data import MetaTensor
        from monai.inferers import SlidingWindowInferer
        from monai.networks import nets
        from monai.transforms import Orientation, ScaleIntensityRange, Spacing

        config = json.loads((folder / "configs" / "inference.json").read_text())
        definition = dict(config["network_def"])
        network = getattr(nets, definition.pop("_target_"))(**definition).eval()
        network.load_state_dict(torch.load(folder / "models" / "model.pt", weights_only=True))
        # RAS in millimetres from x to the left, y to the back, z to the head
        affine = torch.diag(torch.tensor([-SPACING[2], -SPACING[1], SPACING[0], 1.0], dtype=torch.float64))
        image = MetaTensor(torch.from_numpy(hu.astype(np.float32).transpose(2, 1, 0)[None].copy()), affine=affine)
        orientation, spacing = Orientation("RAS"), Spacing([2.0, 2.2, 2.5], mode="bilinear")
        spaced = spacing(orientation(image))
        seen = ScaleIntensityRange(-57, 164, 0.0, 1.0, clip=True)(spaced)
        inferer = {k: v for k, v in config["inferer"].items() if k != "_target_"}
        with torch.inference_mode():
            chances = torch.softmax(SlidingWindowInferer(**inferer)(seen.as_tensor()[None], network)[0], dim=0)
        back = MetaTensor(chances, affine=spaced.affine, applied_operations=spaced.applied_operations)
        found = orientation.inverse(spacing.inverse(back))
    # the network's input lies as the imported analysis turns it
    return seen.numpy()[0].transpose(2, 1, 0), found.numpy().transpose(0, 3, 2, 1)


@pytest.mark.parametrize(
    ("network", "mode"),
    [("UNet", "constant"), ("UNet", "gaussian"), ("SegResNet", "constant"), ("DynUNet", "gaussian")],
)
def test_input_and_probabilities_are_monais(network: str, mode: str, tmp_path: Path, record_property: Any) -> None:
    folder = bundle(tmp_path / "bundle", network, mode)
    hu = scan((24, 60, 70), seed=4)
    words = ["--title", "Small", "--licence", "Apache-2.0", "--notice", "None.", "--lesion", "tumor"]
    told = CliRunner().invoke(
        main, ["models", "import", "monai", str(folder), "--id", "small", "--in", str(tmp_path), *words]
    )
    assert told.exit_code == 0, told.output
    model = read(tmp_path / "small")
    assert model.manifest.runtime.volume is not None
    analysis = Analysis(model.manifest.runtime.volume, tmp_path / "small", Device(provider="cpu"))
    seen = Watched(analysis)
    analysis(hu, SPACING)
    volume, chances = by_monai(folder, hu)
    for name, found, expected, most in (
        ("input", seen.inputs["detect"], volume, 2e-3),
        ("probabilities", seen.chances["detect"], chances, 2e-3),
    ):
        difference = float(np.abs(found - expected).max())
        record_property(f"MONAI {network}, {mode}: {name}", difference)
        assert found.shape == expected.shape
        assert difference < most, name


def test_torchscript_is_refused_since_it_is_a_program(tmp_path: Path) -> None:
    folder = bundle(tmp_path / "bundle")
    shutil.move(folder / "models" / "model.pt", folder / "models" / "old.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(torch.nn.Conv3d(1, 2, 1)).save(str(folder / "models" / "model.pt"))
    (_, opened), *_ = monai.source(folder).folds
    with pytest.raises(ManifestError, match="is refused"):
        opened()


def test_a_refused_manifest_is_kept_for_a_person_and_the_next_try_succeeds(tmp_path: Path) -> None:
    source, models = monai.source(bundle(tmp_path / "bundle")), tmp_path / "models"
    recipe = recipes.plain("Small", "MIT", "None.", "tumor", ())
    recipe.manifest["task"] = "no such task"
    with pytest.raises(ManifestError) as raised:
        make(models / "small", recipe, [source], "MONAI", "a test")
    assert str(models / "small.refused.yaml") in str(raised.value)
    assert [p.name for p in models.iterdir()] == ["small.refused.yaml"]
    recipe.manifest["task"] = "finding"
    assert make(models / "small", recipe, [source], "MONAI", "a test").folder == models / "small"
    assert {p.name for p in (models / "small").iterdir()} == {
        "model.yaml",
        "card.md",
        "golden.json",
        "detect-model.onnx",
    }
