"""A token is good for one call: between threads, between processes, and while the ledger is out."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cds.errors import LedgerError
from cds.steady import Steady
from cds.trust import ReplayGuard

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SOON = NOW + timedelta(minutes=5)
ISSUER = "https://ehr.example"


def ledger_out(key: str, expires: datetime) -> bool:
    raise LedgerError("the database is down")


def in_sqlite(path: Path, key: str, expires: datetime) -> bool:
    """A book like the ledger's: the unique key decides."""
    connection = sqlite3.connect(path, timeout=20)
    try:
        with connection:
            found = connection.execute("INSERT OR IGNORE INTO jti VALUES (?, ?)", (key, expires.isoformat()))
            return found.rowcount == 1
    finally:
        connection.close()


@pytest.fixture
def sqlite_book(tmp_path: Path) -> Callable[[str, datetime], bool]:
    path = tmp_path / "book.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE jti (key TEXT PRIMARY KEY, expires TEXT)")
    connection.close()
    return partial(in_sqlite, path)


@pytest.fixture(params=["ledger", "ledger out", "one host"])
def store(request: pytest.FixtureRequest, sqlite_book: Callable[[str, datetime], bool]) -> Any:
    return {"ledger": sqlite_book, "ledger out": ledger_out, "one host": None}[request.param]


def test_a_token_is_new_once(store: Any, tmp_path: Path) -> None:
    guard = ReplayGuard(store, tmp_path / "jti", now=lambda: NOW)
    assert guard(ISSUER, "one", SOON)
    assert not guard(ISSUER, "one", SOON)
    assert guard(ISSUER, "two", SOON)
    assert guard("https://other.example", "one", SOON)


def test_issuer_and_jti_do_not_run_together(store: Any, tmp_path: Path) -> None:
    guard = ReplayGuard(store, tmp_path / "jti", now=lambda: NOW)
    assert guard("a", "bc", SOON) and guard("ab", "c", SOON) and guard("", "abc", SOON)


@pytest.mark.parametrize("jti", ["../../etc/passwd", "a/b\\c", "\x00", "\ud800", "é" * 500, "con", "."])
def test_any_text_will_do_as_a_jti(store: Any, tmp_path: Path, jti: str) -> None:
    guard = ReplayGuard(store, tmp_path / "jti", now=lambda: NOW)
    assert guard(ISSUER, jti, SOON) and not guard(ISSUER, jti, SOON)
    assert all(file.stem.isdigit() and file.suffix == ".used" for file in (tmp_path / "jti").rglob("*"))


def test_neither_book_holds_what_the_token_said(tmp_path: Path) -> None:
    keys: list[str] = []

    def remember(key: str, expires: datetime) -> bool:
        keys.append(key)
        raise LedgerError("out")

    ReplayGuard(remember, tmp_path / "jti", now=lambda: NOW)(ISSUER, "Jane-Roe", SOON)
    [file] = (tmp_path / "jti").iterdir()
    assert len(keys[0]) == 64 and bytes.fromhex(keys[0]).startswith(file.read_bytes())
    assert b"Jane" not in file.read_bytes() and "Jane" not in file.name + keys[0]


def _race(store: Any, folder: Path, start: Any, wins: Any) -> None:
    guard = ReplayGuard(store, folder, now=lambda: NOW)
    start.wait()
    wins.put([number for number in range(50) if guard(ISSUER, str(number), SOON)])


