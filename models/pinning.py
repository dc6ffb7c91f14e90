"""From a graph to ``model.onnx`` and the SHA-256 in ``model.yaml``: the same bytes on every run.

Used by the ``build.py`` of each model folder; not needed to run a model.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
from onnx import ModelProto
from spox import Tensor, Var, argument, build

IR_VERSION = 8
"""With opset 17: old enough for every ONNX Runtime this service accepts."""

_SHA256 = re.compile(r"^(\s+sha256:).*$", re.MULTILINE)


def inputs(columns: int) -> Var:
    """The graph's one input, ``x``: [n, columns] float64."""
    return argument(Tensor(np.float64, ("n", columns)))


def serialise(x: Var, outputs: dict[str, Var]) -> bytes:
    """The graph as bytes that depend on nothing but its content."""
    model: ModelProto = build({"x": x}, outputs)
    model.ir_version = IR_VERSION
    model.producer_name = ""
    model.producer_version = ""
    model.doc_string = ""
    del model.metadata_props[:]
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def pin(folder: Path, content: bytes) -> str:
    """Write the graph and its hash; returns the hash."""
    digest = hashlib.sha256(content).hexdigest()
    (folder / "model.onnx").write_bytes(content)
    manifest = folder / "model.yaml"
    text, found = _SHA256.subn(rf"\1 {digest}", manifest.read_text(encoding="utf-8"))
    if found != 1:
        raise ValueError(f"{manifest}: expected one 'sha256:' line, found {found}")
    manifest.write_text(text, encoding="utf-8")
    return digest
