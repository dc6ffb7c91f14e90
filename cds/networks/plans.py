"""nnU-Net v2's ``plans.json`` and ``dataset.json``: what a trained network is, and how it wants its scans.

Plans come in two forms. The newer one says the network's class and arguments under ``architecture``; the older one
leaves them to be derived from kernel sizes and numbers of features, as nnU-Net itself still does
(MIC-DKFZ/nnUNet, ``plans_handler.py``). What this service could not compute exactly as nnU-Net is refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cds.errors import ManifestError

NETWORKS = ("PlainConvUNet", "ResidualEncoderUNet")
"""Classes of dynamic_network_architectures that are built; no other name in a file is ever imported."""
_RESAMPLING = "resample_data_or_seg_to_shape"
_READERS = {"SimpleITKIO": (), "SimpleITKIOWithReorient": (), "NibabelIOWithReorient": (1, 2)}
"""Axes (z y x) along which the reader's array runs against this service's: nibabel's runs to the right and the front.
NibabelIO takes axes as they lie in a file, which says nothing of a patient's."""
_DATASET = {"labels": dict, "channel_names": dict, "modality": dict}
_PLANS = {"configurations": dict, "transpose_forward": list, "foreground_intensity_properties_per_channel": dict}
_CONFIGURATION = {
    "patch_size": list,
    "spacing": list,
    "normalization_schemes": list,
    "use_mask_for_norm": list,
    "resampling_fn_data_kwargs": dict,
    "resampling_fn_probabilities_kwargs": dict,
    "architecture": dict,
    "n_conv_per_stage_encoder": list,
    "n_conv_per_stage_decoder": list,
    "pool_op_kernel_sizes": list,
    "conv_kernel_sizes": list,
}
"""What a key's value must be where there is one."""


@dataclass(frozen=True)
class Plan:
    """One trained configuration."""

    dataset: str
    trainer_configuration: str
    network: str
    """One of NETWORKS."""
    arguments: Mapping[str, Any]
    """Of that class, as JSON gives them."""
    classes: tuple[str, ...]
    patch: tuple[int, int, int]
    spacing: tuple[float, float, float]
    clip: tuple[float, float]
    mean: float
    deviation: float
    order: int
    """Of the spline that resamples the scan."""
    against: tuple[int, ...]
    """Axes, z y x, along which its training scans ran the other way."""


