from __future__ import annotations

import sys
from pathlib import Path

import pytest

# the command line in this process
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))


@pytest.fixture(scope="session")
def models() -> object:
    """Every packaged model, loaded once."""
    from cds.inference import registry

    return registry.load(registry.installed_folders())


@pytest.fixture
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder: a cds.toml of this machine must not take part."""
    monkeypatch.chdir(tmp_path)
