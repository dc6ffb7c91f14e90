"""The graphs of a stage: on a model server where there is one, else in ONNX Runtime here: CUDA or TensorRT where they
really run, the CPU with the same answer.

The window is fixed and only the number of windows is free, so that TensorRT builds one engine for all of them. Windows
go to the device once, as a value that the folds of a stage share, and what they say comes back once; on the CPU that is
the same way without a copy. Which provider is in use is read back: asked for one that is missing, ONNX Runtime falls
back to the CPU without an error.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cds  # noqa: F401  # sets ORT_DISABLE_TELEMETRY before the import below can happen
from cds.errors import ModelError, ModelServerError, OutOfMemory
from cds.inference.open_inference import ModelServer, name_of
from cds.inference.pinned import read_pinned
from cds.inference.runtime import wanted_providers
from cds.inference.volumes.bundle import Stage

_log = logging.getLogger("cds.inference")

Array = NDArray[np.float32]

_CPU, _CUDA, _TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"


@dataclass(frozen=True)
class Device:
    """Where and how volumes are computed."""

    threads: int = 2
    provider: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``tensorrt``."""
    device_id: int = 0
    memory_limit_mb: int = 0
    """Of the GPU, for this process; 0: all."""
    half: bool = False
    """TensorRT: compute in 16 bits where the engine sees fit."""
    engine_cache: Path | None = None
    required: bool = False
    """True: rather no answer than one from the CPU."""

    @property
    def batch(self) -> int:
        """Most windows in one run: more gain little on a CPU and cost memory."""
        return 1 if self.provider == "cpu" or wanted_providers()[0] == _CPU else 4


class Network:
    """The folds of one stage. Not shared across a fork."""

    def __init__(self, stage: Stage, folder: Path, device: Device, server: ModelServer | None = None) -> None:
        """Raises ModelError for a file that is missing, not the one pinned, or not of the stage's shape."""
        self.stage = stage
        self._device = device
        self._server = server
        self._names = [name_of(folder.name, fold.file, fold.sha256) for fold in stage.folds]
        self._files = [(folder / fold.file, fold.sha256) for fold in stage.folds]
        self._sessions: list[Any] | None = None
        if server is None:
            self._here()

    @property
    def provider(self) -> str:
        """Where it runs: an execution provider of ONNX Runtime, or the model server."""
        if self._sessions is None or (self._server is not None and not self._server.resting):
            return "open-inference"
        return str(self._sessions[0].get_providers()[0])

    def __call__(self, windows: Array) -> tuple[Array, Array | None]:
        """[n, 1, z, y, x] normalised -> mean logits of the folds, and the first fold's features. Raises ModelError."""
        here = _Placed(windows, self._device)
        total, features = self._fold(0, windows, here)
        for number in range(1, len(self._names)):
            total = total + self._fold(number, windows, here)[0]
        total = np.asarray(total / len(self._names), dtype=np.float32)
        if not np.isfinite(total).all():
            raise ModelError(f"stage '{self.stage.name}': the graph gave a value that is not finite")
        return total, features

    def _fold(self, number: int, windows: Array, here: _Placed) -> tuple[Array, Array | None]:
        if self._server is not None:
            try:
                return self._there(self._server, self._names[number], windows)
            except ModelServerError:
                if not self._server.address.fallback:
                    raise
        return _run(self._here()[number], here)

    def _there(self, server: ModelServer, name: str, windows: Array) -> tuple[Array, Array | None]:
        found = server.infer(name, windows)
        logits = found.get("logits", next(iter(found.values())))
        expected = (len(windows), len(self.stage.classes), *self.stage.patch)
        if logits.shape != expected:
            raise ModelServerError(f"the model server gave {logits.shape}, the manifest says {expected}")
        return _told(logits, found.get("features"))

    def _here(self) -> list[Any]:
        """The graphs in this process; opened when a model server is first found wanting."""
        if self._sessions is None:
            sessions = [_opened(path, sha256, self.stage, self._device) for path, sha256 in self._files]
            for session in sessions:
                _fits(session, self.stage)
                _runs_where_asked(session.get_providers(), self.stage, self._device)
            self._sessions = sessions
        return self._sessions


class _Placed:
    """Windows in the memory of the device that runs them, put there when first asked for."""

    def __init__(self, windows: Array, device: Device) -> None:
        self._windows, self._device = windows, device
        self._values: dict[tuple[str, bool], Any] = {}

    def on(self, kind: str, *, half: bool) -> Any:
        """An OrtValue; ``kind``: ``cuda`` or ``cpu``."""
        if (kind, half) not in self._values:
            import onnxruntime

            fed = np.ascontiguousarray(self._windows, dtype=np.float16 if half else np.float32)
            self._values[kind, half] = onnxruntime.OrtValue.ortvalue_from_numpy(fed, kind, self.device_id(kind))
        return self._values[kind, half]

    def device_id(self, kind: str) -> int:
        return self._device.device_id if kind != "cpu" else 0


def _opened(path: Path, sha256: str, stage: Stage, device: Device) -> Any:
    import onnxruntime

    read_pinned(path, sha256)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = device.threads
    options.inter_op_num_threads = 1
    # threads that spin while they wait would take the web workers' processor
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        names, settings = _providers(device, lambda: _shapes(path, stage, device))
        # by path: weights beyond two gigabytes lie beside the graph
        session = onnxruntime.InferenceSession(str(path), options, providers=names, provider_options=settings)
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise _failure(f"{path.name}: the graph can't be loaded", error) from error
    _log.info("network.loaded file=%s provider=%s", path.name, session.get_providers()[0])
    return session


