"""docs/add-a-model.md, followed to the letter: its files are written, its commands run, and a card comes back."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "add-a-model.md"
_BLOCK = re.compile(r"^```(?P<language>\w+)(?: file=(?P<file>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Followed:
    folder: Path
    said: dict[str, str]
    """By command block: what it printed."""

    def output_of(self, part: str) -> str:
        return next(said for block, said in self.said.items() if part in block)


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    """Every block in order. Only the port is another, since 8080 may be taken here."""
    folder = tmp_path_factory.mktemp("model")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    away = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = away | {"PATH": path, "CDS_PORT": str(port), "COLUMNS": "200"}
    said: dict[str, str] = {}
    for block in _BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        text = block["text"].replace(":8080", f":{port}")
        if block["file"]:
            target = folder / block["file"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            continue
        assert block["language"] == "sh", f"a block that is neither a file nor commands: {text[:60]}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        said[block["text"]] = done.stdout
    return Followed(folder, said)


@pytest.mark.system
def test_the_folder_written_by_the_page_is_good(followed: Followed) -> None:
    assert followed.output_of("models check my-models\n").splitlines()[-1] == "1 model, no faults"


@pytest.mark.system
def test_the_patient_of_the_page_is_explained(followed: Followed) -> None:
    told = followed.output_of("models run")
    assert "3.1 g/dL = 31 g/L" in told
    assert "Observation/a1" in told
    assert "ask about intake and weight" in told


@pytest.mark.system
def test_the_page_ends_with_a_card(followed: Followed) -> None:
    told = followed.output_of("today.json")
    (card,) = json.loads(told[told.index('{"cards"') :])["cards"]
    assert card["summary"].startswith("Low albumin: 3.1 g/dL")
    assert card["source"]["topic"]["code"] == "low-albumin"


@pytest.mark.system
def test_the_scaffold_of_a_graph_rebuilds_bit_for_bit_and_names_what_is_left(followed: Followed) -> None:
    told = followed.output_of("models new some-risk").splitlines()
    faults = [line for line in told if re.search(r":\d+: ", line)]
    assert faults
    assert all("TO DO" in line for line in faults)
    assert "rebuilt bit for bit" in told[-2]
