"""A trained nnU-Net folder: its folds' weights, and the network they belong to.

Weights are read by ``torch.load(weights_only=True)``, so that nothing in a downloaded file is ever run. A checkpoint
also holds a log of numbers that NumPy wrote; those few kinds of numbers are let through, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cds.errors import ManifestError
from cds.networks.plans import Plan
from cds.networks.plans import read as read_plan

CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_best.pth")
_FOLD = re.compile(r"^fold_(\d+|all)$")
_NUMPY_TYPES = ("Float64DType", "Float32DType", "Int64DType", "Int32DType", "BoolDType")


@dataclass(frozen=True)
class Trained:
    """A plan and where its folds' weights lie."""

    folder: Path
    plan: Plan
    folds: tuple[Path, ...]


@dataclass(frozen=True)
class Fold:
    name: str
    network: Any
    """torch.nn.Module that takes and gives [n, channels, z, y, x], ready to answer."""
    mirror: tuple[int, ...]
    """Axes that may be flipped for further views."""


def find(folder: Path, configuration: str | None, checkpoint: str | None, folds: Iterable[str] = ()) -> Trained:
    """``folder``, or the only folder below it with a plans.json. Raises ManifestError."""
    at = _trained(folder)
    wanted = [f if f.startswith("fold_") else f"fold_{f}" for f in folds]
    there = sorted(p.name for p in at.iterdir() if p.is_dir() and _FOLD.match(p.name))
    if missing := [name for name in wanted if name not in there]:
        raise ManifestError(f"{at} has no {', '.join(missing)}; it has {', '.join(there) or 'no folds'}")
    # the fold that was trained on all cases is not one of the cross-validation's
    names = wanted or [n for n in there if n != "fold_all"] or there
    if not names:
        raise ManifestError(f"{at} has no fold_0, fold_1 and so on: the weights are not there")
    file = checkpoint or next((c for c in CHECKPOINTS if all((at / n / c).exists() for n in names)), CHECKPOINTS[0])
    files = tuple(at / name / file for name in names)
    if missing := [str(p.relative_to(at)) for p in files if not p.exists()]:
        held = sorted({p.name for name in names for p in (at / name).glob("*.pth")})
        raise ManifestError(f"{at} lacks {', '.join(missing)}; its folds hold {', '.join(held) or 'no weights'}")
    return Trained(at, read_plan(at, configuration), files)


def _trained(folder: Path) -> Path:
    if (folder / "plans.json").exists():
        return folder
    below = sorted({p.parent for p in folder.glob("**/plans.json")})
    if len(below) != 1:
        names = ", ".join(str(p.relative_to(folder)) for p in below) or "none"
        raise ManifestError(f"{folder} is no folder of a trained nnU-Net; with a plans.json below it: {names}")
    return below[0]


def load(trained: Trained, path: Path) -> Fold:
    """One fold. Raises ManifestError for a file that is not safe or not of this plan."""
    content = weights(path)
    state = content.get("network_weights")
    if not isinstance(state, dict):
        raise ManifestError(f"{path} is no checkpoint of nnU-Net v2: it has no 'network_weights'")
    network = build(trained.plan)
    plain = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    try:
        network.load_state_dict(plain)
    except RuntimeError as error:
        first = str(error).splitlines()[1:2] or [str(error)]
        raise ManifestError(f"{path} does not fit the network of its plans.json: {first[0].strip()}") from error
    mirror = tuple(int(a) for a in content.get("inference_allowed_mirroring_axes") or ())
    return Fold(path.parent.name, network.eval(), mirror)


def weights(path: Path) -> dict[str, Any]:
    """A checkpoint's content, read without running anything in it. Raises ManifestError."""
    torch = torch_or_say()
    try:
        with torch.serialization.safe_globals(_plain_numbers()):
            found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ManifestError(f"{path} can't be read: {error.strerror}") from error
    except Exception as error:  # damaged files end in errors of many kinds
        asked = re.search(r"GLOBAL ([\w.]+)", str(error))
        why = f"it asks for '{asked[1]}'" if asked else type(error).__name__
        raise ManifestError(
            f"{path} is refused: more than weights and numbers is in it, or it is damaged ({why})"
        ) from error
    if not isinstance(found, dict):
        raise ManifestError(f"{path} is no checkpoint: a mapping is expected")
    return found


def _plain_numbers() -> list[Any]:
    """Kinds of single numbers that NumPy puts into a checkpoint's log, under both names NumPy has had."""
    import numpy as np
    from numpy._core.multiarray import scalar

    kinds = [getattr(np.dtypes, name) for name in _NUMPY_TYPES]
    return [np.dtype, *kinds, scalar, (scalar, "numpy.core.multiarray.scalar")]


def build(plan: Plan) -> Any:
    """The network of a plan, with weights of no meaning. Raises ManifestError."""
    torch = torch_or_say()
    try:
        from dynamic_network_architectures.architectures import unet
    except ImportError as error:
        raise ManifestError(
            f"building nnU-Net's networks needs {error.name}: install this service with its extra 'import'"
        ) from error
    kinds = {
        "conv_op": {"Conv3d": torch.nn.Conv3d},
        "norm_op": {"InstanceNorm3d": torch.nn.InstanceNorm3d, "BatchNorm3d": torch.nn.BatchNorm3d},
        "nonlin": {"LeakyReLU": torch.nn.LeakyReLU, "ReLU": torch.nn.ReLU},
        "dropout_op": {"Dropout3d": torch.nn.Dropout3d},
    }
    arguments = dict(plan.arguments)
    for key, known in kinds.items():
        if arguments.get(key) is not None:
            name = str(arguments[key]).rsplit(".", 1)[-1]
            if name not in known:
                raise ManifestError(f"plans.json: '{key}' is '{name}'; known are {', '.join(known)}")
            arguments[key] = known[name]
    try:
        return getattr(unet, plan.network)(
            input_channels=1, num_classes=len(plan.classes), deep_supervision=False, **arguments
        )
    except (TypeError, AssertionError, ValueError) as error:
        raise ManifestError(f"plans.json: no {plan.network} can be built from it: {error}") from error


def torch_or_say() -> Any:
    try:
        import torch
    except ImportError as error:
        raise ManifestError("reading weights needs torch: install this service with its extra 'import'") from error
    return torch
