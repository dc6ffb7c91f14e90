"""A MONAI bundle as the source of a stage: ``configs/inference.json``, ``configs/metadata.json``, ``models/model.pt``.

Read are the common steps of bundles that tell organs apart on CT: orientation RAS, Spacing, an intensity range, a
sliding window, softmax; in this order, each once, and with arguments that are known to change nothing here. A bundle's
configuration may hold Python to be run; none of it is, and a bundle that needs it is refused, as is TorchScript, which
is a program.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cds.errors import ManifestError
from cds.networks import checkpoints, graph
from cds.networks.folder import Source

NETWORKS = ("UNet", "BasicUNet", "SegResNet", "DynUNet")
_NEEDED = ("Orientationd", "Spacingd", "ScaleIntensityRanged")
"""In the order they are computed in."""
_Allowed = Mapping[str, tuple[Any, ...] | None]
_NO, _FLOATS = (False, None), (None, "float32", "float64")
_EACH: _Allowed = {"_target_": None, "_desc_": None, "_disabled_": _NO, "keys": None, "allow_missing_keys": None}
_ARGUMENTS: Mapping[str, _Allowed] = {
    "LoadImaged": {
        "reader": None,
        "dtype": _FLOATS,
        "ensure_channel_first": None,
        "image_only": None,
        "meta_keys": None,
        "meta_key_postfix": None,
        "overwriting": None,
        "simple_keys": None,
    },
    "EnsureChannelFirstd": {"strict_check": None, "channel_dim": None},
    "AddChanneld": {},
    "EnsureTyped": {
        "data_type": None,
        "dtype": _FLOATS,
        "device": None,
        "wrap_sequence": None,
        "track_meta": None,
    },
    "ToTensord": {"dtype": _FLOATS, "device": None, "wrap_sequence": None, "track_meta": None},
    "CastToTyped": {"dtype": _FLOATS},
    "ToDeviced": {"device": None, "non_blocking": None},
    "Orientationd": {"axcodes": None, "as_closest_canonical": _NO, "labels": (None,), "lazy": _NO},
    "Spacingd": {
        "pixdim": None,
        "diagonal": _NO,
        "mode": ("bilinear", ["bilinear"]),
        "padding_mode": ("border",),
        "align_corners": _NO,
        "dtype": _FLOATS,
        "scale_extent": _NO,
        "recompute_affine": _NO,
        "min_pixdim": (None,),
        "max_pixdim": (None,),
        "ensure_same_shape": None,
        "lazy": _NO,
    },
    "ScaleIntensityRanged": {
        "a_min": None,
        "a_max": None,
        "b_min": None,
        "b_max": None,
        "clip": None,
        "dtype": _FLOATS,
    },
    "SlidingWindowInferer": {
        "roi_size": None,
        "overlap": None,
        "mode": ("constant", "gaussian"),
        "sigma_scale": (0.125,),
        "padding_mode": ("constant",),
        "cval": (0,),
        "with_coord": _NO,
        "sw_batch_size": None,
        "sw_device": None,
        "device": None,
        "progress": None,
        "cache_roi_weight_map": None,
        "cpu_thresh": None,
        "buffer_steps": None,
        "buffer_dim": None,
    },
    "Compose": {"transforms": None, "map_items": None, "unpack_items": None, "log_stats": None, "lazy": _NO},
}
"""What each step may be told, and the values with which it computes what this service computes; None: any."""
_WINDOWS = "SlidingWindowInferer"
_RANGE = ("a_min", "a_max", "b_min", "b_max")
"""MONAI can do without the last two, and then scales to no range and clips nothing."""
_TURNED = {"R": 2, "A": 1, "I": 0}
"""Letters of an orientation that run against this service's axes, and the axis, z y x."""


