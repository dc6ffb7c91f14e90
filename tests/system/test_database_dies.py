"""PostgreSQL dies under traffic: every card still goes out, and afterwards every call is in the ledger, once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
import story_calls
from postgres_server import PostgresServer
from running_service import Ehr, RunningService, running

pytestmark = pytest.mark.system
PATIENT = story_calls.ALARMING


class Traffic:
    """Clinicians opening charts, until told to stop."""

    def __init__(self, service: RunningService, clinicians: int = 3) -> None:
        self.service = service
        self.sent: list[str] = []
        self.answers: list[requests.Response] = []
        self.slowest = 0.0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._open_charts) for _ in range(clinicians)]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(timeout=30)

    def until(self, count: int) -> None:
        """Wait for that many further answers."""
        goal, deadline = len(self.answers) + count, time.monotonic() + 30
        while len(self.answers) < goal:
            assert time.monotonic() < deadline, "the service stopped answering"
            time.sleep(0.02)

    def _open_charts(self) -> None:
        body = story_calls.patient_view(PATIENT)
        while not self._over.is_set():
            ask = {**body, "hookInstance": f"{threading.get_ident()}-{time.monotonic_ns()}"}
            self.sent.append(ask["hookInstance"])
            start = time.monotonic()
            self.answers.append(self.service.call(ask))
            self.slowest = max(self.slowest, time.monotonic() - start)
            self._over.wait(0.02)


def _recorded(url: str) -> Counter[str]:
    with psycopg.connect(url) as connection:
        return Counter(row[0] for row in connection.execute("SELECT hook_instance FROM calls"))


def _drained(service: RunningService, seconds: float = 20.0) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while True:
        ledger = dict(service.ready()["ledger"])
        if ledger == {"reachable": True, "spooled": 0} or time.monotonic() > deadline:
            return ledger
        time.sleep(0.1)


def test_no_card_is_withheld_and_no_call_is_lost(tmp_path: Path, ehr: Ehr, postgres: PostgresServer) -> None:
    url = postgres.create_database(f"outage{time.time_ns()}")
    with running(tmp_path, ehr, database_url=url) as service:
        with Traffic(service) as traffic:
            traffic.until(20)
            postgres.kill()
            traffic.until(60)
            down = service.ready()
            spooled = "".join(p.read_text() for p in (tmp_path / "spool").glob("*.json"))
            postgres.start()
            traffic.until(20)
        ledger = _drained(service)
        assert down["ready"] is True  # a ledger that is down does not take the service away
        assert down["ledger"]["reachable"] is False
        assert down["ledger"]["spooled"] > 0

    assert Counter(a.status_code for a in traffic.answers) == {200: len(traffic.answers)}
    assert all(a.json()["cards"] for a in traffic.answers)
    assert traffic.slowest < 2.0

    assert ledger == {"reachable": True, "spooled": 0}
    assert _recorded(url) == Counter(traffic.sent)  # each exactly once
    assert list((tmp_path / "spool").glob("rejected/*")) == []

    assert spooled
    for identifying in (PATIENT.given, "Testpatient"):
        assert identifying not in spooled


@pytest.mark.threat("replayed-token")
def test_a_token_is_not_good_twice_while_the_ledger_is_down(tmp_path: Path, ehr: Ehr, postgres: PostgresServer) -> None:
    url = postgres.create_database(f"replay{time.time_ns()}")
    with running(tmp_path, ehr, database_url=url) as service:
        body = story_calls.patient_view(PATIENT)
        address = f"{service.url}/cds-services/pancreas-risk"
        used, new = ehr.token(address), ehr.token(address)
        assert service.call(body, token=used).status_code == 200
        postgres.kill()
        statuses = [service.call(body, token=new).status_code for _ in range(6)]
        assert sorted(statuses) == [200] + [401] * 5
        postgres.start()
        assert _drained(service)["reachable"]
        assert service.call(body, token=new).status_code == 401
        assert service.call(body, token=used).status_code == 401