def _shapes(path: Path, stage: Stage, device: Device) -> dict[str, str]:
    """Fewest, usual and most windows, for which TensorRT builds its one engine: else another number of windows, the
    last of a scan, would have it built anew, which takes minutes."""
    import onnxruntime

    [taken] = onnxruntime.InferenceSession(str(path), providers=[_CPU]).get_inputs()
    window = "x".join(str(n) for n in (1, *stage.patch))
    least, most = f"{taken.name}:1x{window}", f"{taken.name}:{device.batch}x{window}"
    return {"trt_profile_min_shapes": least, "trt_profile_opt_shapes": most, "trt_profile_max_shapes": most}


def _providers(device: Device, shapes: Callable[[], dict[str, str]] = dict) -> tuple[list[str], list[dict[str, Any]]]:
    """``shapes``: asked for where TensorRT runs."""
    import onnxruntime

    cuda: dict[str, Any] = {
        "device_id": device.device_id,
        # exhaustive search costs seconds once and is what makes 3D convolutions quick
        "cudnn_conv_algo_search": "EXHAUSTIVE",
        "arena_extend_strategy": "kSameAsRequested",
    }
    if device.memory_limit_mb:
        cuda["gpu_mem_limit"] = device.memory_limit_mb * 1024 * 1024
    found: list[tuple[str, dict[str, Any]]] = [(_CPU, {})]
    on_gpu = wanted_providers()[0] != _CPU and device.provider != "cpu"
    if on_gpu:
        found.insert(0, (_CUDA, cuda))
    if on_gpu and device.provider == "tensorrt":
        if _TENSORRT not in onnxruntime.get_available_providers():
            raise ModelError("TensorRT was asked for, and this ONNX Runtime has none")
        trt: dict[str, Any] = {"device_id": device.device_id, "trt_fp16_enable": device.half, **shapes()}
        if device.memory_limit_mb:
            trt["trt_max_workspace_size"] = device.memory_limit_mb * 1024 * 1024
        if device.engine_cache is not None:
            device.engine_cache.mkdir(parents=True, exist_ok=True)
            trt |= {
                "trt_engine_cache_enable": True,
                "trt_engine_cache_path": str(device.engine_cache),
                "trt_timing_cache_enable": True,
                "trt_timing_cache_path": str(device.engine_cache),
            }
        found.insert(0, (_TENSORRT, trt))
    return [name for name, _ in found], [settings for _, settings in found]


def _runs_where_asked(providers: list[str], stage: Stage, device: Device) -> None:
    """ONNX Runtime drops a provider whose libraries it can't load, and says so to nobody."""
    if device.required and providers[0] == _CPU:
        raise ModelError(f"stage '{stage.name}' runs on {_CPU}, and a GPU is required")
    if _TENSORRT in _providers(device)[0] and providers[0] != _TENSORRT:
        raise ModelError(f"stage '{stage.name}' runs on {providers[0]}, and TensorRT was asked for")


def _fits(session: Any, stage: Stage) -> None:
    taken, given = session.get_inputs(), {o.name: o for o in session.get_outputs()}
    expected = [1, *stage.patch]
    if len(taken) != 1 or list(taken[0].shape[1:]) != expected:
        raise ModelError(f"stage '{stage.name}': the graph takes {taken[0].shape[1:]}, the manifest says {expected}")
    logits = given.get("logits") or next(iter(given.values()))
    if logits.shape[1] != len(stage.classes):
        raise ModelError(
            f"stage '{stage.name}': the graph tells {logits.shape[1]} classes apart, the manifest names "
            f"{len(stage.classes)}"
        )


def _run(session: Any, windows: _Placed) -> tuple[Array, Array | None]:
    [taken] = session.get_inputs()
    kind = "cpu" if session.get_providers()[0] == _CPU else "cuda"
    names = [o.name for o in session.get_outputs()]
    try:
        fed = windows.on(kind, half=taken.type == "tensor(float16)")
        binding = session.io_binding()
        binding.bind_ortvalue_input(taken.name, fed)
        for name in names:
            binding.bind_output(name, kind, windows.device_id(kind))
        session.run_with_iobinding(binding)
        results = binding.copy_outputs_to_cpu()
    except Exception as error:  # as above
        raise _failure("the graph failed", error) from error
    by_name = dict(zip(names, results, strict=True))
    return _told(by_name.get("logits", results[0]), by_name.get("features"))


_NO_ROOM = re.compile(
    r"failed to allocate memory|smaller than requested bytes|out of memory|ALLOC_FAILED|bad_alloc", re.IGNORECASE
)
"""What ONNX Runtime's arena, CUDA, cuBLAS and cuDNN, and C++ say when memory is refused; there is no type for it."""


def _failure(what: str, error: Exception) -> ModelError:
    if isinstance(error, MemoryError) or _NO_ROOM.search(str(error)):
        return OutOfMemory(f"{what}: too little free memory")
    return ModelError(f"{what}: {type(error).__name__}")


def _told(logits: NDArray[Any], features: NDArray[Any] | None) -> tuple[Array, Array | None]:
    return logits.astype(np.float32, copy=False), None if features is None else features.astype(np.float32, copy=False)