def source(folder: Path) -> Source:
    """Raises ManifestError naming each step that can't be imported."""
    config = _json(_first(folder, "configs/inference.json"))
    metadata = _json(_first(folder, "configs/metadata.json"))
    where = str(folder / "configs" / "inference.json")
    steps = _refuse(config, list(_steps(config, where)), where)
    spacing, scale, inferer = steps["Spacingd"], steps["ScaleIntensityRanged"], _plain(config, "inferer", where)
    classes = _classes(metadata, folder)
    definition = _plain(config, "network_def", where)
    low, high = float(scale["b_min"]), float(scale["b_max"])
    clip = (float(scale["a_min"]), float(scale["a_max"]))
    deviation = (clip[1] - clip[0]) / (high - low)
    mean = clip[0] - low * deviation

    def opened() -> object:
        return graph.swapped(_network(definition, folder, classes))

    return Source(
        classes=classes,
        patch=_reversed(inferer["roi_size"], int),
        spacing=_reversed(spacing["pixdim"], float),
        clip=clip,
        mean=mean,
        deviation=deviation,
        overlap=float(inferer.get("overlap", 0.25)),
        mirror=(),
        # MONAI continues a volume smaller than its window with the normalised value 0
        pad=mean,
        resample={"order": 1, "way": "monai"},
        folds=[("model", opened)],
        turn=_turn(steps["Orientationd"], where),
        steps="strided",
        blend={"constant": "constant", "gaussian": "symmetric"}[str(inferer.get("mode", "constant"))],
    )


def _network(definition: dict[str, Any], folder: Path, classes: tuple[str, ...]) -> Any:
    try:
        from monai.networks import nets
    except ImportError as error:
        raise ManifestError(f"building MONAI's networks needs {error.name}: pip install monai") from error
    arguments = {k: v for k, v in definition.items() if k != "_target_"}
    name = str(definition["_target_"]).rsplit(".", 1)[-1]
    try:
        network = getattr(nets, name)(**arguments)
    except (TypeError, ValueError, AssertionError) as error:
        raise ManifestError(f"no {name} can be built from the bundle's network_def: {error}") from error
    path = folder / "models" / "model.pt"
    state = checkpoints.weights(path)
    state = state.get("model", state.get("state_dict", state))
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ManifestError(
            f"{path} does not fit the bundle's network_def: {str(error).splitlines()[-1].strip()}"
        ) from error
    if arguments.get("out_channels") != len(classes):
        raise ManifestError(f"{path.parent.parent}: {arguments.get('out_channels')} channels, {len(classes)} names")
    return network


