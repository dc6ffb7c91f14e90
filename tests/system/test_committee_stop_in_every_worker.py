"""A stop by the command line is on the cards of every gunicorn worker well within the minute that is promised, and the
service links what happened to the audit's chain by itself."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
import story_calls
from running_service import Ehr, RunningService, running

from hooks import stories

pytestmark = pytest.mark.system

MODEL = "qcancer-2013-pancreas"
PROMISED_S = 60.0


def cds(service: RunningService, *arguments: str) -> str:
    command = [sys.executable, "-m", "cds", "--settings", str(service.folder / "cds.toml"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def committee(service: RunningService, *arguments: str) -> None:
    signed = ("--person", "A. Bee", "--second", "C. Dee", "--reason", "found to be wrong in the audit of May")
    cds(service, "committee", *arguments, *signed)


def summaries(service: RunningService, body: dict[str, Any], calls: int = 12) -> set[str]:
    """Of many calls, each on a connection of its own, so that both workers get some."""
    found = set()
    for _ in range(calls):
        answer = service.call({**body, "hookInstance": str(uuid.uuid4())})
        assert answer.status_code == 200, answer.text
        found |= {card["summary"] for card in answer.json()["cards"]}
    return found


def until(service: RunningService, body: dict[str, Any], wanted: str) -> float:
    """Seconds until every call's card says ``wanted``."""
    start = time.monotonic()
    while time.monotonic() - start < PROMISED_S:
        found = summaries(service, body)
        if found and all(wanted in summary for summary in found):
            return time.monotonic() - start
        time.sleep(0.2)
    raise AssertionError(f"after {PROMISED_S} seconds the cards say: {found}")


def test_a_stop_and_a_resumption_reach_both_workers(tmp_path: Path, ehr: Ehr) -> None:
    body = story_calls.patient_view(stories.story("chronic-pancreatitis"))
    with running(tmp_path, ehr, **{"audit.seal_s": 1.0}) as service:
        assert len(service.workers()) == 2
        until(service, body, "in 100")
        committee(service, "suspend", MODEL)
        stopped = until(service, body, "withheld by the committee")
        committee(service, "resume", MODEL)
        resumed = until(service, body, "in 100")
        assert max(stopped, resumed) < PROMISED_S / 2
        assert "standings.withheld" in service.log
        assert "audit.sealed links=" in service.log
        assert "links" in cds(service, "audit", "verify")
