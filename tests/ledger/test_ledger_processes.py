"""One ledger, many processes: workers forked from a parent that used it, rival drainers, rival users of a token."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import ledger_entries as made
import pytest
import sqlalchemy as sa

from cds.ledger import CallEntry, Ledger, migrate
from cds.ledger.database import make_engine, parse_url
from cds.ledger.spool import Spool

spawn = multiprocessing.get_context("spawn")


def _counts(url: str) -> dict[str, int]:
    engine = make_engine(parse_url(url), statement_s=5, connect_s=5)
    try:
        with engine.connect() as connection:
            tables = ("calls", "predictions", "cards", "suppressions")
            return {t: connection.scalar(sa.text(f"SELECT count(*) FROM {t}")) or 0 for t in tables}
    finally:
        engine.dispose()


def _of(calls: int) -> dict[str, int]:
    return {"calls": calls, "predictions": 4 * calls, "cards": calls, "suppressions": calls}


def _drain(url: str, spool: Path) -> int:
    ledger = Ledger(url, made.KEY, spool)
    moved = ledger.drain()
    ledger.close()
    return moved


def test_two_processes_draining_at_once_store_each_entry_once(url: str, tmp_path: Path) -> None:
    migrate.upgrade(url)
    Spool(tmp_path / "spool").put([made.call() for _ in range(150)])
    with spawn.Pool(2) as pool:
        moved = pool.starmap(_drain, [(url, tmp_path / "spool")] * 2, chunksize=1)
    assert sum(moved) == 150
    assert _counts(url) == _of(150)


def test_a_drainer_killed_halfway_holds_up_nobody_and_doubles_nothing(url: str, tmp_path: Path) -> None:
    migrate.upgrade(url)
    spool = Spool(tmp_path / "spool")
    spool.put([made.call() for _ in range(300)])
    first = spawn.Process(target=_drain, args=(url, tmp_path / "spool"))
    first.start()
    while len(spool.waiting()) > 290 and first.is_alive():
        time.sleep(0.001)
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    first.join()
    _drain(url, tmp_path / "spool")
    assert spool.waiting() == [] and _counts(url) == _of(300)


def _use(url: str, spool: Path, tokens: list[str]) -> list[str]:
    ledger = Ledger(url, made.KEY, spool)
    fresh = [token for token in tokens if ledger.use_jti(token, made.NOW + timedelta(hours=1))]
    ledger.close()
    return fresh


def test_a_token_is_fresh_in_exactly_one_of_four_processes(url: str, tmp_path: Path) -> None:
    migrate.upgrade(url)
    tokens = [f"north|{n}" for n in range(60)]
    with spawn.Pool(4) as pool:
        fresh = pool.starmap(_use, [(url, tmp_path / "spool", tokens)] * 4, chunksize=1)
    assert sorted(token for used in fresh for token in used) == sorted(tokens)


def _record(url: str, spool: Path, entries: list[CallEntry]) -> int:
    ledger = Ledger(url, made.KEY, spool)
    stored = sum(ledger.record_call(entry) for entry in entries)
    ledger.close()
    return stored


def test_four_processes_write_at_once(url: str, tmp_path: Path) -> None:
    migrate.upgrade(url)
    work = [(url, tmp_path / "spool", [made.call() for _ in range(50)]) for _ in range(4)]
    with spawn.Pool(4) as pool:
        pool.starmap(_record, work, chunksize=1)
    _drain(url, tmp_path / "spool")
    assert _counts(url) == _of(200)


# A parent uses its ledger (connections open, breaker thread running), then forks; both go on.
FORK = """
import os, sys
import ledger_entries as made
from pathlib import Path
from cds.ledger import Ledger

ledger = Ledger(sys.argv[1], made.KEY, Path(sys.argv[2]))
if sys.argv[3] == "locked":
    ledger._process().lock.acquire()  # as if another thread held it at the moment of the fork
assert ledger.record_call(made.call())
children = []
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        for _ in range(20):
            ledger.record_call(made.call())
        os._exit(0)
    children.append(pid)
if sys.argv[3] == "locked":
    ledger._process().lock.release()
for _ in range(20):
    ledger.record_call(made.call())
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
ledger.drain()  # on a busy machine a rival may have been given up on
print(codes, ledger.record_call(made.call()), ledger.call("none"))
os._exit(0)
"""


@pytest.mark.parametrize("lock", ["free", "locked"])
def test_a_ledger_used_before_a_fork_works_in_parent_and_children(url: str, tmp_path: Path, lock: str) -> None:
    migrate.upgrade(url)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-u", "-c", FORK, url, str(tmp_path / "spool"), lock]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert said.stdout.strip() == "[0, 0, 0] True None", said.stderr
    assert _counts(url) == _of(82)


def test_threads_share_one_ledger(ledger: Ledger, url: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    entries = [made.call() for _ in range(80)]
    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(ledger.record_call, entries))
    assert _counts(url) == _of(80)
