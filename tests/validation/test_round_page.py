"""docs/validation-rounds.md, followed word for word in an empty folder."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from hospitals import hospital

from cds.cli import main

PAGE = (Path(__file__).parents[2] / "docs/validation-rounds.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
DRAFT = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0]


def test_the_page_works_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cds.toml").write_text(
        'data_dir = "data"\ndatabase_url = "sqlite:///ledger.db"\nledger_key_file = "k"\n'
    )
    (tmp_path / "k").write_text("0" * 64)
    (tmp_path / "round.yaml").write_text(DRAFT)
    for folder in ("results", "keys"):
        (tmp_path / folder).mkdir()
    hospital(5000, 1).write(tmp_path / "cases.csv")
    code = ""
    for command in COMMANDS:
        result = CliRunner().invoke(main, shlex.split(command.replace("CODE", code))[1:], prog_name="cds")
        assert result.exit_code == 0, f"{command}\n{result.output}{result.stderr}"
        if found := re.search(r"Code of this review: (\w+)", result.output):
            code = found[1]
        if command.endswith("keys north"):
            shutil.copy("north.pub.json", "keys")
    assert "5000 people in 1 hospitals: North" in result.output
    assert {"draft.html", "pooled.html", "north-measure-report.json"} <= {path.name for path in tmp_path.iterdir()}
