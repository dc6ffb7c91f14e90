"""A torch network as an ONNX graph with fixed windows and a free number of them, compared with its original."""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cds.errors import ManifestError
from cds.networks.checkpoints import torch_or_say

OPSET = 17
"""Old enough for every ONNX Runtime this service accepts."""
Array = NDArray[np.float32]
Window = tuple[int, int, int]


@dataclass(frozen=True)
class Exported:
    file: str
    sha256: str
    difference: float
    """Largest absolute difference of logits to the original on one window of noise."""
    agreement: float
    """Share of that window's voxels with the same likeliest class."""


def swapped(network: Any) -> Any:
    """A network that was trained on x y z, as one that takes and gives [n, c, z, y, x]."""
    torch = torch_or_say()

    class Swapped(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: Any) -> Any:
            logits = self.network(x.permute(0, 1, 4, 3, 2))
            # with deep supervision a network gives a list, the full resolution first
            logits = logits[0] if isinstance(logits, list | tuple) else logits
            return logits.permute(0, 1, 4, 3, 2)

    return Swapped().eval()


def answer(network: Any, windows: Array) -> Array:
    """[n, 1, z, y, x] -> logits, by torch itself."""
    torch = torch_or_say()
    with torch.inference_mode():
        logits = network(torch.from_numpy(np.ascontiguousarray(windows)))
    return np.asarray(logits.numpy(), dtype=np.float32)


def export(network: Any, window: Window, path: Path, seed: int = 0) -> Exported:
    """Write ``path``, run it in ONNX Runtime and compare. Raises ManifestError where the two differ: an import that is
    not the published network is none."""
    torch = torch_or_say()
    content = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        # the newer exporter needs packages of its own, and writes other bytes with each of its versions
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, 1, *window),),
            content,
            dynamo=False,
            opset_version=OPSET,
            input_names=["x"],
            output_names=["logits"],
            dynamic_axes={"x": {0: "n"}, "logits": {0: "n"}},
        )
    path.write_bytes(content.getvalue())
    noise = np.random.default_rng(seed).normal(size=(1, 1, *window)).astype(np.float32)
    own, given = answer(network, noise), _by_runtime(path, noise)
    if own.shape != given.shape or own.shape[2:] != window:
        raise ManifestError(f"{path.name}: the network gives {own.shape[2:]} voxels for {window}")
    difference = float(np.abs(own - given).max())
    agreement = float((own.argmax(axis=1) == given.argmax(axis=1)).mean())
    if not np.isfinite(difference) or difference > 1e-3 * max(1.0, float(np.abs(own).max())):
        path.unlink()
        raise ManifestError(f"{path.name}: ONNX Runtime's answer differs from torch's by {difference:.3g}")
    return Exported(path.name, hashlib.sha256(content.getvalue()).hexdigest(), difference, agreement)


def _by_runtime(path: Path, windows: Array) -> Array:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["logits"], {"x": windows})[0], dtype=np.float32)
