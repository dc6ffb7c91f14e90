"""What pip installs is the whole product: built as a wheel, installed in an empty environment, run elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from hooks.stories.studies import IMAGED

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("cds", "hooks", "models")


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("CDS_", "PYTHON"))}
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "wheel", ROOT, "--no-deps", "--no-build-isolation", "--quiet")
    run(*pip, "--wheel-dir", folder, folder=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a fresh environment: the wheel as pip installs it, and what it depends on from here, for lack of time.

    The path of this environment's packages is added as a path only, so that the checkout installed here in editable
    form is not seen.
    """
    folder = tmp_path_factory.mktemp("venv")
    run(sys.executable, "-m", "venv", "--without-pip", folder, folder=folder)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--quiet", wheel, folder=folder)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python


def test_every_file_of_the_product_is_in_the_wheel(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    ignored = ("__pycache__", ".pyc")
    wanted = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and not any(mark in str(path) for mark in ignored)
    }
    assert wanted - packed == set()
    for kind in ("policy.yaml", "model.onnx", "catalogue/nl.yaml", "vocabulary/labs.yaml", ".html", ".css", ".mako"):
        assert any(name.endswith(kind) for name in packed), kind
    assert any(name.startswith("cds/ledger/migrations/versions/") for name in packed)
    assert "cds/openapi.yaml" in packed


def test_nothing_else_is_in_the_wheel(wheel: Path) -> None:
    """No tests, no caches, no data of this machine."""
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_the_installed_product_runs_from_the_wheel_alone(python: Path, tmp_path: Path) -> None:
    program = (
        "import cds, hooks, models, importlib.metadata as m; "
        "from cds.web.operations import openapi_text; assert 'openapi' in openapi_text(); "
        "print(*(p.__file__ for p in (cds, hooks, models)), m.distribution('pancreas-cds').locate_file(''), sep='\\n')"
    )
    for place in run(python, "-c", program, folder=tmp_path).stdout.splitlines():
        assert Path(place).is_relative_to(python.parents[1]), f"{place} is not the wheel's"


def test_the_demonstration_works_as_installed(python: Path, tmp_path: Path) -> None:
    """By the command that pip put there, in a folder that has nothing of the checkout, with the embedded archive."""
    done = run(python.parent / "cds", "demo", "--once", "--data-dir", tmp_path / "data", folder=tmp_path)
    assert "every one got the cards expected." in done.stdout
    assert f"{len(IMAGED)} patients with scans, every scan was dealt with as expected." in done.stdout
    for log in ("demo.log", "worker.log"):
        assert "Traceback" not in (tmp_path / "data" / log).read_text(encoding="utf-8")
