"""docs/safety.md rests on tests that exist, and docs/operate.md's boxes are commands that work."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from cds.cli import main
from helm import CHART, Helm

ROOT = Path(__file__).resolve().parents[2]
SAFETY = (ROOT / "docs" / "safety.md").read_text(encoding="utf-8")
OPERATE = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")


def hazards() -> list[list[str]]:
    section = SAFETY.split("## Hazards")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ") and "hazard |" not in line]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def test_each_hazard_has_a_harm_a_mitigation_and_a_test() -> None:
    assert len(hazards()) >= 20
    for row in hazards():
        assert len(row) == 4 and all(row), row


@pytest.mark.parametrize("row", hazards(), ids=[row[0] for row in hazards()])
def test_the_test_that_keeps_a_mitigation_true_is_there(row: list[str]) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)`", row[3])
    assert named
    for path in named:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert "def test_" in text


@pytest.mark.parametrize("page", ["safety.md", "operate.md", "integrate.md"])
def test_every_command_named_exists(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for line in set(re.findall(r"`(cds [^`]+)`", text)):
        command: click.Command = main
        words = [word for word in shlex.split(line)[1:] if not word.startswith("$")]
        while isinstance(command, click.Group) and words and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        assert command is not main, line
        # a group may be named by itself, but not with a word that it does not know
        assert not isinstance(command, click.Group) or not words, line
        options = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= options, line


def test_the_helm_commands_shown_work(helm: Helm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would reach a cluster is prepared and not sent; what is installed there is asked of an empty file."""
    (tmp_path / "releases.yaml").write_text("[]", encoding="utf-8")
    monkeypatch.setenv("HELM_DRIVER", "memory")
    monkeypatch.setenv("HELM_MEMORY_DRIVER_DATA", str(tmp_path / "releases.yaml"))
    boxes = re.findall(r"```(\w+)\n(.*?)```", OPERATE, re.DOTALL)
    assert [kind for kind, _ in boxes] == ["sh"]
    lines = [line for _, text in boxes for line in text.splitlines()]
    assert len(lines) == 3
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "helm"
        words = [word.replace("helm/", f"{CHART}/") if "/" in word else word for word in words]
        words = [str(CHART) if word == "helm" else word for word in words]
        upgrade = words[0] == "upgrade"
        done = helm.run(*words, *(["--dry-run=client"] if upgrade else []))
        assert done.returncode == 0, done.stderr
        assert "STATUS: pending-install" in done.stdout or not upgrade
