"""On a GPU a network says what it says on the CPU. Skipped, with the reason, where ONNX Runtime has none that works."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cds.errors import ModelError
from cds.inference import registry
from cds.inference.volumes.analyse import Analysis, Assessed
from cds.inference.volumes.bundle import Bundle
from cds.inference.volumes.network import Device, Network
from hooks.stories import studies

NETWORK = Path(__file__).parents[2] / "models" / "pancreas-ct-demo"
TOLERANCE = {"cuda": 5e-3, "tensorrt": 5e-3}
"""Of logits: GPUs add up in another order, and TensorFloat-32 keeps ten bits."""


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    found = registry.load([NETWORK.parent])[NETWORK.name].manifest.runtime.volume
    assert found is not None
    return found


@pytest.fixture(scope="module", params=["cuda", "tensorrt"])
def device(request: pytest.FixtureRequest, bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Device:
    found = Device(provider=request.param, required=True, engine_cache=tmp_path_factory.mktemp("engines"))
    try:
        Network(bundle.stages[0], NETWORK, found)
    except ModelError as error:
        pytest.skip(f"no {request.param} here: {error}")
    return found


@pytest.mark.parametrize("count", [4, 1, 3])
def test_logits_and_features_are_those_of_the_cpu(bundle: Bundle, device: Device, count: int) -> None:
    for stage in bundle.stages:
        windows = np.random.default_rng(count).normal(size=(count, 1, *stage.patch)).astype(np.float32)
        there, here = (Network(stage, NETWORK, one)(windows) for one in (device, Device(provider="cpu")))
        assert np.abs(there[0] - here[0]).max() < TOLERANCE[device.provider]
        assert there[1] is not None and here[1] is not None
        assert np.abs(there[1] - here[1]).max() < TOLERANCE[device.provider]


def test_a_scan_is_assessed_alike(bundle: Bundle, device: Device) -> None:
    scan = studies.IMAGED[0].scans[-1]
    made = studies._phantom().make(scan.seed, lesion=True, lesion_mm=scan.lesion_mm)
    hu: NDArray[np.int16] = made.ct
    there, here = (Analysis(bundle, NETWORK, one)(hu, made.spacing) for one in (device, Device(provider="cpu")))
    assert isinstance(there, Assessed) and isinstance(here, Assessed)
    assert there.category == here.category
    assert there.likelihood == pytest.approx(here.likelihood, abs=0.02)
    assert there.found.candidates[0].volume_ml == pytest.approx(here.found.candidates[0].volume_ml, rel=0.05)
