"""Two gunicorn workers follow what is activated and rolled back in the ledger, without a restart."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import story_calls
from running_service import LEDGER_KEY, Ehr, RunningService, running

pytestmark = pytest.mark.system

CHANGE = """\
name: Off for now
author: A. Lead
effective: 2026-01-01
reason: a test of the switch
services:
  pancreas-risk: {enabled: false}
"""
MINUTE_S = 60.0
"""What is promised; measured is a few seconds."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, ehr: Ehr) -> Iterator[RunningService]:
    with running(tmp_path_factory.mktemp("gunicorn"), ehr) as service:
        yield service


class Commands:
    """``cds policy`` as a lead runs it beside the service: the same ledger, settings with approvers."""

    def __init__(self, folder: Path) -> None:
        self._settings = folder / "lead.toml"
        self._settings.write_text(
            f'data_dir = {json.dumps(str(folder))}\nledger_key = {json.dumps(LEDGER_KEY)}\n[approvers."B. Second"]\n'
        )
        self._change = folder / "change.yaml"
        self._change.write_text(CHANGE)

    def __call__(self, *words: str) -> str:
        command = [sys.executable, "-m", "cds", "--settings", str(self._settings), "policy", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def propose(self) -> str:
        return self("propose", str(self._change), "--by", "A. Lead").split("Proposed as ")[1][:12]


def every_worker(service: RunningService, expected: dict[str, str]) -> float:
    """Seconds until many answers in a row, each on a connection of its own, name these layers."""
    begun = time.monotonic()
    alike = 0
    while alike < 20:
        layers: Any = service.ready()["policy"]["layers"]
        alike = alike + 1 if layers == expected else 0
        assert time.monotonic() - begun < MINUTE_S
    return time.monotonic() - begun


def test_activated_and_rolled_back_in_every_worker_within_a_minute(service: RunningService) -> None:
    workers = service.workers()
    assert len(workers) == 2
    assert service.call(story_calls.patient_view()).json()["cards"]
    policy = Commands(service.folder)
    version = policy.propose()
    policy("approve", version, "--by", "B. Second", "--why", "agreed")
    policy("activate", version, "--by", "A. Lead", "--why", "now")
    every_worker(service, {"site": version})
    assert [service.call(story_calls.patient_view()).json() for _ in range(8)] == [{"cards": []}] * 8
    policy("rollback", "--by", "A. Lead", "--why", "back")
    every_worker(service, {})
    assert all(service.call(story_calls.patient_view()).json()["cards"] for _ in range(8))
    assert service.workers() == workers
