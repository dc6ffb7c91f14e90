"""PostgreSQL behind a bad network, or with a full disk: cards go out as ever, and each call is in the ledger once."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from faults import Seen
from ledger_rows import kept_once, seconds_until_drained
from postgres_server import PostgresServer
from running_service import Ehr, RunningService, running
from small_disk import SmallDisk, small_disk
from toxic_proxy import ToxicProxy, toxic_proxy
from traffic import Traffic

pytestmark = pytest.mark.system
SLOW_S = 0.3
"""Each way: a statement takes twice that, which is more than the ledger waits for one."""


def under_traffic(
    service: RunningService,
    seen: Seen,
    url: str,
    what: str,
    begin: Callable[[], object],
    end: Callable[[], object],
    case: str = "",
) -> None:
    with Traffic(service) as traffic:
        traffic.until(5)
        begin()
        first = len(traffic.answers) + traffic.clinicians  # those under way may have got through before
        traffic.until(30)
        during = traffic.answers[first:]
        assert not service.ready()["ledger"]["reachable"]
        end()
        recovery = seconds_until_drained(service)
        traffic.until(5)
    seconds_until_drained(service)
    assert traffic.cut == 0
    assert {a.status_code for a in traffic.answers} == {200}
    assert all(a.json()["cards"] for a in traffic.answers)
    assert traffic.slowest < 3.0
    seen(
        "ledger's database",
        what,
        during=during,
        of="calls in the ledger",
        owed=len(traffic.sent),
        kept=kept_once(url, traffic.sent),
        recovery_s=recovery,
        slowest_s=traffic.slowest,
        case=case,
    )


@pytest.fixture
def wire(postgres: PostgresServer) -> Iterator[ToxicProxy]:
    with toxic_proxy(postgres.port) as proxy:
        yield proxy


@pytest.mark.fault("ledger's database", "slow")
@pytest.mark.fault("ledger's database", "cut off")
def test_a_bad_network_before_the_database_holds_up_no_card(
    tmp_path: Path,
    ehr: Ehr,
    postgres: PostgresServer,
    postgres_database: Callable[[], str],
    wire: ToxicProxy,
    seen: Seen,
) -> None:
    direct = postgres_database()
    with running(tmp_path, ehr, database_url=direct.replace(f":{postgres.port}/", f":{wire.port}/")) as service:
        under_traffic(service, seen, direct, "slow", lambda: wire.slow(SLOW_S), wire.well)
        for case, begin in {"reset": wire.resets, "silent": wire.silent}.items():
            under_traffic(service, seen, direct, "cut off", begin, wire.well, case)


@pytest.fixture
def full_tablespace(postgres: PostgresServer) -> Iterator[tuple[str, SmallDisk]]:
    """A database all of whose tables lie on a small disk of their own, and that disk."""
    place = Path(tempfile.mkdtemp(prefix="cds-disk-", dir="/tmp"))
    name = f"t{time.time_ns()}"
    with small_disk(place, megabytes=24) as disk:
        tables = disk.folder / "tables"
        tables.mkdir()
        place.chmod(0o755)
        shutil.chown(tables, "postgres", "postgres")
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute(f"CREATE TABLESPACE \"{name}\" LOCATION '{tables}'")
            connection.execute(f'CREATE DATABASE "{name}" TABLESPACE "{name}"')
        yield postgres.database_url(name), disk
        postgres.drop_database(name)
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute(f'DROP TABLESPACE "{name}"')
    place.rmdir()


@pytest.mark.fault("ledger's database", "its disk is full")
def test_a_database_without_room_holds_up_no_card(
    tmp_path: Path, ehr: Ehr, full_tablespace: tuple[str, SmallDisk], seen: Seen
) -> None:
    url, disk = full_tablespace
    with running(tmp_path, ehr, database_url=url) as service:
        under_traffic(service, seen, url, "its disk is full", disk.fill, disk.free)