@pytest.mark.threat("replayed-token")
def test_of_two_processes_one_gets_the_token(store: Any, tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    start, wins = spawn.Barrier(2), spawn.Queue()
    racers = [spawn.Process(target=_race, args=(store, tmp_path / "jti", start, wins)) for _ in range(2)]
    for racer in racers:
        racer.start()
    won = wins.get(timeout=60) + wins.get(timeout=60)
    for racer in racers:
        racer.join(timeout=60)
    assert sorted(won) == list(range(50))


@pytest.mark.threat("replayed-token")
def test_of_many_threads_one_gets_the_token(store: Any, tmp_path: Path) -> None:
    guard = ReplayGuard(store, tmp_path / "jti", now=lambda: NOW)
    start, wins = threading.Barrier(8), []

    def take() -> None:
        start.wait()
        wins.append(guard(ISSUER, "one", SOON))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(wins) == [False] * 7 + [True]


class Switch:
    """A ledger that goes and comes back."""

    def __init__(self) -> None:
        self.out = False
        self.keys: set[str] = set()

    def __call__(self, key: str, expires: datetime) -> bool:
        if self.out:
            raise LedgerError("the database is down")
        new = key not in self.keys
        self.keys.add(key)
        return new


@pytest.mark.threat("replayed-token")
def test_a_token_of_the_outage_is_refused_after_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ledger = Switch()
    guard = ReplayGuard(ledger, tmp_path / "jti", now=lambda: NOW)
    assert guard(ISSUER, "before", SOON)
    ledger.out = True
    assert guard(ISSUER, "during", SOON) and guard(ISSUER, "during as well", SOON)
    ledger.out = False
    assert not guard(ISSUER, "during", SOON)
    assert not guard(ISSUER, "before", SOON)
    assert guard(ISSUER, "after", SOON)
    assert caplog.text.count("until the ledger is back") == 1
    assert caplog.text.count("in the ledger again") == 1


def test_expired_files_are_removed_and_others_stay(tmp_path: Path) -> None:
    at = [NOW]
    guard = ReplayGuard(ledger_out, tmp_path / "jti", now=lambda: at[0])
    for minute in range(10):
        assert guard(ISSUER, str(minute), NOW + timedelta(minutes=minute))
    at[0] = NOW + timedelta(minutes=5)
    assert not guard(ISSUER, "9", NOW + timedelta(minutes=9))
    assert not guard(ISSUER, "5", NOW + timedelta(minutes=5))
    assert len(list((tmp_path / "jti").iterdir())) == 7  # the minutes 3 to 9
    at[0] = NOW + timedelta(hours=2)
    assert guard(ISSUER, "new", at[0] + timedelta(minutes=5))
    assert len(list((tmp_path / "jti").iterdir())) == 1


@pytest.mark.threat("replayed-token")
def test_a_token_used_before_an_outage_is_refused_during_it(tmp_path: Path) -> None:
    ledger = Switch()
    guard = ReplayGuard(ledger, tmp_path / "jti", now=lambda: NOW)
    assert guard(ISSUER, "before", SOON)
    ledger.out = True
    assert not guard(ISSUER, "before", SOON)


def test_a_worker_that_alone_has_lost_the_ledger_takes_no_token_twice(tmp_path: Path) -> None:
    sound, cut_off = (ReplayGuard(store, tmp_path / "jti", now=lambda: NOW) for store in (Switch(), ledger_out))
    assert sound(ISSUER, "one", SOON) and not cut_off(ISSUER, "one", SOON)
    assert cut_off(ISSUER, "two", SOON) and not sound(ISSUER, "two", SOON)


@pytest.mark.threat("replayed-token")
def test_a_token_used_on_another_host_is_refused_by_the_ledger(tmp_path: Path) -> None:
    ledger = Switch()
    here, there = (ReplayGuard(ledger, tmp_path / host, now=lambda: NOW) for host in ("here", "there"))
    assert here(ISSUER, "one", SOON) and not there(ISSUER, "one", SOON)


def test_a_folder_that_cannot_be_written_leaves_the_ledger_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "jti").write_text("a file where the folder should be")
    guard = ReplayGuard(Switch(), tmp_path / "jti", now=lambda: NOW)
    assert guard(ISSUER, "one", SOON) and not guard(ISSUER, "one", SOON) and guard(ISSUER, "two", SOON)
    assert caplog.text.count("used tokens are kept elsewhere only") == 1


@pytest.mark.threat("replayed-token")
@pytest.mark.parametrize("store", [ledger_out, None], ids=["ledger out", "one host"])
def test_without_any_book_no_token_is_accepted(tmp_path: Path, store: Any) -> None:
    (tmp_path / "jti").write_text("a file where the folder should be")
    guard = ReplayGuard(store, tmp_path / "jti", now=lambda: NOW)
    with pytest.raises(LedgerError, match="can't be written"):
        guard(ISSUER, "one", SOON)
    assert ReplayGuard(Switch(), tmp_path / "jti", now=lambda: NOW)(ISSUER, "one", SOON)


def test_the_folder_is_for_the_service_alone(tmp_path: Path) -> None:
    ReplayGuard(ledger_out, tmp_path / "jti", now=lambda: NOW)(ISSUER, "one", SOON)
    modes = {path.stat().st_mode & 0o077 for path in (tmp_path / "jti").rglob("*")}
    assert modes == {0}


