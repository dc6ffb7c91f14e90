"""Somebody's copy of the policy stops halfway: the policy in force stays, and operators are told."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import story_calls
from faults import Seen
from ledger_rows import kept_once, sqlite_of
from patience import eventually
from running_service import Ehr, running

from cds.policy.packaged import packaged_policy
from cds.services.declaration import installed_packages

pytestmark = pytest.mark.system
POLL_S = 0.2


@pytest.mark.fault("policy", "half-written, and never finished")
def test_half_a_policy_changes_nothing(tmp_path: Path, ehr: Ehr, seen: Seen) -> None:
    """Half of it would be valid: that of the first half alone runs fewer models."""
    whole = packaged_policy(installed_packages()).read_text(encoding="utf-8")
    path = tmp_path / "policy.yaml"
    path.write_text(whole, encoding="utf-8")
    changed = whole.replace("reason: Starting point", "reason: Changed, starting point")
    half = changed[: changed.index("  endpac: ")]
    with running(tmp_path, ehr, policy_file=str(path), policy_poll_s=POLL_S) as service:
        sent = [story_calls.patient_view() for _ in range(12)]
        before = service.call(sent[0]).json()["cards"]
        first = service.ready()["policy"]["version"]
        path.write_text(half, encoding="utf-8")
        eventually(lambda: all(service.ready()["policy"]["rejected"] for _ in range(10)))
        ready = service.ready()["policy"]
        assert ready["version"] == first
        assert "only a part of the file was written" in ready["rejected"]
        during = [service.call(body) for body in sent[1:11]]
        assert {tuple(c["summary"] for c in a.json()["cards"]) for a in during} == {tuple(c["summary"] for c in before)}
        path.write_text(changed, encoding="utf-8")
        begun = time.monotonic()
        eventually(lambda: all(service.ready()["policy"]["version"] != first for _ in range(10)))
        recovery = time.monotonic() - begun
        after = service.call(sent[11])
        told = [body["hookInstance"] for body in sent]
        seen(
            "policy",
            "half-written, and never finished",
            during=during,
            after=[after],
            of="calls in the ledger",
            owed=len(told),
            kept=kept_once(sqlite_of(service), told),
            recovery_s=recovery,
        )
