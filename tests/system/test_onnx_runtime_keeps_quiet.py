"""ONNX Runtime's telemetry is off: no socket is opened and no file written, anywhere.

Its sockets are made in native code, where no hook of Python sees them; the kernel's list of system calls does.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import onnxruntime
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

# as gunicorn's workers do: threads that telemetry starts at the import would be missing after the fork
IMPORT_THEN_FORK = f"""
import os
import cds
import onnxruntime
child = os.fork()
if not child:
    try:
        exec({RUN_EVERY_MODEL!r})
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
_, status = os.waitpid(child, 0)
assert status == 0, status
"""

WITHOUT_THE_SWITCH = f"""
import os
import cds
del os.environ["ORT_DISABLE_TELEMETRY"]
exec({RUN_EVERY_MODEL!r})
"""

_TRACED = "%network,open,openat,openat2,creat,mkdir,mkdirat,mknod,mknodat,rename,renameat,renameat2,link,linkat,symlink"
_OPENED = re.compile(r'\b(?:open|openat|openat2)\((?:[^",]+, )?"([^"]*)", (\S*)')
_MADE = re.compile(r'\b(?:creat|mkdir\w*|mknod\w*|rename\w*|link\w*|symlink)\(.*"([^"]*)"')
_NOWHERE = {"/dev/null"}


@dataclass(frozen=True)
class Trace:
    lines: list[str]

    @property
    def sockets(self) -> list[str]:
        return [line for line in self.lines if re.search(r"\b(socket|socketpair|connect|sendto)\(", line)]

    @property
    def written(self) -> set[str]:
        """Every path opened for writing, made or renamed, whether or not that succeeded."""
        opened = (_OPENED.search(line) for line in self.lines)
        paths = {m[1] for m in opened if m is not None and re.search("O_WRONLY|O_RDWR|O_CREAT|O_TRUNC", m[2])}
        return (paths | {m[1] for line in self.lines if (m := _MADE.search(line)) is not None}) - _NOWHERE


def traced(tmp_path: Path, script: str) -> Trace:
    strace = shutil.which("strace")
    if strace is None:
        pytest.fail("This test reads the system calls of a process: run `apt-get install strace`.")
    home, calls = tmp_path / "home", tmp_path / "calls"
    home.mkdir()
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LD_LIBRARY_PATH")}
    environment = {**kept, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(
        [strace, "-f", "-qq", "-e", f"trace={_TRACED}", "-o", str(calls), sys.executable, "-c", script],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert "socket:" not in ran.stdout
    return Trace(calls.read_text(errors="replace").splitlines())


@pytest.mark.parametrize("script", [RUN_EVERY_MODEL, IMPORT_THEN_FORK], ids=["one process", "forked worker"])
def test_no_socket_is_opened_and_no_file_written(tmp_path: Path, script: str) -> None:
    trace = traced(tmp_path, script)
    assert any("model.onnx" in line for line in trace.lines)  # the tracing worked, and models were read
    assert trace.sockets == []
    assert trace.written == set()
    assert list((tmp_path / "home").rglob("*")) == []


@pytest.mark.skipif(
    tuple(map(int, onnxruntime.__version__.split(".")[:2])) < (1, 29), reason="this one has no telemetry on Linux"
)
def test_without_the_switch_it_would_write_and_be_seen(tmp_path: Path) -> None:
    """The control: silence above is the switch's doing and not the search's blindness."""
    trace = traced(tmp_path, WITHOUT_THE_SWITCH)
    assert any(path.startswith(str(tmp_path / "home")) for path in trace.written)


def test_a_socket_and_a_file_are_seen(tmp_path: Path) -> None:
    trace = traced(tmp_path, f"import socket; socket.socket().close(); open({str(tmp_path / 'x')!r}, 'w').close()")
    assert len(trace.sockets) == 1
    assert trace.written == {str(tmp_path / "x")}


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
