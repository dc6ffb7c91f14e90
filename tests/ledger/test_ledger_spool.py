"""The spool: private, durable, never blocked by one bad file, and loud when it can't keep a row."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import ledger_entries as made
import pytest
from patience import eventually

from cds.errors import LedgerError
from cds.ledger import Ledger, PolicyEntry, migrate
from cds.ledger.held import Held
from cds.ledger.spool import Entry, Spool

NOWHERE = "postgresql://cds@127.0.0.1:9/none"


def test_a_spooled_file_is_for_the_service_user_only(tmp_path: Path, open_ledger: Callable[[str], Ledger]) -> None:
    assert open_ledger(NOWHERE).record_call(made.call()) is False
    [path] = Spool(tmp_path / "spool").waiting()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_every_kind_of_entry_comes_back_from_its_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    entries: list[Entry] = [made.call(), made.feedback("a-card"), PolicyEntry("v", "text", made.NOW)]
    spool.put(entries)
    assert [spool.read(path) for path in spool.waiting()] == entries


def test_after_a_long_outage_it_is_not_dear_to_say_how_much_waits(
    tmp_path: Path, open_ledger: Callable[[str], Ledger]
) -> None:
    """`/ready` and `/metrics` are asked every few seconds, and calls share the interpreter with them."""
    spool, ledger = Spool(tmp_path / "spool"), open_ledger(NOWHERE)
    (tmp_path / "spool").mkdir()
    for n in range(5000):
        (tmp_path / "spool" / f"{n:020d}-x.json").touch()

    def least(work: Callable[[], object]) -> float:
        took = []
        for _ in range(7):
            begun = time.thread_time()
            work()
            took.append(time.thread_time() - begun)
        return min(took)

    assert ledger.spooled() == len(spool.waiting()) == 5000
    assert least(ledger.spooled) < least(spool.waiting) / 2


def test_a_spool_that_cannot_be_written_is_an_error_and_an_alarm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    ledger = Ledger(NOWHERE, made.KEY, tmp_path / "file" / "spool")
    with caplog.at_level(logging.INFO, logger="cds"), pytest.raises(LedgerError, match="neither the database nor"):
        ledger.record_feedback([made.feedback("a-card")])
    assert [r.levelname for r in caplog.records if "ledger.unspoolable" in r.message] == ["CRITICAL"]
    ledger.close()


def test_a_call_that_nothing_takes_waits_in_memory_until_the_spool_does(tmp_path: Path) -> None:
    """Its card has gone out; feedback is refused instead, since its sender can send it again."""
    blocked = tmp_path / "spool"
    blocked.touch()
    (tmp_path / "later").touch()
    url = f"sqlite:///{tmp_path / 'later' / 'ledger.db'}"
    ledger = Ledger(url, made.KEY, blocked)
    entry = made.call()
    assert ledger.record_call(entry) is False
    assert ledger.spooled() == 1
    with pytest.raises(LedgerError):
        ledger.record_feedback([made.feedback("a-card")])
    blocked.unlink()
    eventually(lambda: len(Spool(blocked).waiting()) == 1)  # on the disk as soon as that can be
    (tmp_path / "later").unlink()
    eventually(lambda: ledger.spooled() == 0)
    assert ledger.call(entry.id) == entry
    ledger.close()


def test_a_call_that_waits_in_memory_goes_to_the_database_while_the_spool_stays_full(tmp_path: Path) -> None:
    (tmp_path / "spool").touch()
    (tmp_path / "later").touch()
    ledger = Ledger(f"sqlite:///{tmp_path / 'later' / 'ledger.db'}", made.KEY, tmp_path / "spool")
    entries = [made.call(), made.call()]
    assert [ledger.record_call(entry) for entry in entries] == [False, False]
    (tmp_path / "later").unlink()
    eventually(lambda: ledger.spooled() == 0)
    assert [ledger.call(entry.id) for entry in entries] == entries
    ledger.close()


def test_what_waits_in_memory_is_written_when_the_process_ends(tmp_path: Path) -> None:
    (tmp_path / "spool").touch()
    ledger = Ledger(NOWHERE, made.KEY, tmp_path / "spool")
    entry = made.call()
    ledger.record_call(entry)
    (tmp_path / "spool").unlink()
    ledger.close()
    [path] = Spool(tmp_path / "spool").waiting()
    assert Spool.read(path) == entry


def test_memory_is_not_filled_without_end() -> None:
    held = Held(most=2)
    assert [held.put(made.call()) for _ in range(3)] == [True, True, False]


FULL_DISK = """
import os, resource, sys
import ledger_entries as made
from cds.errors import LedgerError
from cds.ledger import Ledger
from pathlib import Path
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
try:
    Ledger(sys.argv[1], made.KEY, Path(sys.argv[2])).record_feedback([made.feedback("a" * 500)])
