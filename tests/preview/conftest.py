from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hospital import KEY, NOW, Hospital, populated

from cds.cli.policy import preview as command
from cds.inference import registry

CHANGE = """\
name: Lower threshold
author: A. Lead
effective: 2026-01-01
reason: to see what it would cost
services:
  pancreas-risk:
    parameters: {risk_at_least: 0.01}
"""


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


def put_on_that_day(patch: pytest.MonkeyPatch) -> None:
    """The day the hospital's calls are counted from; the clock alone is put in place."""
    person = command.person_of

    def on_that_day(*given: Any) -> Any:
        return replace(person(*given), now=NOW, today=NOW.date())

    patch.setattr(command, "person_of", on_that_day)


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch) -> None:
    put_on_that_day(monkeypatch)


Preview = Callable[..., Result]


@pytest.fixture
def preview(tmp_path: Path) -> Preview:
    """``preview(hospital, "--days", "1500", change=...)``: the command, on that hospital's ledger."""

    def run(hospital: Hospital | None, *words: str, change: str = CHANGE, charter: Path | None = None) -> Result:
        from command_line import cds

        settings, file = tmp_path / "cds.toml", tmp_path / "change.yaml"
        folder = hospital.folder if hospital is not None else tmp_path / "nowhere"
        own = f"[committee]\ncharter_file = {json.dumps(str(charter))}\n" if charter is not None else ""
        settings.write_text(f"data_dir = {json.dumps(str(folder))}\nledger_key = {json.dumps(KEY.decode())}\n{own}")
        file.write_text(change, encoding="utf-8")
        return cds("policy", "preview", file, *words, settings=settings)

    return run
