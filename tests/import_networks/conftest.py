"""Trained folders as nnU-Net leaves them, small and with random weights: plans old and new, folds, checkpoints."""

from __future__ import annotations

import importlib.util
import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

# `make test-import` has an environment of its own for these: elsewhere there is nothing to collect
if importlib.util.find_spec("nnunetv2") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    import torch

    torch.set_num_threads(1)  # its threads spin, which on a shared machine costs more than it gains

COARSE_LABELS = {"background": 0, "pancreas": 1}
FINE_LABELS = {
    "background": 0,
    "tumor": 1,
    "veins": 2,
    "arteries": 3,
    "pancreas": 4,
    "pancreatic duct": 5,
    "common bile duct": 6,
}
RESAMPLING = {
    "resampling_fn_data": "resample_data_or_seg_to_shape",
    "resampling_fn_seg": "resample_data_or_seg_to_shape",
    "resampling_fn_data_kwargs": {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None},
    "resampling_fn_seg_kwargs": {"is_seg": True, "order": 1, "order_z": 0, "force_separate_z": None},
    "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
    "resampling_fn_probabilities_kwargs": {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None},
}
OLD = {
    "UNet_class_name": "PlainConvUNet",
    "UNet_base_num_features": 4,
    "n_conv_per_stage_encoder": [2, 2, 2],
    "n_conv_per_stage_decoder": [2, 2],
    "num_pool_per_axis": [1, 2, 2],
    "pool_op_kernel_sizes": [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
    "conv_kernel_sizes": [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
    "unet_max_num_features": 12,
}
NEW = {
    "architecture": {
        "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "arch_kwargs": {
            "n_stages": 3,
            "features_per_stage": [4, 8, 12],
            "conv_op": "torch.nn.modules.conv.Conv3d",
            "kernel_sizes": [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
            "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
            "n_conv_per_stage": [2, 2, 2],
            "n_conv_per_stage_decoder": [2, 2],
            "conv_bias": True,
            "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
            "norm_op_kwargs": {"eps": 1e-05, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }
}


def plans_of(network: dict[str, Any], spacing: list[float], patch: list[int], hu: tuple[float, ...]) -> dict[str, Any]:
    low, high, mean, deviation = hu
    solid = {
        "data_identifier": "nnUNetPlans_3d_fullres",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": patch,
        "median_image_size_in_voxels": [float(n) for n in patch],
        "spacing": spacing,
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "batch_dice": False,
    }
    flat = {"patch_size": patch[1:], "spacing": spacing[1:]}
    return {
        "dataset_name": "Dataset900_Small",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": spacing,
        "original_median_shape_after_transp": patch,
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {"2d": flat, "3d_fullres": solid | RESAMPLING | network},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {
            "0": {
                "max": 3000.0,
                "mean": mean,
                "median": mean,
                "min": -1024.0,
                "percentile_00_5": low,
                "percentile_99_5": high,
                "std": deviation,
            }
        },
    }


PUBLISHED = {
    "coarse": plans_of(
        {
            "UNet_class_name": "PlainConvUNet",
            "UNet_base_num_features": 32,
            "n_conv_per_stage_encoder": [2] * 5,
            "n_conv_per_stage_decoder": [2] * 4,
            "num_pool_per_axis": [3, 4, 4],
            "pool_op_kernel_sizes": [[1, 1, 1], [1, 2, 2], *[[2, 2, 2]] * 3],
            "conv_kernel_sizes": [[1, 3, 3], *[[3, 3, 3]] * 4],
            "unet_max_num_features": 320,
        },
        [9.0, 4.5, 4.5],
        [48, 96, 96],
        (-152.0, 253.0, 42.803375244140625, 93.94111633300781),
    ),
    "fine": plans_of(
        {
            "architecture": {
                **NEW["architecture"],
                "arch_kwargs": {
                    **NEW["architecture"]["arch_kwargs"],
                    "n_stages": 6,
                    "features_per_stage": [32, 64, 128, 256, 320, 320],
                    "kernel_sizes": [[1, 3, 3], *[[3, 3, 3]] * 5],
                    "strides": [[1, 1, 1], [1, 2, 2], *[[2, 2, 2]] * 3, [1, 2, 2]],
                    "n_conv_per_stage": [2] * 6,
                    "n_conv_per_stage_decoder": [2] * 5,
                },
            }
        },
        [1.5, 0.746999979019165, 0.746999979019165],
        [48, 128, 288],
        (-55.0, 430.0, 109.62067413330078, 77.43933868408203),
    ),
}
"""What decides a tensor in the plans of PANORAMA's published baseline; the whole files where CDS_PANORAMA_PLANS names
the folder they lie in."""
REAL = os.environ.get("CDS_PANORAMA_PLANS", "")
NARROWER, FINE_WINDOW = 8, [16, 64, 96]


def published(stage: str) -> dict[str, Any]:
    """The published geometry with an eighth of the features at each depth and, of the fine network, a smaller window:
    a processor would need the best part of an hour for the whole one. Breadth and all: test_folders_of_weights."""
    text = (Path(REAL) / f"{stage}_plans.json").read_text() if REAL else json.dumps(PUBLISHED[stage])
    plans: dict[str, Any] = json.loads(text)
    solid = plans["configurations"]["3d_fullres"]
    if stage == "coarse":
        solid["UNet_base_num_features"] //= NARROWER
        solid["unet_max_num_features"] //= NARROWER
    else:
        arguments = solid["architecture"]["arch_kwargs"]
        arguments["features_per_stage"] = [n // NARROWER for n in arguments["features_per_stage"]]
        solid["patch_size"] = FINE_WINDOW
    return plans


Trained = Callable[..., Path]


@pytest.fixture(scope="session")
def trained() -> Trained:
    """(folder, plans, labels, folds, checkpoint's name, seed) -> folder, its weights random and written by torch."""

    def make(
        folder: Path,
        plans: dict[str, Any],
        labels: dict[str, int],
        folds: int = 1,
        checkpoint: str = "checkpoint_final.pth",
        seed: int = 0,
    ) -> Path:
        from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
        from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

        folder.mkdir(parents=True)
        (folder / "plans.json").write_text(json.dumps(plans))
        dataset = {"channel_names": {"0": "CT"}, "labels": labels, "numTraining": 3, "file_ending": ".nii.gz"}
        (folder / "dataset.json").write_text(json.dumps(dataset))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nnU-Net's remark on older plans
            manager = PlansManager(json.loads(json.dumps(plans))).get_configuration("3d_fullres")
        for fold in range(folds):
            torch.manual_seed(seed * 100 + fold)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # and on names that have moved
                network = get_network_from_plans(
                    manager.network_arch_class_name,
                    manager.network_arch_init_kwargs,
                    manager.network_arch_init_kwargs_req_import,
                    1,
                    len(labels),
                    deep_supervision=True,
                )
            for name, tensor in network.state_dict().items():
                if "seg_layers" in name and name.endswith("weight"):
                    with torch.no_grad():
                        tensor.mul_(4)  # so that every class wins somewhere
            (folder / f"fold_{fold}").mkdir()
            content = {
                "network_weights": network.state_dict(),
                "optimizer_state": {"lr": 0.01},
                "grad_scaler_state": None,
                # as nnU-Net's logger leaves it: NumPy's numbers among Python's
                "logging": {"ema_fg_dice": [np.float64(0.5), np.float32(0.25)], "epoch": [1, 2]},
                "_best_ema": np.float64(0.5),
                "current_epoch": 3,
                "init_args": {"configuration": "3d_fullres", "fold": fold, "plans": plans, "dataset_json": dataset},
                "trainer_name": "nnUNetTrainer",
                "inference_allowed_mirroring_axes": (0, 1, 2),
            }
            torch.save(content, folder / f"fold_{fold}" / checkpoint)
        return folder

    return make


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The differences that were measured, whether or not a test failed."""
    told = [p for kind in ("passed", "failed") for r in terminalreporter.stats.get(kind, []) for p in r.user_properties]
    for name, value in told:
        terminalreporter.write_line(f"{name:60} {value:.5g}")
