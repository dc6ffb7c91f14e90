"""A MONAI bundle with random weights: its own transforms, windows and way back against the imported folder."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from framework import Watched, scan

from cds.cli.main import main
from cds.errors import ManifestError
from cds.inference.registry import read
from cds.inference.volumes.analyse import Analysis
from cds.inference.volumes.network import Device
from cds.networks import monai

SPACING = (3.0, 1.6, 1.4)
NETWORKS: dict[str, dict[str, Any]] = {
    "UNet": {
        "spatial_dims": 3,
        "in_channels": 1,
        "out_channels": 3,
        "channels": [4, 8, 16],
        "strides": [2, 2],
        "num_res_units": 2,
        "norm": "batch",
    },
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
Change = Callable[[dict[str, Any]], Any]


def bundle(folder: Path, network: str = "UNet", mode: str = "constant", change: Change = lambda c: None) -> Path:
    config: dict[str, Any] = {
        "imports": ["$import glob"],
        "network_def": {"_target_": network, **NETWORKS[network]},
        "network": "$@network_def.to(@device)",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "image"},
                {"_target_": "EnsureChannelFirstd", "keys": "image"},
                {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"},
                {"_target_": "Spacingd", "keys": "image", "pixdim": [2.0, 2.2, 2.5], "mode": "bilinear"},
                {
                    "_target_": "ScaleIntensityRanged",
                    "keys": "image",
                    "a_min": -57,
                    "a_max": 164,
                    "b_min": 0.0,
                    "b_max": 1.0,
                    "clip": True,
                },
                {"_target_": "EnsureTyped", "keys": "image"},
            ],
        },
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": [32, 24, 16],
            "sw_batch_size": 2,
            "overlap": 0.4,
            "mode": mode,
        },
        "postprocessing": {"_target_": "Compose", "transforms": [{"_target_": "Activationsd", "softmax": True}]},
    }
    change(config)
    named = {"0": "background", "1": "pancreas", "2": "tumor"}
    metadata = {"network_data_format": {"outputs": {"pred": {"channel_def": named}}}}
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "configs" / "inference.json").write_text(json.dumps(config))
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
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


def step(config: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(s for s in config["preprocessing"]["transforms"] if s["_target_"] == name)
    return found


REFUSED: list[tuple[str, Change]] = [
    ("network 'SwinUNETR'", lambda c: c["network_def"].update(_target_="SwinUNETR")),
    ("preprocessing has CropForegroundd", lambda c: step(c, "EnsureTyped").update(_target_="CropForegroundd")),
    ("preprocessing has no Orientationd", lambda c: step(c, "Orientationd").update(_target_="EnsureTyped")),
    ("is an expression", lambda c: step(c, "Spacingd").update(pixdim="$[1.5] * 3")),
    ("without clip", lambda c: step(c, "ScaleIntensityRanged").update(clip=False)),
    ("exchanges axes", lambda c: step(c, "Orientationd").update(axcodes="SAR")),
    ("inferer 'SimpleInferer'", lambda c: c["inferer"].update(_target_="SimpleInferer")),
    ("no softmax", lambda c: c.update(postprocessing={})),
]


@pytest.mark.parametrize(("says", "change"), REFUSED, ids=[r[0] for r in REFUSED])
def test_what_can_not_be_imported_is_refused_by_name(tmp_path: Path, says: str, change: Change) -> None:
    with pytest.raises(ManifestError, match=says.replace("$", r"\$")):
        monai.source(bundle(tmp_path / "bundle", change=change))


def test_torchscript_is_refused_since_it_is_a_program(tmp_path: Path) -> None:
    folder = bundle(tmp_path / "bundle")
    shutil.move(folder / "models" / "model.pt", folder / "models" / "old.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(torch.nn.Conv3d(1, 2, 1)).save(str(folder / "models" / "model.pt"))
    (_, opened), *_ = monai.source(folder).folds
    with pytest.raises(ManifestError, match="is refused"):
        opened()
