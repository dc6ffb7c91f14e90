"""Networks on a real Triton give the answers they give here, and what it can't do is computed here.

Needs the environment of `make test-model-server`; without it each test skips, saying so.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import requests
from command_line import cds

from cds.errors import ModelServerError
from cds.inference import model_repository, registry
from cds.inference.open_inference import Address, ModelServer, name_of
from cds.inference.volumes import golden
from cds.inference.volumes.analyse import Analysis, Assessed
from cds.inference.volumes.network import Device, Network

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-triton" / "bin" / "python"
NETWORK, TABLE = ROOT / "models" / "pancreas-ct-demo", ROOT / "models" / "metastatic-os"
CPU = Device(threads=1, provider="cpu")

INSTALLED = ROOT / ".venv-triton" / ".installed"
pytestmark = pytest.mark.skipif(not INSTALLED.exists(), reason="no .venv-triton: run `make test-model-server`")


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the command writes it."""
    place = tmp_path_factory.mktemp("repository")
    for folder in (NETWORK, TABLE):
        result = cds("models", "export-triton", folder.name, "--output", place)
        assert result.exit_code == 0, result.output
    return place


PARSED = """
import json, sys
from pathlib import Path
from google.protobuf import json_format, text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

found = {}
for place in Path(sys.argv[1]).iterdir():
    config = text_format.Parse((place / "config.pbtxt").read_text(encoding="utf-8"), ModelConfig())
    found[place.name] = json_format.MessageToDict(config, preserving_proto_field_name=True)
print(json.dumps(found))
"""
"""Every configuration, read with Triton's own schema, which refuses a field or a value it does not know."""


