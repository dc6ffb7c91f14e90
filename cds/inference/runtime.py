"""ONNX Runtime in this process.

Sessions are made lazily after the fork (a session never crosses one), one thread each: tabular graphs take
microseconds and more threads only spin. The provider really in use is read back, because a missing CUDA library
makes ONNX Runtime fall back to the CPU without an error.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import logging
import os
import threading
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cds  # noqa: F401  # sets ORT_DISABLE_TELEMETRY before the import below can happen
from cds.errors import ModelError, RuntimeConflict
from cds.inference.pinned import read_pinned

_log = logging.getLogger("cds.inference")

DISTRIBUTIONS = ("onnxruntime", "onnxruntime-gpu")


def check_installation() -> str:
    """The one ONNX Runtime distribution installed, as ``name version``. Raises RuntimeConflict for two or none:
    both unpack into the same folder, the later wins, and pip does not notice."""
    found = []
    for name in DISTRIBUTIONS:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    if len(found) > 1:
        raise RuntimeConflict(
            f"{' and '.join(found)} are installed together, so which of them runs is chance. Mend it with: "
            "pip uninstall -y onnxruntime onnxruntime-gpu, then pip install onnxruntime-gpu (or onnxruntime "
            "for a machine that never has a GPU)"
        )
    if not found:
        raise RuntimeConflict("ONNX Runtime is not installed: pip install onnxruntime-gpu")
    return found[0]


def wanted_providers() -> list[str]:
    """CUDA when this build has it and a device is there, then the CPU."""
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers() and _gpu_present():
        load_cuda_libraries()
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]
    return ["CPUExecutionProvider"]


@cache
def load_cuda_libraries() -> str:
    """CUDA and cuDNN from their wheels (the extra ``cuda``), else from where the system keeps them; what could not be
    loaded, for the log. ONNX Runtime finds those of wheels only when they are loaded before its first session."""
    import onnxruntime

    told = io.StringIO()
    with contextlib.redirect_stdout(told):  # it prints; standard output belongs to commands that answer in JSON
        onnxruntime.preload_dlls()
    missing = " | ".join(told.getvalue().split("\n")).strip(" |")
    if missing:
        _log.warning("cuda.libraries missing=%s", missing)
    return missing


def _gpu_present() -> bool:
    return Path("/proc/driver/nvidia/version").exists() or Path("/dev/nvidia0").exists()


class OnnxGraph:
    """One graph file, pinned by its SHA-256."""

    def __init__(self, path: Path, sha256: str, inputs: int) -> None:
        """``inputs``: how many columns the manifest lists."""
        self._path = path
        self._sha256 = sha256
        self._pid = -1
        self._session: Any = None
        self._lock = threading.Lock()
        self._inputs = inputs
        self.provider = ""

    def run(self, x: NDArray[np.float64], outputs: tuple[str, ...]) -> dict[str, NDArray[np.float64]]:
        """``x``: ``[n, inputs]`` float64. Raises ModelError."""
        session = self._session if self._pid == os.getpid() else self._open()
        try:
            results = session.run(list(outputs), {"x": x})
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise ModelError(f"{self._path.parent.name}: the graph failed: {type(error).__name__}") from error
        return dict(zip(outputs, results, strict=True))

    def require(self, outputs: tuple[str, ...]) -> None:
        """Open the session. Raises ModelError unless the graph takes and gives what its manifest lists."""
        session = self._open()
        name = self._path.parent.name
        given = {found.name: found.type for found in session.get_outputs()}
        for output in outputs:
            if output not in given:
                raise ModelError(f"{name}: the graph has no output '{output}', which its manifest lists")
            if given[output] != "tensor(double)":
                raise ModelError(f"{name}: output '{output}' is a {given[output]}, a graph gives tensor(double)")

    def outputs(self) -> frozenset[str]:
        """Names of everything the graph gives. Raises ModelError."""
        return frozenset(found.name for found in self._open().get_outputs())

    def _open(self) -> Any:
        with self._lock:
            if self._pid == os.getpid():
                return self._session
            content = read_pinned(self._path, self._sha256)
            self._session = self._make(content)
            self._pid = os.getpid()
            return self._session

    def _make(self, content: bytes) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(content, options, providers=wanted_providers())
        except Exception as error:  # as above
            raise ModelError(f"{self._path.parent.name}: the graph can't be loaded: {type(error).__name__}") from error
        taken = session.get_inputs()
        if [i.name for i in taken] != ["x"] or taken[0].type != "tensor(double)" or len(taken[0].shape) != 2:
            raise ModelError(f"{self._path.parent.name}: a graph takes one float64 tensor 'x' of shape [n, inputs]")
        if taken[0].shape[1] != self._inputs:
            columns, name = taken[0].shape[1], self._path.parent.name
            raise ModelError(f"{name}: the graph takes {columns} inputs, its manifest lists {self._inputs}")
        self.provider = session.get_providers()[0]
        _log.info("model.loaded model=%s provider=%s", self._path.parent.name, self.provider)
        return session
