"""The queue's promises, on SQLite and PostgreSQL."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from cds.errors import LedgerError
from cds.jobs import Jobs
from cds.ledger.tables import policies


def test_the_same_key_is_the_same_job(jobs: Jobs) -> None:
    first, new = jobs.enqueue("read", "study-1", {"a": 1})
    again, not_new = jobs.enqueue("read", "study-1", {"a": 2})
    assert (new, not_new) == (True, False)
    assert again.id == first.id
    assert again.payload == {"a": 1}


def test_asking_again_restarts_the_quiet_period_of_a_job_that_waits(jobs: Jobs) -> None:
    jobs.enqueue("read", "study-1", {}, after=timedelta(seconds=0))
    later, _ = jobs.enqueue("read", "study-1", {}, after=timedelta(hours=1), priority=3)
    assert jobs.claim("w", ["read"]) is None
    assert later.priority == 3


def test_asking_again_for_one_that_ended_does_not_do_it_again(jobs: Jobs) -> None:
    jobs.enqueue("read", "study-1", {})
    job = jobs.claim("w", ["read"])
    assert job is not None
    assert jobs.finish(job, {"lesions": 0})
    ended, new = jobs.enqueue("read", "study-1", {})
    assert (ended.state, ended.result, new) == ("done", {"lesions": 0}, False)


def test_the_higher_priority_goes_first_and_then_the_older(jobs: Jobs) -> None:
    for key, priority in (("a", 0), ("b", 5), ("c", 0)):
        jobs.enqueue("read", key, {}, priority=priority)
    taken = [jobs.claim("w", ["read"]) for _ in range(4)]
    assert [job.key if job else None for job in taken] == ["b", "a", "c", None]


def test_a_worker_takes_only_the_kinds_it_can_do(jobs: Jobs) -> None:
    jobs.enqueue("write", "x", {})
    assert jobs.claim("w", ["read"]) is None
    assert jobs.claim("w", ["write"]) is not None


def test_six_rivals_take_each_job_once(url: str, jobs: Jobs) -> None:
    for number in range(60):
        jobs.enqueue("read", f"study-{number}", {})

    def take(owner: int) -> list[int]:
        own, found = Jobs(url), list[int]()
        while True:
            try:
                job = own.claim(f"w{owner}", ["read"])
            except LedgerError:
                continue  # its turn did not come in time: a worker asks again, too
            if job is None:
                own.close()
                return found
            found.append(job.id)

    with ThreadPoolExecutor(6) as pool:
        taken = [id for ids in pool.map(take, range(6)) for id in ids]
    assert len(taken) == len(set(taken)) == 60


def test_a_lease_that_ran_out_goes_to_the_next_and_the_first_can_no_longer_finish(jobs: Jobs) -> None:
    jobs.enqueue("read", "study-1", {})
    first = jobs.claim("first", ["read"])
    assert first is not None
    assert jobs.claim("second", ["read"]) is None
    time.sleep(jobs.lease.total_seconds() + 0.1)
    second = jobs.claim("second", ["read"])
    assert second is not None
    assert second.attempts == 2
    assert jobs.renew(first, "late", 0.9) == "lost"
    assert not jobs.finish(first, {"by": "first"})
    assert jobs.finish(second, {"by": "second"})
    ended = jobs.get(second.id)
    assert ended is not None
    assert ended.result == {"by": "second"}


def test_a_result_and_its_rows_are_one_transaction(jobs: Jobs) -> None:
    jobs.enqueue("read", "study-1", {})
    job = jobs.claim("w", ["read"])
    assert job is not None

    def row_then_fault(c: sa.Connection) -> None:
        c.execute(sa.insert(policies).values(version="v", content="x", first_used_at=job.created_at))
        c.execute(sa.text("SELECT no_such_column FROM jobs"))

    with pytest.raises(LedgerError):
        jobs.finish(job, {}, also=row_then_fault)
    kept = jobs.get(job.id)
    assert kept is not None
    assert kept.state == "running"
    assert jobs._database.read(lambda c: c.execute(sa.select(sa.func.count()).select_from(policies)).scalar()) == 0


def test_a_failure_that_may_pass_waits_longer_each_time_and_then_the_job_is_dead(jobs: Jobs) -> None:
    jobs.enqueue("read", "study-1", {}, most_attempts=2)
    job = jobs.claim("w", ["read"])
    assert job is not None
    assert jobs.fail(job, "pacs-unreachable", again=True) == "queued"
    waiting = jobs.get(job.id)
    assert waiting is not None
    assert 2 <= (waiting.run_at - waiting.created_at).total_seconds() <= 9
    assert jobs.renewed(waiting, {}) is False
    with jobs._database._engine.begin() as c:
        c.execute(sa.text("UPDATE jobs SET run_at = created_at"))
    again = jobs.claim("w", ["read"])
    assert again is not None
    assert jobs.fail(again, "pacs-unreachable", again=True) == "dead"
    dead = jobs.get(job.id)
    assert dead is not None
    assert (dead.state, dead.reason) == ("dead", "pacs-unreachable")


def test_a_failure_that_will_not_pass_is_dead_at_once_and_can_be_asked_for_again(jobs: Jobs) -> None:
    jobs.enqueue("read", "study-1", {})
    job = jobs.claim("w", ["read"])
    assert job is not None
    assert jobs.fail(job, "two-patients", again=False) == "dead"
    dead = jobs.get(job.id)
    assert dead is not None
    assert jobs.renewed(dead, {"again": True}, priority=7)
    again = jobs.claim("w", ["read"])
    assert again is not None
    assert (again.id, again.attempts, again.reason, again.priority) == (job.id, 1, "", 7)
    assert (again.payload, again.result) == ({"again": True, "asked_at": again.asked_at.isoformat()}, None)
    assert again.created_at < again.asked_at


def test_when_it_was_asked_for_is_told_in_utc_whatever_zone_the_database_wrote_it_in(jobs: Jobs) -> None:
    renewed, _ = jobs.enqueue("read", "study-1", {"asked_at": "2026-11-23T13:00:00+01:00"})
    assert renewed.asked_at.isoformat() == "2026-11-23T12:00:00+00:00"


def test_while_a_source_is_away_no_attempt_counts_until_patience_ends(jobs: Jobs) -> None:
    asked, _ = jobs.enqueue("read", "study-1", {"a": 1}, most_attempts=2)
    assert asked.asked_at == asked.created_at
    pauses = []
    for _ in range(12):
        job = jobs.claim("w", ["read"])
        assert job is not None and job.attempts == 1
        assert jobs.fail(job, "pacs-failed", again=True, patience=timedelta(hours=24)) == "queued"
        waiting = jobs.get(job.id)
        assert waiting is not None and (waiting.reason, waiting.attempts) == ("pacs-failed", 0)
        pauses.append((waiting.run_at - waiting.created_at).total_seconds())
        assert jobs.claim("w", ["read"]) is None
        assert jobs.sooner(job.id) and not jobs.sooner(job.id)
    assert 2 <= pauses[0] <= 9 and 300 <= pauses[-1] <= 910
    job = jobs.claim("w", ["read"])
    assert job is not None
    assert jobs.fail(job, "disk-full", again=True, after=timedelta(hours=1)) == "queued"
    waiting = jobs.get(job.id)
    assert waiting is not None and (waiting.payload, waiting.attempts) == ({"a": 1}, 1)
    assert (waiting.run_at - waiting.created_at).total_seconds() >= 3600
    for state in ("queued", "dead"):
        jobs.sooner(job.id)
        job = jobs.claim("w", ["read"])
        assert job is not None
        patience = timedelta(hours=1) if state == "queued" else timedelta(microseconds=1)
        assert jobs.fail(job, "pacs-failed", again=True, patience=patience) == state
    assert jobs.sooner(job.id) is False


def test_two_who_renew_one_job_at_once_renew_it_once(jobs: Jobs) -> None:
    jobs.enqueue("read", "study-1", {})
    job = jobs.claim("w", ["read"])
    assert job is not None
    assert jobs.finish(job, {"lesions": 0})
    ended = jobs.get(job.id)
    assert ended is not None
    assert [jobs.renewed(ended, {}), jobs.renewed(ended, {})] == [True, False]


def test_a_job_whose_workers_all_died_is_dead_with_that_reason(jobs: Jobs) -> None:
    jobs.enqueue("read", "study-1", {}, most_attempts=1)
    job = jobs.claim("w", ["read"])
    assert job is not None
    time.sleep(jobs.lease.total_seconds() + 0.1)
    assert jobs.claim("w", ["read"]) is None
    dead = jobs.get(job.id)
    assert dead is not None
    assert (dead.state, dead.reason) == ("dead", "worker-lost")


def test_a_job_that_waits_is_cancelled_at_once_one_that_runs_at_its_next_step(jobs: Jobs) -> None:
    waiting, _ = jobs.enqueue("read", "a", {})
    assert jobs.cancel(waiting.id)
    jobs.enqueue("read", "b", {})
    running = jobs.claim("w", ["read"])
    assert running is not None
    assert running.key == "b"
    assert jobs.cancel(running.id)
    assert jobs.renew(running, "half", 0.5) == "cancelled"
    assert jobs.cancelled(running)
    assert not jobs.cancel(running.id)
    assert jobs.depth() == {"queued": 0, "running": 0, "done": 0, "dead": 0, "cancelled": 2}


def test_a_worker_that_shuts_down_gives_its_job_back_untried(jobs: Jobs) -> None:
    jobs.enqueue("read", "a", {})
    job = jobs.claim("w", ["read"])
    assert job is not None
    assert jobs.release(job)
    again = jobs.claim("v", ["read"])
    assert again is not None
    assert again.attempts == 1


def test_what_is_due_is_listed_for_a_sweeper(jobs: Jobs) -> None:
    first, _ = jobs.enqueue("read", "a", {})
    jobs.enqueue("read", "b", {}, after=timedelta(hours=1))
    assert jobs.due() == [first.id]


def test_a_database_that_is_away_is_said_so(jobs: Jobs, tmp_path: object) -> None:
    away = Jobs("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(LedgerError, match="job queue's database did not answer"):
        away.claim("w", ["read"])
    away.close()