def test_each_configuration_is_one_by_triton_s_own_schema_and_of_its_graph(repository: Path) -> None:
    done = subprocess.run([str(PYTHON), "-c", PARSED, str(repository)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert len(found) == 3
    for name, config in found.items():
        graph = onnxruntime.InferenceSession(repository / name / "1" / "model.onnx", providers=["CPUExecutionProvider"])
        assert (config["name"], config["backend"]) == (name, "onnxruntime")
        assert config["max_batch_size"] == model_repository.MOST_ROWS
        assert config["dynamic_batching"] == {}
        for role, told in (("input", graph.get_inputs()), ("output", graph.get_outputs())):
            assert [one["name"] for one in config[role]] == [one.name for one in told]
            for one, of in zip(config[role], told, strict=True):
                assert one["data_type"] == {"tensor(float)": "TYPE_FP32", "tensor(double)": "TYPE_FP64"}[of.type]
                # the server puts a number of rows before them, which a graph that gives one number a row has alone
                assert [int(n) for n in one["dims"]] == (of.shape[1:] or [1])
                assert ("reshape" in one) is (len(of.shape) == 1)


@pytest.fixture(scope="module")
def triton(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the server."""
    ports = free_ports(3)
    place = tmp_path_factory.mktemp("triton")
    libraries = f"{sysconfig.get_config_var('LIBDIR')}:{os.environ.get('LD_LIBRARY_PATH', '')}"
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(PYTHON), str(Path(__file__).parent / "triton.py"), str(repository), *(str(p) for p in ports)],
            stdout=log,
            stderr=log,
            cwd=place,
            env={**os.environ, "LD_LIBRARY_PATH": libraries},
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{ports[0]}"
    names = [entry.name for entry in repository.iterdir()]
    try:
        deadline = time.monotonic() + 90
        while not all(loaded(address, name) for name in names):
            assert process.poll() is None and time.monotonic() < deadline, (place / "log").read_text()[-2000:]
            time.sleep(0.3)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def loaded(address: str, name: str) -> bool:
    try:
        return requests.get(f"{address}/v2/models/{name}/ready", timeout=2).status_code == 200
    except requests.RequestException:
        return False


@pytest.mark.parametrize("binary", [False, True], ids=["json", "binary"])
def test_a_stage_on_the_server_says_what_it_says_here(triton: str, binary: bool) -> None:
    bundle = registry.read(NETWORK).manifest.runtime.volume
    assert bundle is not None
    stage = bundle.stages[1]
    seen = np.concatenate([golden.window(stage, seed) for seed in (1, 2)])
    here, features_here = Network(stage, NETWORK, CPU)(seen)
    server = ModelServer(Address(triton, binary=binary, fallback=False))
    network = Network(stage, NETWORK, CPU, server)
    there, features_there = network(seen)
    assert network.provider == "open-inference"
    assert np.abs(there - here).max() <= 1e-4 * max(1.0, np.abs(here).max())
    assert features_here is not None and features_there is not None
    assert np.allclose(features_there, features_here, atol=1e-4)


def test_a_whole_scan_on_the_server_ends_as_it_ends_here(triton: str) -> None:
    import sys

    sys.path.insert(0, str(NETWORK))
    try:
        import phantom
    finally:
        sys.path.remove(str(NETWORK))
    made = phantom.make(4_000_002, lesion=True, lesion_mm=14)
    bundle = registry.read(NETWORK).manifest.runtime.volume
    assert bundle is not None
    here = Analysis(bundle, NETWORK, CPU)(made.ct, made.spacing)
    server = ModelServer(Address(triton, binary=True, fallback=False))
    there = Analysis(bundle, NETWORK, CPU, server)(made.ct, made.spacing)
    assert type(there) is type(here)
    if isinstance(here, Assessed) and isinstance(there, Assessed):
        assert there.category == here.category
        assert there.likelihood == pytest.approx(here.likelihood, abs=1e-4)
        assert there.found.map == pytest.approx(here.found.map, abs=1e-3)


@pytest.mark.parametrize("binary", [False, True], ids=["json", "binary"])
def test_a_table_on_the_server_gives_the_doubles_it_gives_here(triton: str, binary: bool) -> None:
    model = registry.load([ROOT / "models"])["metastatic-os"]
    rows = np.random.default_rng(7).uniform(0.5, 1.5, (3, len(model.manifest.inputs)))
    for column, spec in enumerate(model.manifest.inputs):
        low, high = spec.range or (0.0, 1.0)
        rows[:, column] = np.linspace(low, high, 5)[1:4]
    runtime = model.manifest.runtime
    assert runtime.file is not None and runtime.sha256 is not None
    server = ModelServer(Address(triton, binary=binary))
    read = rows[:, list(model.manifest.columns)]  # the others only say for whom it is
    there = server.infer(name_of("metastatic-os", runtime.file, runtime.sha256), read)
    assert model.graph is not None
    assert len(there) > 1
    for name, here in model.graph.run(read, tuple(there)).items():
        assert np.allclose(there[name].reshape(here.shape), here, rtol=1e-12), name


def test_another_version_of_a_graph_is_not_there_under_its_name(triton: str) -> None:
    server = ModelServer(Address(triton))
    assert not server.ready(name_of("metastatic-os", "model.onnx", "0" * 64))
    with pytest.raises(ModelServerError, match="answered 4"):
        server.infer(name_of("metastatic-os", "model.onnx", "0" * 64), np.zeros((1, 11)))


def test_a_graph_the_server_lacks_is_computed_here_instead(triton: str) -> None:
    bundle = registry.read(NETWORK).manifest.runtime.volume
    assert bundle is not None
    stage = bundle.stages[0]
    server = ModelServer(Address(triton))
    network = Network(stage, NETWORK, CPU, server)
    network._names = [name_of("elsewhere", "locate.onnx", "0" * 64)]
    seen = golden.window(stage, 1)
    assert np.array_equal(network(seen)[0], Network(stage, NETWORK, CPU)(seen)[0])
    assert network.provider == "CPUExecutionProvider"
    network._server = ModelServer(replace(server.address, fallback=False))
    with pytest.raises(ModelServerError):
        network(seen)
