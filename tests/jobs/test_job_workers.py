"""Workers as processes: killed, stopped, cancelled; the effect is once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cds.jobs import Job, Jobs, Progress, Unfinished, Worker
from cds.jobs.slots import Slots

SCRIPT = Path(__file__).with_name("job_worker.py")
LEASE_S = 2.0

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "work.log"
    path.touch()
    return path


@pytest.fixture
def start(url: str, log: Path) -> Iterator[Start]:
    running: list[subprocess.Popen[bytes]] = []

    def begin(*silent_s: str) -> subprocess.Popen[bytes]:
        running.append(subprocess.Popen([sys.executable, str(SCRIPT), url, str(LEASE_S), str(log), *silent_s]))
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.wait()


def until(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def said(log: Path, word: str) -> list[str]:
    return [line for line in log.read_text(encoding="utf-8").splitlines() if line.startswith(word)]


def test_a_killed_workers_job_is_finished_once_by_a_rival_within_two_leases(
    jobs: Jobs, start: Start, log: Path
) -> None:
    first, rival = start(), start()
    until(lambda: len(said(log, "ready")) == 2)
    job, _ = jobs.enqueue("sleep", "study-1", {"first": 60.0, "seconds": 0.2})
    begun = until(lambda: said(log, "begin"))[0]
    killed = first if begun.endswith(f" {first.pid}") else rival
    left = rival if killed is first else first
    os.kill(killed.pid, signal.SIGKILL)
    at = time.monotonic()
    ended = until(lambda: (found := jobs.get(job.id)) is not None and found.state == "done" and found)
    assert time.monotonic() - at <= 2 * LEASE_S
    assert ended.attempts == 2
    assert ended.result == {"by": left.pid}
    assert said(log, "end") == [f"end {job.id} {left.pid}"]


def test_work_longer_than_its_lease_keeps_its_job(jobs: Jobs, start: Start, log: Path) -> None:
    start(), start()
    until(lambda: len(said(log, "ready")) == 2)
    job, _ = jobs.enqueue("sleep", "study-1", {"seconds": LEASE_S * 2})
    ended = until(lambda: (found := jobs.get(job.id)) is not None and found.state == "done" and found)
    assert ended.attempts == 1
    assert len(said(log, "begin")) == 1


def test_a_worker_asked_to_stop_gives_its_job_to_a_rival_without_waiting_for_the_lease(
    jobs: Jobs, start: Start, log: Path
) -> None:
    first = start()
    until(lambda: said(log, "ready"))
    job, _ = jobs.enqueue("sleep", "study-1", {"seconds": 1.0})
    until(lambda: said(log, "begin"))
    first.terminate()
    assert first.wait(timeout=10) == 0
    given = jobs.get(job.id)
    assert given is not None
    assert (given.state, given.attempts) == ("queued", 0)
    rival = start()
    ended = until(lambda: (found := jobs.get(job.id)) is not None and found.state == "done" and found)
    assert (ended.attempts, ended.result) == (1, {"by": rival.pid})


def test_a_cancelled_job_stops_at_its_next_step(jobs: Jobs, start: Start, log: Path) -> None:
    start()
    until(lambda: said(log, "ready"))
    job, _ = jobs.enqueue("sleep", "study-1", {"seconds": 60.0})
    until(lambda: said(log, "begin"))
    assert jobs.cancel(job.id)
    until(lambda: (found := jobs.get(job.id)) is not None and found.state == "cancelled")
    assert said(log, "end") == []


def test_work_that_says_nothing_for_too_long_loses_its_job_and_on_its_last_attempt_ends_it(
    jobs: Jobs, start: Start, log: Path
) -> None:
    """Its heartbeat would go on for ever; the process ends, so that what the work holds is free."""
    worker = start("0.5")
    until(lambda: said(log, "ready"))
    job, _ = jobs.enqueue("sleep", "study-1", {"seconds": 600.0, "silent": True}, most_attempts=1)
    assert worker.wait(timeout=20) == 75
    ended = jobs.get(job.id)
    assert ended is not None
    assert (ended.state, ended.reason, ended.attempts, ended.result) == ("dead", "no-progress", 1, None)
    assert said(log, "end") == []


@pytest.fixture
def quick(url: str) -> Iterator[Jobs]:
    """Jobs whose heart beats ten times a second."""
    opened = Jobs(url, lease=timedelta(seconds=0.3))
    yield opened
    opened.close()


def test_work_that_says_something_in_time_is_left_alone(quick: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that the test moves: a machine that stalls adds no silence of its own."""
    now, hung, beats, renew = [0.0], threading.Event(), threading.Semaphore(0), quick.renew

    def renewed(*given: Any) -> str:
        beats.release()
        return renew(*given)

    def talk(job: Job, progress: Progress) -> Mapping[str, Any]:
        for step in range(3):
            now[0] += 0.9
            while beats.acquire(blocking=False):
                pass
            # the first may have looked at the clock before it was moved
            assert beats.acquire(timeout=30) and beats.acquire(timeout=30)
            progress("talking", step / 3)
        return {}

    monkeypatch.setattr("cds.jobs.worker.time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(quick, "renew", renewed)
    job, _ = quick.enqueue("read", "study-1", {})
    assert Worker(quick, {"read": talk}, silent_s=1.0, hung=lambda _: hung.set()).once()
    ended = quick.get(job.id)
    assert ended is not None
    assert (ended.state, ended.attempts, hung.is_set()) == ("done", 1, False)


def test_work_that_hangs_is_watched_when_its_job_is_lost_too_and_the_rival_keeps_the_job(quick: Jobs) -> None:
    """It holds its thread and its device still."""
    hung, given, over = threading.Event(), threading.Event(), threading.Event()

    def hang(job: Job, _progress: Progress) -> Mapping[str, Any]:
        assert quick.release(job)
        given.set()
        over.wait(60)
        return {}

    job, _ = quick.enqueue("read", "study-1", {})
    worker = Worker(quick, {"read": hang}, silent_s=1.0, hung=lambda _: hung.set())
    working = threading.Thread(target=worker.once, daemon=True)
    working.start()
    try:
        assert given.wait(30)
        rivals = quick.claim("rival", ("read",))
        assert hung.wait(30)
    finally:
        over.set()
        working.join()
    assert rivals is not None and rivals.id == job.id
    found = quick.get(job.id)
    assert found is not None
    assert (found.state, found.reason, found.attempts) == ("running", "", 1)


def test_a_fault_in_the_work_neither_stops_the_worker_nor_is_lost(jobs: Jobs) -> None:
    def work(job: Job, progress: Progress) -> Mapping[str, Any]:
        if job.key == "broken":
            raise ZeroDivisionError("Mrs Example, 1950")
        if job.key == "hopeless":
            raise Unfinished("not-a-ct", again=False)
        return {}

    worker = Worker(jobs, {"read": work})
    for key in ("broken", "hopeless", "fine"):
        jobs.enqueue("read", key, {})
    while worker.once():
        pass
    states = {job.key: (job.state, job.reason) for job in jobs.newest()}
    assert states == {
        "broken": ("queued", "internal-error"),
        "hopeless": ("dead", "not-a-ct"),
        "fine": ("done", ""),
    }


def test_a_slot_is_one_holders_at_a_time(tmp_path: Path) -> None:
    slots = Slots(tmp_path / "slots", ("gpu-0", "gpu-1"))
    with slots.take() as first, slots.take() as second, slots.take() as third:
        assert {first, second} == {"gpu-0", "gpu-1"}
        assert third is None
    with slots.take(patience_s=1) as again:
        assert again == "gpu-0"