except LedgerError as error:
    print(error)
os._exit(0)
"""


def test_a_full_disk_is_an_error_and_leaves_no_half_file(tmp_path: Path) -> None:
    """The limit on file size stands for the disk: a write fails halfway."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-u", "-c", FULL_DISK, NOWHERE, str(tmp_path / "spool")]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert "File too large" in said.stdout, said.stderr
    assert os.listdir(tmp_path / "spool") == []


def test_a_row_that_can_never_be_stored_is_set_aside_with_its_reason(ledger: Ledger, tmp_path: Path) -> None:
    good = made.call()
    ledger.record_call(good)
    again = replace(made.call(), cards=good.cards)
    naive = made.call(at=made.NOW.replace(tzinfo=None))
    assert [ledger.record_call(again), ledger.record_call(naive)] == [False, False]
    assert ledger.record_call(made.call()) is True
    rejected = tmp_path / "spool" / "rejected"
    assert sorted(Spool.read(p).id for p in rejected.glob("*.json")) == sorted([again.id, naive.id])  # type: ignore[union-attr]
    reasons = sorted(p.read_text() for p in rejected.glob("*.reason"))
    assert len(reasons) == 2 and not any(good.cards[0].id in reason for reason in reasons)
    assert ledger.spooled() == 0 and ledger.call(again.id) is None


def test_poisoned_files_are_set_aside_and_the_others_go_through(ledger: Ledger, tmp_path: Path) -> None:
    stored, good = made.call(), made.call()
    ledger.record_call(stored)
    spool = Spool(tmp_path / "spool")
    spool.put([replace(made.call(), cards=stored.cards)])
    for name, content in (
        ("0", b"\x00not json"),
        ("1", b'{"kind":"call","entry":{}}'),
        ("2", b'{"kind":"?","entry":1}'),
    ):
        (tmp_path / "spool" / f"{name}.json").write_bytes(content)
    spool.put([good])
    assert ledger.drain() == 1
    assert ledger.call(good.id) == good
    assert ledger.spooled() == 0
    rejected = tmp_path / "spool" / "rejected"
    assert len(list(rejected.glob("*.json"))) == len(list(rejected.glob("*.reason"))) == 4


def test_a_file_already_in_the_database_is_not_stored_twice(ledger: Ledger, tmp_path: Path) -> None:
    entry = made.call()
    ledger.record_call(entry)
    Spool(tmp_path / "spool").put([entry, entry])
    ledger.drain()
    assert ledger.spooled() == 0 and ledger.call(entry.id) == entry


def test_what_a_killed_process_left_behind_is_moved_in_by_the_next(tmp_path: Path, ledger: Ledger) -> None:
    left = made.call()
    Spool(tmp_path / "spool").put([left])
    ledger.record_call(made.call())
    eventually(lambda: ledger.spooled() == 0)
    assert ledger.call(left.id) == left


def test_what_a_killed_process_left_half_done_is_told_with_what_was_rejected(tmp_path: Path, ledger: Ledger) -> None:
    """Nobody stores it, and it is lost with the machine. What was begun just now is being written."""
    spool = Spool(tmp_path / "spool")
    spool.put([made.call(), made.call()])
    for path, name in zip(spool.waiting(), ("0000000001-old.part", f"{time.time_ns():020d}-young.part"), strict=True):
        path.rename(path.with_name(name))
    (tmp_path / "spool" / "copied.part").touch()
    (tmp_path / "spool" / "moved-meanwhile.part").symlink_to("nothing")
    assert (ledger.spooled(), ledger.rejected()) == (0, 1)
    os.utime(tmp_path / "spool" / "copied.part", (1, 1))
    assert ledger.rejected() == 2


def test_draining_an_empty_spool_is_nothing(ledger: Ledger) -> None:
    assert ledger.drain() == 0


def test_a_closed_ledger_can_be_used_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    migrate.upgrade(url)
    ledger = Ledger(url, made.KEY, tmp_path / "spool")
    ledger.close()
    assert ledger.record_call(made.call()) is True
    ledger.close()
