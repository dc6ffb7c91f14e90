"""ONNX Runtime's telemetry is off: no socket is opened and nothing is written to the home directory.

Its sockets are made in native code, where no hook of Python sees them; the kernel's list of system calls does.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cds.inference.runtime import DISTRIBUTIONS

pytestmark = pytest.mark.system

RUN_EVERY_MODEL = """
import time
from cds.inference import registry
models = registry.load(registry.installed_folders()).models
assert len(models) >= 6
for model in models.values():
    model.warm()
assert any(model.graph is not None and model.graph.provider for model in models.values())
time.sleep(3)
import os
print([os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{n}")])
"""


def _environment(home: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LD_LIBRARY_PATH")}
    return {**kept, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}


def test_no_socket_is_opened_and_no_file_written(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.fail("This test reads the system calls of a process: run `apt-get install strace`.")
    home, calls = tmp_path / "home", tmp_path / "calls"
    home.mkdir()
    traced = [
        strace,
        "-f",
        "-qq",
        "-e",
        "trace=socket,connect,openat,open,creat,mkdir,mkdirat,rename",
        "-o",
        str(calls),
    ]
    ran = subprocess.run(
        [*traced, sys.executable, "-c", RUN_EVERY_MODEL],
        check=False,
        env=_environment(home),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert "socket:" not in ran.stdout
    lines = calls.read_text(errors="replace").splitlines()
    assert any("model.onnx" in line for line in lines)  # the tracing worked, and models were read
    assert [line for line in lines if "AF_INET" in line] == []
    written = [line for line in lines if str(home) in line and ("O_CREAT" in line or "O_WRONLY" in line)]
    assert written == []
    assert list(home.rglob("*")) == []


def _second_distribution(folder: Path) -> dict[str, str]:
    """An environment in which the other ONNX Runtime distribution seems to be installed as well."""
    installed = {d.metadata["Name"] for d in importlib.metadata.distributions()}
    (other,) = (name for name in DISTRIBUTIONS if name not in installed)
    info = folder / f"{other.replace('-', '_')}-1.20.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {other}\nVersion: 1.20.0\n")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
    return environment | {"PYTHONPATH": str(folder)}


@pytest.mark.parametrize("command", [["check", "--offline"], ["serve"], ["models", "list"]], ids=" ".join)
def test_two_distributions_together_are_refused_with_the_remedy(tmp_path: Path, command: list[str]) -> None:
    environment = _second_distribution(tmp_path)
    settings = tmp_path / "cds.toml"
    settings.write_text(f'environment = "demo"\ndata_dir = "{tmp_path / "var"}"\nport = 1\n')
    ran = subprocess.run(
        [sys.executable, "-m", "cds", "--settings", str(settings), *command],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    told = " ".join((ran.stdout + ran.stderr).split())
    if command == ["models", "list"]:  # only looks; it may answer, but must not crash
        assert "Traceback" not in told
        return
    assert ran.returncode != 0
    assert "CDS-106" in told
    assert "onnxruntime" in told and "onnxruntime-gpu" in told
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in told
    assert "Traceback" not in told
