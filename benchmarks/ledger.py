"""What one call costs in the ledger: CPU and wall time of record_call with 4 predictions and 1 card.

    python benchmarks/ledger.py [postgresql://user@host/empty-database]

Beside it the same rows through the bare sqlite3 driver, so that the ratio means something on any machine.
"""

from __future__ import annotations

import sqlite3
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cds.ledger import CallEntry, CardEntry, Ledger, PredictionEntry, migrate
from cds.ledger.inserts import Inserts, Row

ROUNDS = 1500


def entry() -> CallEntry:
    """About 6 kB of JSON: four models with twelve inputs each, one card."""
    inputs = {
        f"input-{n}": {"state": "found", "value": 3.5 + n, "unit": "mmol/L", "date": "2026-11-02", "from": [f"O/{n}"]}
        for n in range(12)
    }
    said = tuple(
        PredictionEntry(str(uuid.uuid4()), f"m{n}", "1", "ab" * 32, "predicted", None, inputs, {"risk": 0.01 * n})
        for n in range(4)
    )
    body = {"summary": "s" * 120, "detail": "d" * 1500, "suggestions": [{"uuid": str(uuid.uuid4()), "label": "l"}]}
    card = CardEntry(str(uuid.uuid4()), "risk", "warning", body, tuple(p.id for p in said))
    return CallEntry(
        id=str(uuid.uuid4()),
        at=datetime.now(UTC),
        client="north",
        service="risk",
        hook="patient-view",
        hook_instance=str(uuid.uuid4()),
        patient_key=uuid.uuid4().hex * 2,
        user_key="1e" * 32,
        policy_version="1234",
        service_version="1",
        language="en",
        data_state={f"key{n}": {"state": "sent", "count": 3} for n in range(6)},
        status="answered",
        error_code=None,
        duration_ms=3.0,
        timings={"parse": 0.4, "models": 0.2, "cards": 0.3},
        predictions=said,
        cards=(card,),
    )


def measure(name: str, work: Callable[[CallEntry], object]) -> float:
    """Median CPU per call in ms."""
    entries = [entry() for _ in range(ROUNDS)]
    for one in entries[:200]:
        work(one)
    cpu, wall = [], []
    for one in entries[200:]:
        wall_0, cpu_0 = time.perf_counter(), time.thread_time()
        work(one)
        cpu.append((time.thread_time() - cpu_0) * 1000)
        wall.append((time.perf_counter() - wall_0) * 1000)
    p99 = statistics.quantiles(wall, n=100)[98]
    print(f"{name:34} CPU {statistics.median(cpu):6.3f} ms   wall p50 {statistics.median(wall):6.3f}   p99 {p99:6.3f}")
    return statistics.median(cpu)


def bare(connection: sqlite3.Connection) -> Callable[[CallEntry], None]:
    """The same rows with the driver alone: what no library could be faster than."""
    inserts = Inserts("sqlite")

    def execute(statement: str, rows: Row | list[Row]) -> int:
        if isinstance(rows, list):
            return connection.executemany(statement, rows).rowcount
        return connection.execute(statement, rows).rowcount

    def store(one: CallEntry) -> None:
        write = inserts.write(one)
        connection.execute("BEGIN IMMEDIATE")
        write.store(execute)
        connection.execute("COMMIT")

    return store


def both(name: str, url: str, folder: Path) -> float:
    migrate.upgrade(url)
    ledger = Ledger(url, b"k" * 32, folder / "spool")
    found = measure(f"{name}: record_call", ledger.record_call)
    soon = datetime.now(UTC) + timedelta(minutes=5)
    measure(f"{name}: use_jti", lambda one: ledger.use_jti(one.id, soon))
    measure(f"{name}: overrides", lambda one: ledger.overrides(one.patient_key, one.at))
    if ledger.spooled():
        raise SystemExit("some rows went to the spool: the figures are not of the database")
    ledger.close()
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        cost = both("SQLite", f"sqlite:///{folder / 'ledger.db'}", folder)
        migrate.upgrade(f"sqlite:///{folder / 'bare.db'}")
        connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA synchronous=NORMAL")
        floor = measure("sqlite3 driver alone", bare(connection))
        connection.execute("PRAGMA synchronous=FULL")
        measure("the same, each commit to the disk", bare(connection))
        connection.close()
        print(f"record_call / driver alone: {cost / floor:.1f}")
        down = Ledger("postgresql://cds@127.0.0.1:9/none", b"k" * 32, folder / "down")
        down.record_call(replace(entry(), predictions=()))
        measure("database down: to the spool", down.record_call)
        down.close()
        if len(sys.argv) > 1:
            both("PostgreSQL", sys.argv[1], folder)


if __name__ == "__main__":
    main()
