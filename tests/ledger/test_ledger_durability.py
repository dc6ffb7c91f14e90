"""What "stored" means: it outlives the process at once, and on SQLite a power cut within a second or so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import ledger_entries as made
import pytest
from patience import eventually

from cds.ledger import Ledger, migrate
from cds.ledger.sqlite import SYNC_S, Direct, Sync

# Says each call's id once the ledger has taken it, until it is killed.
WRITER = """
import sys
import ledger_entries as made
from pathlib import Path
from cds.ledger import Ledger
ledger = Ledger(sys.argv[1], made.KEY, Path(sys.argv[2]))
while True:
    entry = made.call()
    if ledger.record_call(entry):
        print(entry.id, flush=True)
"""


def test_a_writer_killed_in_mid_traffic_loses_no_call_it_was_told_is_stored(url: str, tmp_path: Path) -> None:
    migrate.upgrade(url)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-u", "-c", WRITER, url, str(tmp_path / "spool")]
    writer = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    told = [writer.stdout.readline().strip() for _ in range(200)]
    writer.send_signal(signal.SIGKILL)
    told += writer.stdout.read().split()
    writer.wait(timeout=60)
    writer.stdout.close()
    ledger = Ledger(url, made.KEY, tmp_path / "spool")
    found = [ledger.call(call_id) for call_id in told]
    ledger.close()
    assert len(told) >= 200 and all(call is not None and len(call.predictions) == 4 for call in found)


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The moments at which the product itself brought a file to the disk."""
    moments: list[float] = []

    def fsync(descriptor: int) -> None:
        moments.append(time.monotonic())

    monkeypatch.setattr("cds.ledger.sqlite.os.fsync", fsync)
    return moments


def test_calls_reach_the_disk_together_and_soon(tmp_path: Path, synced: list[float]) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    migrate.upgrade(url)
    ledger = Ledger(url, made.KEY, tmp_path / "spool")
    start = time.monotonic()
    for _ in range(20):
        assert ledger.record_call(made.call())
    eventually(lambda: len(synced) == 1)
    assert SYNC_S <= synced[0] - start < SYNC_S + 5
    time.sleep(SYNC_S * 1.5)
    assert len(synced) == 1, "nothing new, nothing to sync"
    ledger.record_call(made.call())
    ledger.close()
    assert len(synced) == 2, "what came last is synced on closing"


def test_what_is_synced_is_moved_into_the_file_and_the_log_begins_anew(tmp_path: Path) -> None:
    """By nobody who has a call to answer."""
    file, log = tmp_path / "ledger.db", tmp_path / "ledger.db-wal"
    url = f"sqlite:///{file}"
    migrate.upgrade(url)
    ledger = Ledger(url, made.KEY, tmp_path / "spool")
    empty = file.stat().st_size
    for _ in range(200):
        ledger.record_call(made.call())
    assert log.stat().st_size > 1000 * 4096, "where SQLite itself would have made a commit move it"
    assert file.stat().st_size == empty
    eventually(lambda: file.stat().st_size > empty)
    time.sleep(0.2)
    longest = log.stat().st_size
    for _ in range(50):
        ledger.record_call(made.call())
    assert log.stat().st_size == longest
    ledger.close()


def test_a_log_that_grows_without_a_pause_is_moved_by_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cds.ledger.sqlite._LONGEST_LOG", 300)
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    migrate.upgrade(url)
    ledger = Ledger(url, made.KEY, tmp_path / "spool")
    for _ in range(100):
        ledger.record_call(made.call())
    assert (tmp_path / "ledger.db-wal").stat().st_size < 2 * 300 * 4096
    ledger.close()


def test_a_file_taken_away_is_not_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Sync(tmp_path / "gone.db")._into_the_file()
    assert not (tmp_path / "gone.db").exists()
    assert "ledger.log_kept" in caplog.text


def test_a_log_that_cannot_be_synced_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    (tmp_path / "ledger.db-wal").touch()
    sync = Sync(tmp_path / "ledger.db")
    monkeypatch.setattr("cds.ledger.sqlite.os.fsync", fails)
    sync.wanted()
    sync.close()
    assert "ledger.unsynced reason=Input/output error" in caplog.text


def test_feedback_and_policies_do_not_wait_for_the_next_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They go by connections that sync at each commit; a spooled file is removed only after such a one."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    migrate.upgrade(url)
    ledger = Ledger(url, made.KEY, tmp_path / "spool")
    database = ledger._process().database
    assert database.transaction(lambda c: c.exec_driver_sql("PRAGMA synchronous").scalar()) == 2
    ways: list[str] = []

    def noted(owner: type, way: str) -> None:
        original = owner.transaction  # type: ignore[attr-defined]

        def transaction(self: object, work: object) -> object:
            ways.append(way)
            return original(self, work)

        monkeypatch.setattr(owner, "transaction", transaction)

    noted(Direct, "direct")
    noted(type(database), "synced")
    ledger.record_call(made.call())
    ledger.record_feedback([made.feedback("card")])
    ledger.remember_policy("v", "text")
    ledger._spool.put([made.call()])
    ledger.drain()
    ledger.close()
    assert ways[:3] == ["direct", "synced", "synced"] and "direct" not in ways[3:]
