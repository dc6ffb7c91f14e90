"""A model repository as Triton reads it: each graph under the name by which a worker asks for it.

Layout and configuration: https://github.com/triton-inference-server/server/blob/main/docs/user_guide/model_repository.md
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cds  # noqa: F401  # sets ORT_DISABLE_TELEMETRY before the import below can happen
from cds.errors import ModelError
from cds.inference.manifest import Manifest
from cds.inference.open_inference import name_of
from cds.inference.pinned import read_pinned

_TYPES = {"tensor(float)": "TYPE_FP32", "tensor(double)": "TYPE_FP64", "tensor(float16)": "TYPE_FP16"}
MOST_ROWS = 8
"""Windows, or patients, a server may put together in one run."""


def graphs(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """(file, SHA-256) of each graph of a model."""
    runtime = manifest.runtime
    if runtime.file is not None and runtime.sha256 is not None:
        yield runtime.file, runtime.sha256
    for stage in runtime.volume.stages if runtime.volume is not None else ():
        for fold in stage.folds:
            yield fold.file, fold.sha256


def write(manifest: Manifest, folder: Path, repository: Path) -> list[str]:
    """Copy every graph of the model in ``folder`` below ``repository``, each with its configuration. Returns the names
    they are served under. Raises ModelError for a graph that is not the one pinned, or for a model without any."""
    written = [_one(folder, file, sha256, repository) for file, sha256 in graphs(manifest)]
    if not written:
        raise ModelError(f"{manifest.id} has no graph: its rules are computed by the service itself")
    return written


def _one(folder: Path, file: str, sha256: str, repository: Path) -> str:
    path = folder / file
    read_pinned(path, sha256)
    name = name_of(folder.name, file, sha256)
    place = repository / name
    version = place / "1"
    version.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, version / "model.onnx")
    beside = path.with_name(path.name + ".data")
    if beside.exists():  # weights beyond two gigabytes lie beside the graph, under the name it gives them
        shutil.copyfile(beside, version / beside.name)
    (place / "config.pbtxt").write_text(_configuration(name, path), encoding="utf-8")
    return name


def _configuration(name: str, path: Path) -> str:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise ModelError(f"{path.name}: the graph can't be loaded: {type(error).__name__}") from error
    return "\n".join(
        [
            f'name: "{name}"',
            'backend: "onnxruntime"',
            f"max_batch_size: {MOST_ROWS}",
            *(_tensor("input", one) for one in session.get_inputs()),
            *(_tensor("output", one) for one in session.get_outputs()),
            "dynamic_batching { }",
            "",
        ]
    )


def _tensor(role: str, told: Any) -> str:
    """Without the rows: they are what the server puts together."""
    kind = _TYPES.get(told.type)
    if kind is None:
        raise ModelError(f"{role} '{told.name}' is a {told.type}, which a model server is not asked for")
    # a graph that gives one number a row says [n]; the server counts the rows itself
    dims = ", ".join(str(n) if isinstance(n, int) else "-1" for n in told.shape[1:]) or "1"
    reshape = " reshape { shape: [ ] }" if len(told.shape) == 1 else ""
    return f'{role} [ {{ name: "{told.name}" data_type: {kind} dims: [ {dims} ]{reshape} }} ]'