def workers(tmp_path: Path) -> tuple[ReplayGuard, ReplayGuard]:
    """Two of one host, without a ledger."""
    one, two = (ReplayGuard(ledger_out, tmp_path / "jti", now=lambda: NOW) for _ in range(2))
    return one, two


@pytest.mark.parametrize("torn", [1, 15])
def test_a_record_cut_short_costs_no_other(tmp_path: Path, torn: int) -> None:
    """A full disk, or a worker killed at the wrong moment."""
    one, two = workers(tmp_path)
    assert one(ISSUER, "before", SOON)
    [file] = (tmp_path / "jti").iterdir()
    with file.open("ab") as book:
        book.write(b"x" * torn)
    assert two(ISSUER, "after", SOON) and one(ISSUER, "later", SOON)
    assert not any(worker(ISSUER, jti, SOON) for worker in (one, two) for jti in ("before", "after", "later"))
    fresh, _ = workers(tmp_path)
    assert not any(fresh(ISSUER, jti, SOON) for jti in ("before", "after", "later"))


def test_workers_agree_after_the_book_was_removed_under_them(tmp_path: Path) -> None:
    one, two = workers(tmp_path)
    assert one(ISSUER, "a", SOON) and two(ISSUER, "b", SOON)
    shutil.rmtree(tmp_path / "jti")
    assert one(ISSUER, "c", SOON) and not two(ISSUER, "c", SOON)
    assert two(ISSUER, "d", SOON) and not one(ISSUER, "d", SOON)


@pytest.mark.threat("replayed-token")
def test_a_clock_that_jumps_ahead_and_back_divides_no_workers(tmp_path: Path) -> None:
    at = [NOW]
    wild, calm = (ReplayGuard(ledger_out, tmp_path / "jti", now=clock) for clock in (lambda: at[0], lambda: NOW))
    assert calm(ISSUER, "a", SOON)
    at[0] = NOW + timedelta(hours=1)
    assert wild(ISSUER, "b", at[0])
    at[0] = NOW
    assert wild(ISSUER, "c", SOON) and not calm(ISSUER, "c", SOON)
    assert calm(ISSUER, "d", SOON) and not wild(ISSUER, "d", SOON)


def test_a_clock_set_ahead_and_put_right_again_costs_no_used_token(tmp_path: Path) -> None:
    at, seconds = [NOW], [0.0]
    guard = ReplayGuard(ledger_out, tmp_path / "jti", now=Steady(lambda: at[0], lambda: seconds[0]))
    assert guard(ISSUER, "stolen", SOON)
    at[0] = NOW + timedelta(hours=2)
    assert guard(ISSUER, "b", at[0])
    at[0] = NOW
    assert not guard(ISSUER, "stolen", SOON)
    at[0], seconds[0] = NOW + timedelta(hours=2), 7200.0  # two hours that did pass
    assert guard(ISSUER, "c", at[0] + timedelta(minutes=5))
    assert len(list((tmp_path / "jti").iterdir())) == 2  # the minutes of b and c


def test_a_frozen_worker_with_the_book_in_hand_holds_up_no_other_for_long(tmp_path: Path) -> None:
    guard = ReplayGuard(Switch(), tmp_path / "jti", now=lambda: NOW)
    assert guard(ISSUER, "before", SOON)
    [file] = (tmp_path / "jti").iterdir()
    with file.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        start = time.monotonic()
        assert guard(ISSUER, "during", SOON) and not guard(ISSUER, "during", SOON)
        assert time.monotonic() - start < 3
        with pytest.raises(LedgerError, match="can't be written"):
            workers(tmp_path)[0](ISSUER, "no ledger either", SOON)
    assert not guard(ISSUER, "before", SOON) and guard(ISSUER, "after", SOON)


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", script, str(folder)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


FULL_DISK = """
import resource, sys, test_replay_guard as test
from pathlib import Path
from cds.trust import ReplayGuard
guard = ReplayGuard(test.ledger_out, Path(sys.argv[1]), now=lambda: test.NOW)
resource.setrlimit(resource.RLIMIT_FSIZE, (40, 40))
for jti in "abcb":
    try:
        print(guard(test.ISSUER, jti, test.SOON), end=" ")
    except Exception as error:
        print(type(error).__name__, end=" ")
"""


