"""Two services behind a balancer are replaced one after the other while clinicians open charts."""

from __future__ import annotations

import signal
import time
from collections import Counter
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
from balancer import Balancer, KeptCalls, balancer
from faults import Seen
from ledger_rows import recorded, seconds_until_drained
from patience import eventually
from postgres_server import PostgresServer
from running_service import Ehr, RunningService, running, together
from traffic import Traffic

pytestmark = pytest.mark.system

LEAVING_S = 60.0
"""Longer than it takes in any case: a second SIGTERM ends it, of an orchestrator that sees that nothing is left."""


def taken_out(gate: Balancer, service: RunningService) -> None:
    service.process.send_signal(signal.SIGTERM)
    eventually(lambda: not gate.gives_to(service) and gate.holds(service) == 0, within_s=50)
    assert service.ready()["reasons"][0].startswith("told to stop")
    assert service.stop() == 0
    assert "serve.leaving" in service.log
    assert "Traceback" not in service.log


@pytest.mark.timeout(900)  # each wait is short on a quiet machine
@pytest.mark.fault("web process", "two of them replaced one after the other under traffic (rolling restart)")
def test_a_rolling_restart_loses_no_call(tmp_path: Path, ehr: Ehr, postgres: PostgresServer, seen: Seen) -> None:
    url = postgres.create_database(f"rolling{time.time_ns()}")
    with ExitStack() as stack:
        gate = stack.enter_context(balancer())

        def started(host: int) -> AbstractContextManager[RunningService]:
            # an old one's rows that wait on its host are stored by the new one
            folder = tmp_path / f"host{host}"
            folder.mkdir(exist_ok=True)
            about = {"public_url": gate.url, "database_url": url, "leaving_s": LEAVING_S, "longest_wait_s": 10.0}
            return running(folder, ehr, workers=1, **about)

        serving = stack.enter_context(together(started(0), started(1)))
        gate.share(*serving)
        eventually(lambda: all(map(gate.gives_to, serving)), within_s=50)
        with Traffic(KeptCalls(ehr, gate.url), pause_s=0.1) as traffic:
            traffic.until(15)
            taken = []
            for host in (0, 1):
                begun = time.monotonic()
                taken_out(gate, serving[host])
                serving[host] = stack.enter_context(started(host))
                gate.share(*serving)
                eventually(lambda: all(map(gate.gives_to, serving)), within_s=50)
                taken.append(time.monotonic() - begun)
                traffic.until(15)
        for service in serving:
            seconds_until_drained(service)
            service.process.send_signal(signal.SIGTERM)

    assert traffic.cut == 0
    assert Counter(answer.status_code for answer in traffic.answers) == {200: len(traffic.answers)}
    assert all(answer.json()["cards"] for answer in traffic.answers)
    assert any(answer.headers.get("Connection") == "close" for answer in traffic.answers)
    assert gate.taken < len(traffic.answers) / 3  # they were kept
    rows = recorded(url)
    assert rows == Counter(traffic.sent)
    seen(
        "web process",
        "two of them replaced one after the other under traffic (rolling restart)",
        during=traffic.answers,
        of="calls in the ledger",
        owed=len(traffic.sent),
        kept=rows.total(),
        recovery_s=max(taken),
        slowest_s=traffic.slowest,
    )
