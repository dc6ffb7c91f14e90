"""A network runs where it was asked to, or says that it doesn't: ONNX Runtime falls back without a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from cds.errors import ModelError
from cds.inference import registry
from cds.inference.volumes import network
from cds.inference.volumes.bundle import Stage
from cds.inference.volumes.network import Device, Network

NETWORK = Path(__file__).parents[2] / "models" / "pancreas-ct-demo"
CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"


@pytest.fixture(scope="module")
def stage() -> Stage:
    bundle = registry.load([NETWORK.parent])[NETWORK.name].manifest.runtime.volume
    assert bundle is not None
    return bundle.stages[0]


def falls_back(monkeypatch: pytest.MonkeyPatch, *found: list[str]) -> list[dict[str, Any]]:
    """A machine with a GPU, whose sessions, one after the other, run on these providers. What TensorRT was told of."""
    left, told = list(found), []

    class Session(onnxruntime.InferenceSession):  # type: ignore[misc]
        def __init__(self, *given: Any, **settings: Any) -> None:
            super().__init__(*given[:2], providers=[CPU])
            self._found = left.pop(0)
            told.extend(
                options
                for name, options in zip(settings["providers"], settings.get("provider_options", ()), strict=False)
                if name == TENSORRT
            )

        def get_providers(self) -> list[str]:
            return self._found

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [TENSORRT, CUDA, CPU])
    monkeypatch.setattr(network, "wanted_providers", lambda: [CUDA, CPU])
    return told


@pytest.mark.parametrize("provider", ["cpu", "auto", "cuda"])
def test_where_a_gpu_is_required_the_cpu_gives_no_answer(
    stage: Stage, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    falls_back(monkeypatch, [CPU])
    with pytest.raises(ModelError, match="runs on CPUExecutionProvider, and a GPU is required"):
        Network(stage, NETWORK, Device(provider=provider, required=True))


def test_one_fold_of_several_on_the_cpu_is_no_answer_either(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    falls_back(monkeypatch, [CUDA, CPU], [CPU])
    folds = stage.model_copy(update={"folds": stage.folds * 2})
    with pytest.raises(ModelError, match="a GPU is required"):
        Network(folds, NETWORK, Device(required=True))


def test_on_a_gpu_what_requires_one_runs(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    falls_back(monkeypatch, [CUDA, CPU])
    assert Network(stage, NETWORK, Device(required=True)).provider == CUDA


def test_cuda_does_not_pass_as_tensorrt(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    # the first session only tells how the graph's input is called
    falls_back(monkeypatch, [CPU], [CUDA, CPU])
    with pytest.raises(ModelError, match="runs on CUDAExecutionProvider, and TensorRT was asked for"):
        Network(stage, NETWORK, Device(provider="tensorrt"))


def test_tensorrt_builds_one_engine_for_any_number_of_windows_within_its_memory(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = falls_back(monkeypatch, [CPU], [TENSORRT, CUDA, CPU])
    Network(stage, NETWORK, Device(provider="tensorrt", memory_limit_mb=3000, half=True, engine_cache=tmp_path))
    [options] = told
    assert options["trt_profile_min_shapes"] == "x:1x1x40x64x64"
    assert options["trt_profile_opt_shapes"] == options["trt_profile_max_shapes"] == "x:4x1x40x64x64"
    assert options["trt_max_workspace_size"] == 3000 * 1024 * 1024
    assert options["trt_fp16_enable"] and options["trt_engine_cache_path"] == str(tmp_path)


def test_the_cpu_runs_one_window_at_a_time_and_a_gpu_four(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Device(provider="cpu").batch == 1
    falls_back(monkeypatch)
    assert (Device(provider="cpu").batch, Device().batch, Device(provider="tensorrt").batch) == (1, 4, 4)


def test_a_gpu_that_is_not_required_may_be_replaced(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    falls_back(monkeypatch, [CPU])
    assert Network(stage, NETWORK, Device()).provider == CPU
