"""PostgreSQL dies under traffic: every card still goes out, and afterwards every call is in the ledger, once."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest
import story_calls
from faults import Seen
from ledger_rows import recorded, seconds_until_drained
from postgres_server import PostgresServer
from running_service import Ehr, running
from traffic import PATIENT, Traffic

pytestmark = pytest.mark.system


@pytest.mark.fault("ledger's database", "killed under traffic")
def test_no_card_is_withheld_and_no_call_is_lost(
    tmp_path: Path, ehr: Ehr, postgres: PostgresServer, seen: Seen
) -> None:
    url = postgres.create_database(f"outage{time.time_ns()}")
    with running(tmp_path, ehr, database_url=url) as service:
        with Traffic(service) as traffic:
            traffic.until(20)
            postgres.kill()
            traffic.until(60)
            down = service.ready()
            spooled = "".join(p.read_text() for p in (tmp_path / "spool").glob("*.json"))
            postgres.start()
            recovery = seconds_until_drained(service)
            traffic.until(20)
        seconds_until_drained(service)
        assert down["ready"] is True  # a ledger that is down does not take the service away
        assert down["ledger"]["reachable"] is False
        assert down["ledger"]["spooled"] > 0

    assert traffic.cut == 0
    assert Counter(a.status_code for a in traffic.answers) == {200: len(traffic.answers)}
    assert all(a.json()["cards"] for a in traffic.answers)
    assert traffic.slowest < 2.0

    rows = recorded(url)
    assert rows == Counter(traffic.sent)  # each exactly once
    assert list((tmp_path / "spool").glob("rejected/*")) == []

    assert spooled
    for identifying in (PATIENT.given, "Testpatient"):
        assert identifying not in spooled
    seen(
        "ledger's database",
        "killed under traffic",
        during=traffic.answers,
        of="calls in the ledger",
        owed=len(traffic.sent),
        kept=rows.total(),
        recovery_s=recovery,
        slowest_s=traffic.slowest,
    )


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
        seconds_until_drained(service)
        assert service.call(body, token=new).status_code == 401
        assert service.call(body, token=used).status_code == 401
