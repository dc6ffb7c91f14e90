"""A worker collects as a whole now and then, though no call leaves it a reason to; quickly, and when others don't."""

from __future__ import annotations

import gc
import platform
import subprocess
import sys
import threading
from typing import Any

import pytest
from patience import eventually

from cds import serve


def test_what_the_interpreter_keeps_of_dropped_tuples_is_given_back_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole: list[str] = []

    def seen(phase: str, about: dict[str, Any]) -> None:
        if phase == "stop" and about["generation"] == 2:
            whole.append(threading.current_thread().name)

    monkeypatch.setattr(gc, "freeze", lambda: None)  # what other tests leave is still to be found
    monkeypatch.setattr(serve, "TIDY_S", 0.01)
    stop = threading.Event()
    thread = threading.Thread(target=serve.tidy, args=(stop,), name="tidy", daemon=True)
    gc.callbacks.append(seen)
    try:
        thread.start()
        eventually(lambda: whole.count("tidy") >= 2)
    finally:
        stop.set()
        thread.join(10)
        gc.callbacks.remove(seen)
    assert not thread.is_alive()


# in an interpreter of its own: in this one, other tests may have drawn before
WORKER = """
import gc, threading, time

from cds import charts, serve

def soon(reached):
    until = time.monotonic() + 60
    while not reached() and time.monotonic() < until:
        time.sleep(0.01)
    return reached()

serve.TIDY_S = 0.02
threading.Thread(target=serve.tidy, args=(threading.Event(),), daemon=True).start()
print("walked", soon(lambda: gc.get_freeze_count() > 0))
charts.load()
print("walks no more", soon(lambda: len(gc.get_objects()) < 5_000))
"""


def test_what_draws_is_walked_once_though_no_report_is_ever_opened() -> None:
    """The committee's console loads it, too, with its first chart: tens of thousands of objects."""
    done = subprocess.run([sys.executable, "-c", WORKER], capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["walked True", "walks no more True"]


def test_a_collection_that_finds_nothing_new_freezes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or what calls have in hand would stay for good, minute by minute."""
    frozen: list[None] = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(None))
    serve.tidy(Minutes(4))
    assert len(frozen) == 1


def test_workers_that_start_together_collect_at_different_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, "freeze", lambda: None)
    monkeypatch.setattr(gc, "collect", lambda: 0)
    workers = [Minutes(3) for _ in range(20)]
    for minutes in workers:
        serve.tidy(minutes)
    starts = [minutes.waits[0] for minutes in workers]
    assert len(set(starts)) > 10 and all(0 <= start <= serve.TIDY_S for start in starts)
    assert all(minutes.waits[1:] == [serve.TIDY_S] * 3 for minutes in workers)


class Minutes(threading.Event):
    """So many, without waiting for them."""

    def __init__(self, collections: int) -> None:
        super().__init__()
        self.left, self.waits = collections, list[float]()

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        self.left -= 1
        return self.left < 0


# blocks too large for the interpreter's own pools; a few that stay keep the C library's from being cut off at its end
HOLES = """
import os, threading

from cds import serve

def resident_mb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6

class Once:
    asked = 0

    def wait(self, _pause):
        self.asked += 1
        return self.asked > 1

blocks = [os.urandom(3000) for _ in range(20_000)]
kept = blocks[::50]
del blocks
before = resident_mb()
serve.tidy(Once())
print(before - resident_mb())
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other C libraries give pages back, or not, by themselves"
)
def test_pages_that_lie_free_between_blocks_go_back_to_the_system() -> None:
    told = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True, timeout=60)
    assert float(told.stdout) > 30