def read(folder: Path, configuration: str | None = None) -> Plan:
    """The plan of a folder of a trained model. ``configuration``: such as ``3d_fullres``; None: as the folder's name
    says, else the only one in three dimensions. Raises ManifestError."""
    plans, dataset = _json(folder / "plans.json"), _json(folder / "dataset.json")
    where = str(folder / "plans.json")
    _kinds(dataset, _DATASET, str(folder / "dataset.json"))
    _kinds(plans, _PLANS, where)
    name, chosen = _configuration(plans, folder.resolve().name, configuration, where)
    try:
        classes = _classes(dataset, str(folder / "dataset.json"))
        return _plan(plans, dataset, name, chosen, classes, where)
    except KeyError as error:
        raise ManifestError(f"{where}: '{name}' is not as nnU-Net writes it: there is no {error}") from error
    except (TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise ManifestError(f"{where}: '{name}' is not as nnU-Net writes it: {error}") from error


def _plan(
    plans: dict[str, Any],
    dataset: dict[str, Any],
    name: str,
    chosen: dict[str, Any],
    classes: tuple[str, ...],
    where: str,
) -> Plan:
    _refuse(plans, dataset, chosen, where)
    network, arguments = _architecture(chosen, where)
    properties = plans["foreground_intensity_properties_per_channel"]["0"]
    low, high, mean, deviation = (
        _finite(properties, key) for key in ("percentile_00_5", "percentile_99_5", "mean", "std")
    )
    data = chosen.get("resampling_fn_data_kwargs", {"order": 3})
    return Plan(
        dataset=str(plans.get("dataset_name", "")),
        trainer_configuration=name,
        network=network,
        arguments=arguments,
        classes=classes,
        patch=_three(chosen, "patch_size", int),
        spacing=_three(chosen, "spacing", float),
        clip=(low, high),
        mean=mean,
        deviation=max(deviation, 1e-8),
        order=int(data["order"]),
        against=_READERS[str(plans["image_reader_writer"])],
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ManifestError(f"{path} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise ManifestError(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ManifestError(f"{path} is not what nnU-Net writes: an object is expected")
    return found


def _kinds(block: dict[str, Any], kinds: Mapping[str, type], where: str) -> None:
    for key, kind in kinds.items():
        if key in block and not isinstance(block[key], kind):
            wanted = "an object" if kind is dict else "a list"
            raise ManifestError(f"{where}: '{key}' is {json.dumps(block[key])[:40]}, where nnU-Net writes {wanted}")


def _configuration(plans: dict[str, Any], folder: str, wanted: str | None, where: str) -> tuple[str, dict[str, Any]]:
    """(name, its settings with those it inherits)."""
    known = plans.get("configurations")
    if not isinstance(known, dict) or not known:
        raise ManifestError(f"{where}: no 'configurations': these are not plans of nnU-Net v2")
    solid = [n for n in known if len(_inherited(known, n, where).get("patch_size", ())) == 3]
    named = folder.rsplit("__", 1)[-1]  # trainer__plans__configuration
    name = wanted or (named if named in known else solid[0] if len(solid) == 1 else None)
    if name is None or name not in known:
        raise ManifestError(f"{where}: say which configuration was trained; it has {', '.join(sorted(known))}")
    if name not in solid:
        raise ManifestError(f"{where}: '{name}' works on single slices; only networks on volumes can be imported")
    return name, _inherited(known, name, where)


def _inherited(known: dict[str, Any], name: str, where: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    seen: list[str] = []
    at: str | None = name
    while at is not None:
        if not isinstance(at, str) or at in seen or at not in known:
            raise ManifestError(f"{where}: configuration '{name}' inherits from '{at}', which leads nowhere")
        seen.append(at)
        _kinds(known, {at: dict}, where)
        _kinds(known[at], _CONFIGURATION, f"{where}: configuration '{at}'")
        found = known[at] | found
        at = known[at].get("inherits_from")
    return found


def _refuse(plans: dict[str, Any], dataset: dict[str, Any], chosen: dict[str, Any], where: str) -> None:
    """Raises ManifestError for what would not be computed as nnU-Net computes it."""
    channels = dataset.get("channel_names", dataset.get("modality", {}))
    schemes = chosen.get("normalization_schemes", [])
    kwargs = chosen.get("resampling_fn_data_kwargs", {"order": 3, "order_z": 0, "force_separate_z": None})
    back = chosen.get("resampling_fn_probabilities_kwargs", {"order": 1, "order_z": 0, "force_separate_z": None})
    reader = str(plans.get("image_reader_writer", ""))
    faults = {
        f"it reads {len(channels)} images at a time": len(channels) != 1,
        f"it normalises by {', '.join(schemes) or 'nothing'}, not CTNormalization": list(schemes)
        != ["CTNormalization"],
        "it normalises within a mask": any(chosen.get("use_mask_for_norm", [False])),
        "it exchanges axes (transpose_forward)": list(plans.get("transpose_forward", [0, 1, 2])) != [0, 1, 2],
        f"its images are read by '{reader}', which does not say how patients lie": reader not in _READERS,
        "it needs another network's result first (cascade)": bool(chosen.get("previous_stage")),
        "its preprocessor is not the default": chosen.get("preprocessor_name", "DefaultPreprocessor")
        != "DefaultPreprocessor",
        "it resamples by a function of its own": {
            chosen.get("resampling_fn_data", _RESAMPLING),
            chosen.get("resampling_fn_probabilities", _RESAMPLING),
        }
        != {_RESAMPLING},
        "its resampling has settings not in common use": kwargs.get("order") not in (0, 1, 3)
        or (back.get("order"), back.get("order_z")) != (1, 0)
        or kwargs.get("order_z") != 0
        or kwargs.get("force_separate_z") is not None
        or back.get("force_separate_z") is not None,
    }
    if found := [fault for fault, there in faults.items() if there]:
        raise ManifestError(f"{where}: this network can't be imported: {'; '.join(found)}")


def _classes(dataset: dict[str, Any], where: str) -> tuple[str, ...]:
    if "labels" not in dataset:
        raise ManifestError(f"{where}: no 'labels'")
    labels = dataset["labels"]
    numbers = {name: number for name, number in labels.items() if name != "ignore"}
    if any(not isinstance(number, int) for number in numbers.values()):
        raise ManifestError(f"{where}: labels of overlapping regions can't be imported, only one class a voxel")
    names = sorted(numbers, key=lambda name: int(numbers[name]))
    if [numbers[name] for name in names] != list(range(len(names))):
        raise ManifestError(f"{where}: labels must be numbered 0, 1, 2 and so on")
    return tuple(names)


def _architecture(chosen: dict[str, Any], where: str) -> tuple[str, dict[str, Any]]:
    if "architecture" in chosen:
        newer = chosen["architecture"]
        name, arguments = str(newer["network_class_name"]).rsplit(".", 1)[-1], dict(newer["arch_kwargs"])
    else:
        name, arguments = str(chosen["UNet_class_name"]), _derived(chosen)
    if name not in NETWORKS:
        raise ManifestError(f"{where}: networks of class '{name}' can't be imported; known are {', '.join(NETWORKS)}")
    return name, arguments


def _derived(chosen: dict[str, Any]) -> dict[str, Any]:
    """Arguments the older plans leave to be derived, in the newer plans' form."""
    depth = chosen["n_conv_per_stage_encoder"]
    blocks = "n_conv_per_stage" if chosen["UNet_class_name"] == "PlainConvUNet" else "n_blocks_per_stage"
    first, most = chosen["UNet_base_num_features"], chosen["unet_max_num_features"]
    return {
        "n_stages": len(depth),
        "features_per_stage": [min(first * 2**n, most) for n in range(len(depth))],
        "conv_op": "torch.nn.modules.conv.Conv3d",
        "kernel_sizes": chosen["conv_kernel_sizes"],
        "strides": chosen["pool_op_kernel_sizes"],
        blocks: depth,
        "n_conv_per_stage_decoder": chosen["n_conv_per_stage_decoder"],
        "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }


def _three(chosen: dict[str, Any], key: str, kind: type) -> tuple[Any, Any, Any]:
    values = chosen[key]
    if len(values) != 3 or not all(isinstance(v, int | float) and math.isfinite(v) and kind(v) > 0 for v in values):
        raise ValueError(f"'{key}' is {json.dumps(values)[:60]}, not three numbers above 0")
    z, y, x = (kind(v) for v in values)
    return z, y, x


def _finite(properties: dict[str, Any], key: str) -> float:
    value = properties[key]
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"'{key}' of the intensities is {json.dumps(value)[:40]}, not a number")
    return float(value)
