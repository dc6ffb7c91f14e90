"""Every command and setting on docs/committee.md is run as it stands there."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest
from committee_room import CHARTER, Room, Said, WriteSettings, ago

from cds.settings import load

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))
from command_line import cds

PAGE = (Path(__file__).parents[2] / "docs" / "committee.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(sh|toml)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [line.partition("  #")[0].strip() for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
NAMED = sorted(set(re.findall(r"`(cds [a-z]+(?: [a-z]+)*)", PAGE)))
NORTH = '[clients.main-ehr]\nauthentication = "loopback"\nfhir_servers = ["https://fhir.example/r4"]\n'


@pytest.fixture
def settings(room: Room, committee_settings: WriteSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    room.tell([Said("p1", ago(400), {"risk": 0.01})], client="main-ehr")
    (tmp_path / "registry.csv").write_text("patient_id,outcome,date\np1,cancer,2026-01-05\n", encoding="utf-8")
    path = committee_settings(NORTH, CHARTER)
    more = f'[committee.console]\naccounts_file = "{tmp_path / "accounts.yaml"}"\n'
    path.write_text(path.read_text(encoding="utf-8") + "\n" + more, encoding="utf-8")
    return path


def test_the_commands_do_what_the_page_says(settings: Path, tmp_path: Path) -> None:
    told = {}
    for command in COMMANDS:
        words = [
            w.replace("MODEL", "qcancer-2013-pancreas").replace("...", "it is off here").replace("/srv/reports", ".")
            for w in shlex.split(command)
        ]
        if words[1:4] == ["committee", "account", "put"]:
            words += ["--password", "correct-horse-battery"]
        result = cds(*words[1:], settings=settings)
        told[command] = result
        # this hospital has no server to ask
        expected = 2 if words[1:3] == ["outcomes", "find"] else 0
        assert result.exit_code == expected, f"{command}: {result.output}"
    assert len(told) >= 8
    assert "A. Bee: member" in told["cds committee account list"].stdout
    assert "main-ehr" in told["cds outcomes status"].stdout


@pytest.mark.parametrize("command", NAMED)
def test_a_command_named_in_a_sentence_exists(command: str) -> None:
    assert cds(*command.split()[1:], "-h").exit_code == 0


def test_the_settings_are_taken_as_they_stand(tmp_path: Path) -> None:
    [text] = [text for kind, text in BLOCKS if kind == "toml"]
    assert tomllib.loads(text)
    path = tmp_path / "cds.toml"
    path.write_text(text, encoding="utf-8")
    console = load(path).committee.console
    assert console.on and console.oidc is not None and console.oidc.members == ("committee",)
