from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from hospital import KEY, Hospital, populated
from trying import CHANGE, Preview, put_on_that_day

from cds.inference import registry


@pytest.fixture(scope="session")
def versions() -> dict[str, str]:
    found = registry.load(registry.installed_folders()).models
    return {id: model.manifest.version for id, model in found.items()}


@pytest.fixture
def hospital(tmp_path: Path, versions: dict[str, str]) -> Iterator[Hospital]:
    made = Hospital(tmp_path, versions)
    yield made
    made.close()


@pytest.fixture(scope="session")
def followed(tmp_path_factory: pytest.TempPathFactory, versions: dict[str, str]) -> Iterator[Hospital]:
    """Six thousand patients with outcomes, looked at and left as they are."""
    made = populated(Hospital(tmp_path_factory.mktemp("followed"), versions), 6000, outcomes=True)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch) -> None:
    put_on_that_day(monkeypatch)


@pytest.fixture
def preview(tmp_path: Path) -> Preview:
    """``preview(hospital, "--days", "1500", change=...)``: the command, on that hospital's ledger."""

    def run(
        hospital: Hospital | None, *words: str, change: str = CHANGE, charter: Path | None = None, zone: str = "UTC"
    ) -> Result:
        from command_line import cds

        settings, file = tmp_path / "cds.toml", tmp_path / "change.yaml"
        folder = hospital.folder if hospital is not None else tmp_path / "nowhere"
        own = f"[committee]\ncharter_file = {json.dumps(str(charter))}\n" if charter is not None else ""
        settings.write_text(
            f"data_dir = {json.dumps(str(folder))}\nledger_key = {json.dumps(KEY.decode())}\n"
            f"timezone = {json.dumps(zone)}\n{own}"
        )
        file.write_text(change, encoding="utf-8")
        return cds("policy", "preview", file, *words, settings=settings)

    return run
