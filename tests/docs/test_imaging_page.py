"""What docs/imaging.md shows can be typed: settings that load, commands, states and reasons that there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from cds import services as service_room
from cds.cli import main
from cds.imaging_settings import ImagingSettings, InferenceSettings
from cds.settings import load
from cds.studies import reasons

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "imaging.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
CLIENT = """\
public_url = "https://cds.hospital.example"
[clients.main-ehr]
issuer = "https://ehr.hospital.example/fhir"
jku = "https://ehr.hospital.example/oauth/jwks.json"
fhir_servers = ["https://ehr.hospital.example/fhir"]
"""


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("]")[0].lstrip("["))
def test_each_block_of_settings_loads_beside_a_client(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CDS_SETTINGS", raising=False)
    path = tmp_path / "cds.toml"
    path.write_text(CLIENT + "\n" + block, encoding="utf-8")
    settings = load(path)
    assert "[pacs.main]" not in block or settings.clients["main-ehr"].studies is not None


def test_there_are_blocks_to_be_loaded() -> None:
    assert len(BLOCKS) >= 3


def test_each_setting_named_in_the_text_is_one() -> None:
    named = set(re.findall(r"`imaging\.([a-z_]+)`", PAGE))
    assert len(named) >= 6
    assert named - set(ImagingSettings.model_fields) == set()
    beside = set(re.findall(r"`(timeout_s|pause_s|fallback|binary)\b", PAGE))
    assert beside - set(InferenceSettings.model_fields) == set()


@pytest.mark.parametrize("line", sorted(set(re.findall(r"`(cds [^`]+)`", PAGE))))
def test_each_command_is_one(line: str) -> None:
    command: click.Command = main
    words = shlex.split(line)[1:]
    while isinstance(command, click.Group):
        assert words, f"'{line}' ends at a group"
        command = command.commands[words.pop(0)]
    options = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= options


def test_hooks_and_reasons_named_in_the_text_are_some() -> None:
    hooks = {hook for _, hook in service_room.load().services}
    assert {"encounter-start", "appointment-book"} <= hooks
    assert "self-test-failed" in PAGE and reasons.words("self-test-failed") != reasons.words("no-such-reason")