@pytest.mark.threat("replayed-token")
def test_on_a_full_disk_a_token_is_accepted_only_if_the_ledger_has_it(tmp_path: Path) -> None:
    """The limit on file size stands for the disk: the third record is cut off halfway."""
    said = run(FULL_DISK, tmp_path / "jti")
    assert said.stdout.split() == ["True", "True", "LedgerError", "False"], said.stderr
    one, _ = workers(tmp_path)
    assert not one(ISSUER, "a", SOON) and not one(ISSUER, "b", SOON) and one(ISSUER, "c", SOON)


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    return tmp_path / "memory"


def test_while_neither_disk_nor_ledger_takes_a_token_memory_does_and_none_gets_through_twice(
    tmp_path: Path, memory: Path
) -> None:
    (tmp_path / "jti").touch()  # a file where the book's folder should be
    one, two = (ReplayGuard(ledger_out, tmp_path / "jti", now=lambda: NOW, spare=memory) for _ in range(2))
    assert one(ISSUER, "a", SOON) and not two(ISSUER, "a", SOON)
    (tmp_path / "jti").unlink()
    assert not one(ISSUER, "a", SOON) and not two(ISSUER, "a", SOON)  # the disk is back and does not know it
    assert two(ISSUER, "b", SOON) and not one(ISSUER, "b", SOON)


def test_memory_is_left_alone_until_it_is_needed_and_given_back_afterwards(tmp_path: Path, memory: Path) -> None:
    at = [NOW]
    guard = ReplayGuard(ledger_out, tmp_path / "jti", now=lambda: at[0], spare=memory)
    assert guard(ISSUER, "a", SOON) and not memory.exists()
    shutil.move(tmp_path / "jti", tmp_path / "away")
    (tmp_path / "jti").touch()
    assert guard(ISSUER, "b", SOON + timedelta(minutes=2)) and memory.stat().st_mode & 0o777 == 0o700
    (tmp_path / "jti").unlink()
    at[0] = NOW + timedelta(hours=1)
    assert guard(ISSUER, "c", at[0] + timedelta(minutes=5))
    assert not memory.exists()


def test_a_place_in_memory_that_others_can_write_is_not_used(tmp_path: Path, memory: Path) -> None:
    memory.mkdir(mode=0o777)
    memory.chmod(0o777)
    (memory / "somebody-elses").touch()
    (tmp_path / "jti").touch()
    with pytest.raises(LedgerError, match="can't be written"):
        ReplayGuard(ledger_out, tmp_path / "jti", now=lambda: NOW, spare=memory)(ISSUER, "a", SOON)


# A parent uses its guard, then forks; all three go for the same tokens.
FORK = """
import os, sys, test_replay_guard as test
from pathlib import Path
from cds.trust import ReplayGuard

def take():
    won = [jti for jti in ("before", *map(str, range(200))) if guard(test.ISSUER, jti, test.SOON)]
    os.write(1, "".join(f"{jti}\\n" for jti in won).encode())

guard = ReplayGuard(test.ledger_out, Path(sys.argv[1]), now=lambda: test.NOW)
assert guard(test.ISSUER, "before", test.SOON)
[lock] = [book._lock for book in guard._books.values()]
lock.acquire()  # as if another thread held it at the moment of the fork
children = []
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        take()
        os._exit(0)
    children.append(pid)
lock.release()
take()
print(*(os.waitpid(pid, 0)[1] for pid in children), file=sys.stderr)
"""


def test_a_forked_worker_shares_the_book_and_not_the_lock(tmp_path: Path) -> None:
    said = run(FORK, tmp_path / "jti")
    assert said.stderr.splitlines()[-1:] == ["0 0"], said.stderr
    assert sorted(said.stdout.split(), key=int) == [str(jti) for jti in range(200)]


def test_a_late_worker_reads_a_long_book_in_one_go(tmp_path: Path) -> None:
    one, two = workers(tmp_path)
    assert all(one(ISSUER, str(jti), SOON) for jti in range(5000))
    start = time.process_time()
    assert not two(ISSUER, "4999", SOON)
    assert time.process_time() - start < 0.5
    assert len(list((tmp_path / "jti").iterdir())) == 1
