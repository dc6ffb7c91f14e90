"""A MONAI bundle's configuration as such bundles are published, to be spoilt; without weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Change = Callable[[dict[str, Any]], Any]
UNET: dict[str, Any] = {
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": 3,
    "channels": [4, 8, 16],
    "strides": [2, 2],
    "num_res_units": 2,
    "norm": "batch",
}


def configuration(network: str = "UNet", definition: dict[str, Any] = UNET, mode: str = "constant") -> dict[str, Any]:
    return {
        "imports": ["$import glob"],
        "network_def": {"_target_": network, **definition},
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


def write(folder: Path, config: dict[str, Any]) -> Path:
    named = {"0": "background", "1": "pancreas", "2": "tumor"}
    metadata = {"network_data_format": {"outputs": {"pred": {"channel_def": named}}}}
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "configs" / "inference.json").write_text(json.dumps(config))
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    return folder


def step(config: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(s for s in config["preprocessing"]["transforms"] if s["_target_"] == name)
    return found