def _first(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.exists():
        more = " (YAML configurations can't be imported)" if path.with_suffix(".yaml").exists() else ""
        raise ManifestError(f"{folder} is no bundle this can import: it has no {name}{more}")
    return path


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ManifestError(f"{path} can't be read as JSON: {error}") from error


def _steps(config: dict[str, Any], where: str) -> Iterator[dict[str, Any]]:
    found = config.get("preprocessing")
    if not isinstance(found, dict) or not isinstance(found.get("transforms"), list):
        raise ManifestError(f"{where}: no list of transforms under 'preprocessing'")
    if found.get("_target_", "Compose") != "Compose":
        raise ManifestError(f"{where}: preprocessing is '{found['_target_']}', not Compose")
    if strange := list(_strange("Compose", _literal(found | {"transforms": []}, config, where))):
        raise ManifestError(f"{where}: this bundle can't be imported: preprocessing has {'; '.join(strange)}")
    for step in found["transforms"]:
        yield _literal(step, config, where) if isinstance(step, dict) else {"_target_": str(step)}


def _plain(config: dict[str, Any], key: str, where: str) -> dict[str, Any]:
    if not isinstance(config.get(key), dict):
        raise ManifestError(f"{where}: no '{key}'")
    return _literal(config[key], config, where)


def _literal(block: dict[str, Any], config: dict[str, Any], where: str) -> dict[str, Any]:
    """With references to plain values of the top level filled in. Raises ManifestError for an expression."""
    found: dict[str, Any] = {}
    for key, value in block.items():
        if isinstance(value, str) and value.startswith("@"):
            value = config.get(value[1:], value)
        if key not in ("device", "keys", "sw_device") and isinstance(value, str) and value[:1] in "$@%":
            raise ManifestError(f"{where}: '{key}' is an expression ({value}); only plain values are read")
        found[key] = value
    return found


def _refuse(config: dict[str, Any], listed: list[dict[str, Any]], where: str) -> dict[str, dict[str, Any]]:
    """The steps by name. Raises ManifestError for what would not be computed as MONAI computes it."""
    names = [str(step.get("_target_")) for step in listed]
    steps = dict(zip(names, listed, strict=True))
    inferer, definition = _plain(config, "inferer", where), _plain(config, "network_def", where)
    module, _, network = str(definition.get("_target_", "")).rpartition(".")
    order = [name for name in names if name in _NEEDED]
    scale, spacing = steps.get("ScaleIntensityRanged", {}), steps.get("Spacingd", {})
    faults = (
        {f"preprocessing has no {name}": name not in steps for name in _NEEDED}
        | {f"preprocessing has {name}": name in ("Compose", _WINDOWS) or name not in _ARGUMENTS for name in names}
        | {f"preprocessing has {name} {order.count(name)} times": order.count(name) > 1 for name in order}
        | {
            f"preprocessing has {' before '.join(order)}, not {' before '.join(_NEEDED)}": sorted(order)
            == sorted(_NEEDED)
            and order != list(_NEEDED),
            f"network '{network}' (known are {', '.join(NETWORKS)})": network not in NETWORKS,
            f"network '{network}' of '{module}', not of MONAI": module not in ("", "monai.networks.nets"),
            "network_def is not for volumes of one channel": (
                definition.get("spatial_dims"),
                definition.get("in_channels"),
            )
            != (3, 1),
            f"inferer '{inferer.get('_target_')}'": str(inferer.get("_target_")) != _WINDOWS,
            "the inferer's window (roi_size) is not three whole numbers above 0": not _numbers(
                inferer.get("roi_size"), 3
            )
            or not all(isinstance(n, int) for n in inferer["roi_size"]),
            "the inferer's overlap is not a number from 0 to below 1": not _finite(inferer.get("overlap", 0.25))
            or not 0 <= inferer.get("overlap", 0.25) < 1,
            "ScaleIntensityRanged without clip": scale.get("clip") is not True,
            "Spacingd without three millimetres (pixdim)": not _numbers(spacing.get("pixdim"), 3),
            "no softmax over the classes (Activationsd)": not _softmax(config.get("postprocessing")),
        }
        | {fault: True for name, step in steps.items() for fault in _strange(name, step)}
        | {fault: True for fault in _strange(_WINDOWS, inferer)}
        | {f"ScaleIntensityRanged without a number {key}": not _finite(scale.get(key)) for key in _RANGE}
    )
    if found := [fault for fault, there in faults.items() if there]:
        raise ManifestError(f"{where}: this bundle can't be imported: {'; '.join(found)}")
    if not (scale["a_min"] < scale["a_max"] and scale["b_min"] < scale["b_max"]):
        raise ManifestError(f"{where}: this bundle can't be imported: ScaleIntensityRanged of an empty or turned range")
    return steps


def _strange(name: str, step: dict[str, Any]) -> Iterator[str]:
    """What a step is told that is not known to compute the same."""
    allowed = _ARGUMENTS.get(name)
    for key, value in step.items() if allowed is not None else ():
        values = {**_EACH, **(allowed or {})}
        if key not in values:
            yield f"{name} with {key}"
        elif (wanted := values[key]) is not None and value not in wanted:
            yield f"{name} with {key}: {json.dumps(value)[:60]}"


def _softmax(postprocessing: Any) -> bool:
    steps = postprocessing.get("transforms") if isinstance(postprocessing, dict) else None
    return any(
        step.get("_target_") == "Activationsd"
        and step.get("softmax") in (True, [True])
        and not any(step.get(key) for key in ("sigmoid", "other", "_disabled_"))
        for step in (steps if isinstance(steps, list) else ())
        if isinstance(step, dict)
    )


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _numbers(values: Any, count: int) -> bool:
    return isinstance(values, list) and len(values) == count and all(_finite(v) and v > 0 for v in values)


def _turn(orientation: dict[str, Any], where: str) -> tuple[int, ...]:
    codes = str(orientation.get("axcodes"))
    if len(codes) != 3 or [c in pair for c, pair in zip(codes, ("RL", "AP", "SI"), strict=True)] != [True] * 3:
        raise ManifestError(f"{where}: orientation '{codes}' exchanges axes; RAS and its mirror images can be imported")
    return tuple(sorted(_TURNED[c] for c in codes if c in _TURNED))


def _classes(metadata: dict[str, Any], folder: Path) -> tuple[str, ...]:
    try:
        named = metadata["network_data_format"]["outputs"]["pred"]["channel_def"]
        return tuple(str(named[str(n)]) for n in range(len(named)))
    except (KeyError, TypeError) as error:
        raise ManifestError(f"{folder}/configs/metadata.json does not name the classes (channel_def)") from error


def _reversed(values: list[Any], kind: type) -> tuple[Any, Any, Any]:
    x, y, z = (kind(v) for v in values)
    return z, y, x
