"""Boxes of pages that are followed nowhere else: settings load, a sentence is taken, commands take what they get."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cds.cli import main
from cds.settings import load

ROOT = Path(__file__).resolve().parents[2]


def box(page: str, language: str) -> str:
    """The first of its language on the page."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found: str = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)[0]
    return found


def test_the_settings_of_the_report_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CDS_SETTINGS", raising=False)
    path = tmp_path / "cds.toml"
    path.write_text('public_url = "https://cds.hospital.example"\n' + box("report.md", "toml"), encoding="utf-8")
    app = load(path).clients["main-ehr"].smart
    assert app is not None
    assert (app.key_id, app.allowed) == ("2026", ("https://login.hospital.example",))


def test_the_sentence_a_site_says_otherwise_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = box("wording.md", "yaml")
    path = tmp_path / text.splitlines()[0].removeprefix("# ")
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["wording", "check", "wording"])
    assert (result.exit_code, result.output) == (0, "wording: good. 1 sentences differ from those in force.\n")


def lines() -> list[str]:
    text = box("monitors.md", "sh") + box("validate-a-model.md", "sh")
    return [line.partition("#")[0].strip() for line in text.splitlines()]


@pytest.mark.parametrize("line", [line for line in lines() if line.startswith("cds ")])
def test_a_command_takes_what_it_is_given(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read as they are typed, and not begun: years of a hospital take minutes (they are tested in tests/simulation and
    tests/cohort)."""
    monkeypatch.chdir(tmp_path)
    command: click.Command = main
    words = shlex.split(line)[1:]
    for word in words:
        if word.endswith((".csv", ".yaml")):
            (tmp_path / word).touch()
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    command.make_context(line, words)


def test_every_other_line_is_a_benchmark_there_is() -> None:
    [line] = [line for line in lines() if not line.startswith("cds ")]
    program, script, name = shlex.split(line)
    assert program == "python"
    told = subprocess.run([sys.executable, ROOT / script, "--help"], capture_output=True, text=True, check=True).stdout
    assert re.search(rf"^  {name} ", told, re.MULTILINE)
