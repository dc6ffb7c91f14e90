"""A hospital's package as pip installs it: built as a wheel, beside the product, answering over HTTP."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import sysconfig
import textwrap
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import sepsis_package
import tiny_models
from service import request, write_settings

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = """
    [build-system]
    requires = ["hatchling"]
    build-backend = "hatchling.build"

    [project]
    name = "hospital-cds"
    version = "1.2.3"
    description = "A hospital's own models and services."

    [project.entry-points."cds.models"]
    hospital = "hospital_models"

    [project.entry-points."cds.hooks"]
    hospital = "hospital_hooks"

    [tool.hatch.build.targets.wheel]
    packages = ["hospital_models", "hospital_hooks"]
"""


def run(*command: str | Path, folder: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("CDS_", "PYTHON"))}
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, a service in Python for one of them, and one that exists because the other's manifest says so."""
    source = tmp_path_factory.mktemp("hospital")
    (source / "pyproject.toml").write_text(textwrap.dedent(PYPROJECT), encoding="utf-8")
    sepsis_package.write_models(source / "hospital_models")
    sepsis_package.write_hooks(source / "hospital_hooks")
    tiny_models.write(source / "hospital_models", tiny_models.manifest("marker-risk"), tiny_models.graph())
    for package in ("hospital_models", "hospital_hooks"):
        (source / package / "__init__.py").write_text('"""The hospital\'s own."""\n', encoding="utf-8")
    out = tmp_path_factory.mktemp("wheels")
    pip = (sys.executable, "-m", "pip", "wheel", source, "--no-deps", "--no-build-isolation", "--quiet")
    run(*pip, "--wheel-dir", out, folder=out)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a fresh environment into which pip installed that wheel. The product and what it depends on are seen from
    here by their paths, for lack of time."""
    folder = tmp_path_factory.mktemp("venv")
    run(sys.executable, "-m", "venv", "--without-pip", folder, folder=folder)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--quiet", wheel, folder=folder)
    (site,) = folder.glob("lib/python*/site-packages")
    seen = f"{sysconfig.get_path('purelib')}\n{ROOT}\n"
    (site / "product.pth").write_text(seen, encoding="utf-8")
    return python


@pytest.fixture(scope="module")
def url(python: Path, tmp_path_factory: pytest.TempPathFactory, unused_port: int) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("service")
    settings = write_settings(folder, unused_port)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("CDS_", "PYTHON"))}
    with (folder / "service.log").open("wb") as log:
        command = [python, "-m", "cds", "--settings", settings, "serve"]
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment)
    address = f"http://127.0.0.1:{unused_port}"
    try:
        deadline = time.monotonic() + 40
        while not _answers(address):
            log_text = (folder / "service.log").read_text(encoding="utf-8", errors="replace")
            assert process.poll() is None, log_text[-3000:]
            assert time.monotonic() < deadline, log_text[-3000:]
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/health", timeout=5).ok
    except requests.ConnectionError:
        return False


@pytest.fixture(scope="module")
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def call(url: str, service: str, prefetch: dict[str, Any], patient: str) -> list[dict[str, Any]]:
    body = request("patient-view", {"userId": "Practitioner/1", "patientId": patient}, prefetch)
    answer = requests.post(f"{url}/cds-services/{service}", json=body, timeout=20)
    assert answer.status_code == 200, answer.text
    cards: list[dict[str, Any]] = answer.json()["cards"]
    return cards


def test_the_wheel_holds_data_and_entry_points_and_nothing_of_the_product(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        points = packed.read("hospital_cds-1.2.3.dist-info/entry_points.txt").decode()
    assert {n.split("/")[0] for n in names} == {"hospital_models", "hospital_hooks", "hospital_cds-1.2.3.dist-info"}
    for file in ("sepsis-signs/model.yaml", "marker-risk/model.onnx", "vocabulary/vitals.yaml"):
        assert f"hospital_models/{file}" in names
    assert "[cds.models]\nhospital = hospital_models" in points
    assert "[cds.hooks]\nhospital = hospital_hooks" in points


def test_pip_installed_it_where_the_product_is_not(python: Path, tmp_path: Path) -> None:
    program = (
        "import hospital_models, cds, importlib.metadata as m; "
        "print(hospital_models.__file__, cds.__file__, m.version('hospital-cds'), sep='\\n')"
    )
    theirs, ours, version = run(python, "-c", program, folder=tmp_path).splitlines()
    assert Path(theirs).is_relative_to(python.parents[1])
    assert Path(ours).is_relative_to(ROOT)
    assert version == "1.2.3"


def test_discovery_lists_both_services_beside_the_products_own(url: str) -> None:
    found = {s["id"]: s for s in requests.get(f"{url}/cds-services", timeout=10).json()["services"]}
    assert {"pancreas-risk", "sepsis-watch", "probe-marker-risk"} <= set(found)
    assert "urn:test|marker" in found["probe-marker-risk"]["prefetch"]["observations"]
    assert requests.get(f"{url}/ready", timeout=10).json()["models_not_loaded"] == []


def test_its_service_in_python_answers(url: str) -> None:
    when = datetime.now(UTC).isoformat()
    found = [
        sepsis_package.observation("1988-5", 240, "mg/L", when, "ill"),
        sepsis_package.observation("2524-7", 3.4, "mmol/L", when, "ill"),
    ]
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in found]}
    patient = {"resourceType": "Patient", "id": "ill", "birthDate": "1960-01-01", "gender": "male"}
    (card,) = call(url, "sepsis-watch", {"patient": patient, "observations": bundle}, "ill")
    assert card["summary"] == "Signs of sepsis: inflamed-and-acid"


def test_its_service_without_python_answers(url: str) -> None:
    prefetch = json.loads(json.dumps(tiny_models.chart(90, when=datetime.now(UTC).date().isoformat())))
    (card,) = call(url, "probe-marker-risk", prefetch, "probe")
    assert card["summary"] == "Risk about 88 in 100"
    assert call(url, "probe-marker-risk", tiny_models.chart(10, when="2026-01-05"), "probe") == []


def test_pip_takes_it_away_again(python: Path, url: str, tmp_path: Path) -> None:
    """Last of the file: what is installed decides, nothing is left registered."""
    program = (
        "from cds.inference.registry import installed_folders, load; "
        "print(*load(installed_folders()).models, sep='\\n')"
    )
    assert {"sepsis-signs", "marker-risk"} <= set(run(python, "-c", program, folder=tmp_path).splitlines())
    pip = (sys.executable, "-m", "pip", "--python", python, "uninstall", "--yes", "--quiet", "hospital-cds")
    run(*pip, folder=tmp_path)
    left = set(run(python, "-c", program, folder=tmp_path).splitlines())
    assert left.isdisjoint({"sepsis-signs", "marker-risk"})
    assert "endpac" in left
