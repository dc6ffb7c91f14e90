"""A service with its settings on disk, the commands of who runs it, and a change of its policy."""

from __future__ import annotations

import json
import re
import time
from functools import cached_property
from pathlib import Path
from typing import Any

from click.testing import Result
from command_line import cds
from flask import Flask
from service import NOW, Clock, MakeApp, StoryCalls, loopback, prefetcher

CHANGE = """\
name: Louder
author: A. Lead
effective: 2026-01-01
reason: we want to see lower risks, too
services:
  pancreas-risk:
    parameters: {risk_at_least: 0.002}
"""
APPROVERS = """
[approvers."B. Second"]
[approvers."C. Gone"]
until = 2026-01-01
"""


class House:
    """A service with its settings on disk, and the commands of who runs it."""

    def __init__(self, make_app: MakeApp, folder: Path, more: str = "") -> None:
        self.folder, self._make_app, self.clock = folder, make_app, Clock(NOW)
        self.settings = folder / "cds.toml"
        self.settings.write_text(
            f'environment = "production"\nledger_key = "0123456789abcdef-policy-tests-xyz"\n'
            f"data_dir = {json.dumps(str(folder))}\n{APPROVERS}{more}\n"
            '[clients.demo]\nissuer = "https://ehr.example"\njku = "https://ehr.example/jwks"\n'
            '[clients.other]\nissuer = "https://other.example"\njku = "https://other.example/jwks"\n',
            encoding="utf-8",
        )

    @cached_property
    def app(self) -> Flask:
        return self._make_app(now=self.clock, data_dir=self.folder, policy_poll_s=0.01, **loopback())

    @cached_property
    def fire(self) -> StoryCalls:
        return StoryCalls(self.app.test_client(), prefetcher(self.app))

    def policy(self, *words: str | Path) -> Result:
        return cds("policy", *words, settings=self.settings)

    def did(self, *words: str | Path) -> str:
        result = self.policy(*words)
        assert result.exit_code == 0, result.output
        return " ".join(result.stdout.split())

    def refused(self, *words: str | Path) -> str:
        result = self.policy(*words)
        assert result.exit_code == 2
        assert isinstance(result.exception, SystemExit)
        return " ".join(result.stderr.split())

    def file(self, text: str = CHANGE, name: str = "change.yaml") -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def proposed(self, text: str = CHANGE) -> str:
        return self.proposed_file(self.file(text))

    def proposed_file(self, path: str | Path) -> str:
        told = self.did("propose", path, "--by", "A. Lead")
        found = re.search(r"Proposed as ([0-9a-f]{12})", told)
        assert found is not None
        return found[1]

    def approved(self, text: str = CHANGE) -> str:
        version = self.proposed(text)
        self.did("approve", version, "--by", "B. Second", "--why", "agreed in the meeting")
        return version

    def cards(self, patient: str = "chronic-pancreatitis") -> list[dict[str, Any]]:
        time.sleep(0.02)
        answer = self.fire(patient)
        assert answer.status_code == 200
        found: list[dict[str, Any]] = answer.get_json()["cards"]
        return found
