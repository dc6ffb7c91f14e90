"""docs/guidelines.md, followed to the letter: its files are written, its commands run, its expressions understood."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from command_line import cds

from cds.guidelines.reading import understood
from cds.inference import registry
from cds.inference.manifest import Guideline

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "guidelines.md"
_BLOCK = re.compile(r"^```(?P<language>\w+)(?: (?P<kind>file|part)=(?P<name>\S+))?\n(?P<text>.*?)^```$", re.M | re.S)
SETTINGS = (
    'environment = "production"\nledger_key = "0123456789abcdef-of-the-guidelines-page"\n[approvers."B. Second"]\n'
)


@dataclass
class Followed:
    folder: Path
    parts: dict[str, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)

    def run(self, line: str) -> None:
        words = shlex.split(line)
        if words[0] == "sed":
            assert words[1] == "-i"
            self._edit(words[2], self.folder / words[3])
            return
        assert words[0] == "cds", line
        paths = [str(self.folder / word) if word.endswith((".json", ".yaml")) else word for word in words[1:]]
        done = cds(*paths, settings=self.folder / "cds.toml")
        assert done.exit_code == 0, f"{line}\n{done.output}"
        self.said[line] = done.stdout

    @staticmethod
    def _edit(script: str, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        for command in script.split("; "):
            _, old, new, flags = command.split("/")
            assert flags == "" and old in text
            text = "\n".join(row.replace(old, new, 1) for row in text.split("\n"))
        path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    folder = tmp_path_factory.mktemp("page")
    (folder / "cds.toml").write_text(f"data_dir = {json.dumps(str(folder))}\n{SETTINGS}", encoding="utf-8")
    found = Followed(folder)
    for block in _BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        if block["kind"] == "file":
            (folder / block["name"]).write_text(block["text"], encoding="utf-8")
        elif block["kind"] == "part":
            found.parts[block["name"]] = block["text"]
        else:
            assert block["language"] == "sh", block["text"]
            for line in block["text"].splitlines():
                found.run(line)
    return found


def test_the_list_names_the_overdue_one_first(followed: Followed) -> None:
    rows = [line for line in followed.said["cds guidelines list"].splitlines() if line.startswith("│")]
    assert rows[0].startswith("│scottish-referral") and "lapsed" in rows[0]
    assert sum("in date" in row for row in rows) == 9


def test_the_manifest_shown_is_the_shipped_one(followed: Followed) -> None:
    shown = Guideline.model_validate(yaml.safe_load(followed.parts["manifest"])["guideline"])
    assert registry.load([ROOT / "models"])["nice-ng12"].manifest.guideline == shown


def test_each_expression_shown_is_understood(followed: Followed) -> None:
    inputs = {spec.name: spec for spec in registry.load([ROOT / "models"])["nice-ng12"].manifest.inputs}
    lines = followed.parts["expressions"].splitlines()
    found = [understood(line, inputs, "page") for line in lines]
    assert [(len(f.all), len(f.any), f.needs) for f in found] == [(1, 0, 1), (1, 0, 1), (0, 3, 1), (0, 3, 2)]


def test_a_review_is_a_change_that_is_accepted(followed: Followed) -> None:
    assert "good as a change. Version" in followed.said["cds policy check looked.yaml"]


def test_the_update_is_told_before_it_is_put_forward(followed: Followed) -> None:
    told = followed.said["cds guidelines diff ng12.json"]
    assert "- %age >= 40\n" in told and "+ %age >= 45\n" in told
    assert "the tests of NG12-1.2.4 change and its words do not" in told
    assert "Proposed as" in followed.said['cds policy propose change.yaml --by "A. Lead"']
