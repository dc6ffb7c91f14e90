"""A MONAI bundle as the source of a stage: ``configs/inference.json``, ``configs/metadata.json``, ``models/model.pt``.

Read are the common steps of bundles that tell organs apart on CT: orientation RAS, Spacing, an intensity range, a
sliding window, softmax. A bundle's configuration may hold Python to be run; none of it is, and a bundle that needs it
is refused, as is TorchScript, which is a program.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cds.errors import ManifestError
from cds.networks import checkpoints, graph
from cds.networks.folder import Source

NETWORKS = ("UNet", "BasicUNet", "SegResNet", "DynUNet")
_HARMLESS = frozenset(
    {"LoadImaged", "EnsureChannelFirstd", "AddChanneld", "EnsureTyped", "ToTensord", "CastToTyped", "ToDeviced"}
)
_TURNED = {"R": 2, "A": 1, "I": 0}
"""Letters of an orientation that run against this service's axes, and the axis, z y x."""


def source(folder: Path) -> Source:
    """Raises ManifestError naming each step that can't be imported."""
    config = _json(_first(folder, "configs/inference.json"))
    metadata = _json(_first(folder, "configs/metadata.json"))
    where = str(folder / "configs" / "inference.json")
    steps = {str(step.get("_target_")): step for step in _steps(config, where)}
    _refuse(config, steps, where)
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


def _refuse(config: dict[str, Any], steps: dict[str, dict[str, Any]], where: str) -> None:
    needed = ("Orientationd", "Spacingd", "ScaleIntensityRanged")
    inferer, definition = _plain(config, "inferer", where), _plain(config, "network_def", where)
    network = str(definition.get("_target_", "")).rsplit(".", 1)[-1]
    scale, spacing = steps.get("ScaleIntensityRanged", {}), steps.get("Spacingd", {})
    faults = (
        {f"preprocessing has no {name}": name not in steps for name in needed}
        | {f"preprocessing has {name}": name not in (*needed, *_HARMLESS) for name in steps}
        | {
            f"network '{network}' (known are {', '.join(NETWORKS)})": network not in NETWORKS,
            "network_def is not for volumes of one channel": (
                definition.get("spatial_dims"),
                definition.get("in_channels"),
            )
            != (3, 1),
            f"inferer '{inferer.get('_target_')}'": str(inferer.get("_target_")) != "SlidingWindowInferer",
            "the inferer's window is not three numbers": not _numbers(inferer.get("roi_size"), 3),
            f"the inferer's mode '{inferer.get('mode')}'": inferer.get("mode", "constant")
            not in ("constant", "gaussian"),
            "the inferer pads in another way": inferer.get("padding_mode", "constant") != "constant"
            or bool(inferer.get("cval", 0)),
            "ScaleIntensityRanged without clip": scale.get("clip") is not True,
            f"Spacingd of mode '{spacing.get('mode')}'": spacing.get("mode", "bilinear") != "bilinear"
            or bool(spacing.get("scale_extent")),
            "Spacingd without three millimetres": not _numbers(spacing.get("pixdim"), 3),
            "no softmax over the classes": "softmax" not in json.dumps(config.get("postprocessing", {})),
        }
    )
    if found := [fault for fault, there in faults.items() if there]:
        raise ManifestError(f"{where}: this bundle can't be imported: {'; '.join(found)}")


def _numbers(values: Any, count: int) -> bool:
    return isinstance(values, list) and len(values) == count and all(isinstance(v, int | float) for v in values)


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
