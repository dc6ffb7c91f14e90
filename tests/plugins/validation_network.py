"""A coordinator and hospitals that know each other's keys, each with its own folder, settings and ledger."""

from __future__ import annotations

import shutil
from pathlib import Path

from click.testing import CliRunner, Result

from cds.cli import main

DRAFT = """\
id: autumn
title: Pancreatic cancer within three years
coordinator: The network
model: {id: endpac}
outcome:
  name: pancreatic cancer
  definition: ICD-10 C25 in the cancer register within three years.
cohort:
  definition: Adults with new-onset diabetes, at the day of diagnosis.
  begins: 2023-01-01
  ends: 2023-12-31
edges: {low: 0.0005, high: 0.5}
subgroups: {sex: [female, male]}
issued: 2026-11-01
expires: 2099-01-01
"""


class Desk:
    """One house with its own folder, settings and ledger."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        (folder / "ledger.key").write_text("0" * 64)
        (folder / "cds.toml").write_text(
            f'data_dir = "{folder}/data"\ndatabase_url = "sqlite:///{folder}/ledger.db"\n'
            f'ledger_key_file = "{folder}/ledger.key"\n'
        )

    def does(self, *words: str | Path) -> Result:
        arguments = ["--settings", str(self.folder / "cds.toml"), "validation", *map(str, words)]
        return CliRunner().invoke(main, arguments, env={"COLUMNS": "200"}, prog_name="cds")

    def done(self, *words: str | Path) -> str:
        result = self.does(*words)
        assert result.exit_code == 0, result.output + result.stderr
        return result.output


class Network:
    def __init__(self, folder: Path) -> None:
        self.coordinator = Desk(folder / "coordinator")
        self.coordinator.done("keys", self.coordinator.folder / "coordinator")
        self.public = self.coordinator.folder / "coordinator.pub.json"
        self.keys = folder / "keys"
        self.keys.mkdir()
        self.round = self.asked(DRAFT, "round")

    def asked(self, draft: str, name: str) -> Path:
        at = self.coordinator.folder
        (at / f"{name}.yaml").write_text(draft)
        self.coordinator.done(
            "new", at / f"{name}.yaml", "--key", at / "coordinator.key.json", "--out", at / f"{name}.json"
        )
        return at / f"{name}.json"

    def joins(self, folder: Path, name: str) -> Desk:
        desk = Desk(folder / name)
        desk.done("keys", desk.folder / name)
        shutil.copy(desk.folder / f"{name}.pub.json", self.keys)
        return desk

    def run(self, desk: Desk, name: str, question: Path | None = None, **changes: str) -> Result:
        return desk.does("run", question or self.round, "--coordinator", self.public, "--cases",
                         desk.folder / "cases.csv", "--site", name, "--out", desk.folder / "draft.json")  # fmt: skip

    def signs(self, desk: Desk, name: str, code: str, question: Path | None = None) -> Result:
        at = desk.folder
        return desk.does("sign", at / "draft.json", "--round", question or self.round, "--coordinator", self.public,
                         "--key", at / f"{name}.key.json", "--reviewed", code, "--reviewer", "Dr A. Reader",
                         "--out", at / "result.json", "--measure-report", at / "report.json")  # fmt: skip
