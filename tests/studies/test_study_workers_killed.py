"""Workers as processes, killed at each stage, with each way of delivery: one stored result, by a rival, in time."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from faults import Seen
from postgres_server import PostgresServer
from rabbitmq_server import RabbitMqServer
from redis_server import RedisServer
from study_scene import Archive
from study_site import LEASE_S, Open, Site, until

from cds.jobs.celery import Courier

pytestmark = pytest.mark.system
STAGES = ("ask", "fetch", "analyse", "look", "write", "store", "committing")


@dataclass(frozen=True)
class Ended:
    during: list[dict[str, Any]]
    """Cards while nobody worked on the study."""
    seconds: float
    """From the worker's end to the study's."""


def killed_at(site: Site, stage: str) -> Ended:
    """A worker dies at the stage; a rival, there from the beginning, finishes once and in time."""
    victim = site.start(stage)
    job = site.ask()
    until(lambda: site.said("halted"))
    rival = site.start()
    os.kill(victim.pid, signal.SIGKILL)
    at = time.monotonic()
    during = site.cards()
    ended = site.done(job)
    seconds = time.monotonic() - at
    assert seconds <= 2 * LEASE_S
    assert [line for line in site.said("stage-store") if line.endswith(f" {rival.pid}")]
    assert ended.attempts == 2
    assert site.stored() == 1
    return Ended(during, seconds)


@pytest.mark.fault("study worker", "killed (SIGKILL) at each stage, a rival beside it")
@pytest.mark.parametrize("stage", STAGES)
def test_killed_at_each_stage_ends_in_one_stored_result_on_sqlite(site: Open, stage: str, seen: Seen) -> None:
    here = site()
    ended = killed_at(here, stage)
    seen(
        "study worker",
        "killed (SIGKILL) at each stage, a rival beside it",
        during=[ended.during],
        after=[here.cards()],
        of="results, each stored once",
        owed=1,
        kept=here.stored(),
        recovery_s=ended.seconds,
        case=stage,
    )


# the combinations beside SQLite without a broker: the stages that differ between databases (what is committed) and
# between ways of delivery (what a message began)
# every stage on SQLite; the other databases and brokers where they differ, at the work and at its end
@pytest.mark.parametrize("stage", ["committing"])
def test_killed_with_postgresql(site: Open, postgres_database: Callable[[], str], stage: str) -> None:
    killed_at(site(database_url=postgres_database()), stage)


@pytest.mark.parametrize("stage", ["committing"])
def test_killed_with_postgresql_and_celery_on_redis(
    site: Open, postgres_database: Callable[[], str], redis: RedisServer, stage: str
) -> None:
    killed_at(site(database_url=postgres_database(), imaging={"broker_url": redis.url}), stage)


@pytest.mark.parametrize("stage", ["committing"])
def test_killed_with_postgresql_and_celery_on_rabbitmq(
    site: Open, postgres_database: Callable[[], str], rabbitmq: RabbitMqServer, stage: str
) -> None:
    killed_at(site(database_url=postgres_database(), imaging={"broker_url": rabbitmq.url}), stage)


@pytest.mark.parametrize("broker", ["redis", "rabbitmq"])
def test_killed_with_sqlite_and_a_broker(site: Open, broker: str, request: pytest.FixtureRequest) -> None:
    killed_at(site(imaging={"broker_url": request.getfixturevalue(broker).url}), "committing")


def test_a_message_reaches_a_worker_sooner_than_a_sweep_would(
    site: Open, postgres_database: Callable[[], str], redis: RedisServer
) -> None:
    here = site(database_url=postgres_database(), imaging={"broker_url": redis.url, "lease_s": 20.0})
    here.start()
    time.sleep(2.0)  # the sweeper has looked, and looks again in five seconds
    here.ask()
    at = time.monotonic()
    until(lambda: here.said("stage-ask"))
    assert time.monotonic() - at < 2.5


def test_messages_wake_and_the_row_with_the_highest_priority_goes_first(
    site: Open, archive: Archive, redis: RedisServer
) -> None:
    here = site(imaging={"broker_url": redis.url})
    archive.holds("1.2.3.4")
    told = here.ask("1.2.3.4", why="call")
    courier = Courier(redis.url)
    assert courier.send(told.id)
    by_hand = here.ask(why="hand")
    here.start()
    first, second = here.done(by_hand), here.done(told)
    assert first.started_at is not None and second.started_at is not None
    assert first.started_at < second.started_at
    courier.close()


@pytest.mark.fault("queue's broker", "killed, and back later")
@pytest.mark.parametrize("kind", ["redis", "rabbitmq"])
def test_a_broker_that_is_killed_and_comes_back_loses_nothing(
    site: Open,
    archive: Archive,
    postgres_database: Callable[[], str],
    kind: str,
    request: pytest.FixtureRequest,
    seen: Seen,
) -> None:
    broker: RedisServer | RabbitMqServer = request.getfixturevalue(kind)
    here = site(database_url=postgres_database(), imaging={"broker_url": broker.url, "lease_s": 20.0})
    archive.holds("1.2.3.4")
    broker.kill()
    first = here.ask()
    during = here.cards()
    here.start()
    assert here.done(first).attempts == 1  # done in the broker's absence
    without = here.cards()
    broker.start()
    back = time.monotonic()
    until(broker.listened_to)
    recovery = time.monotonic() - back
    before = len(here.said("stage-ask"))
    second = here.ask("1.2.3.4")
    at = time.monotonic()
    until(lambda: len(here.said("stage-ask")) > before)
    assert time.monotonic() - at < 2.5  # a sweep comes every five seconds: a message brought it
    assert here.done(second).attempts == 1
    assert here.stored() == 2
    seen(
        "queue's broker",
        "killed, and back later",
        during=[during, without],
        of="results, each stored once",
        owed=2,
        kept=here.stored(),
        recovery_s=recovery,
        case=kind,
    )


@pytest.mark.fault("queue's broker", "killed during a study, and the worker with it")
@pytest.mark.parametrize("kind", ["redis", "rabbitmq"])
def test_a_broker_killed_during_the_work_and_a_worker_with_it_end_in_one_result_in_time(
    site: Open, postgres_database: Callable[[], str], kind: str, request: pytest.FixtureRequest, seen: Seen
) -> None:
    broker: RedisServer | RabbitMqServer = request.getfixturevalue(kind)
    here = site(database_url=postgres_database(), imaging={"broker_url": broker.url})
    victim = here.start("analyse")
    job = here.ask()
    until(lambda: here.said("halted"))
    here.start()
    broker.kill()
    os.kill(victim.pid, signal.SIGKILL)
    during = here.cards()
    broker.start()
    back = time.monotonic()
    ended = here.done(job)
    seconds = time.monotonic() - back
    assert seconds <= 2 * LEASE_S
    assert (ended.attempts, here.stored()) == (2, 1)
    seen(
        "queue's broker",
        "killed during a study, and the worker with it",
        during=[during],
        after=[here.cards()],
        of="results, each stored once",
        owed=1,
        kept=here.stored(),
        recovery_s=seconds,
        case=kind,
    )


@pytest.mark.fault("ledger's database", "killed during a study, and the worker with it")
@pytest.mark.parametrize("broker", ["", "redis", "rabbitmq"])
def test_a_database_killed_during_the_work_and_a_worker_with_it_end_in_one_result_in_time(
    site: Open,
    postgres: PostgresServer,
    postgres_database: Callable[[], str],
    broker: str,
    request: pytest.FixtureRequest,
    seen: Seen,
) -> None:
    by = {"broker_url": request.getfixturevalue(broker).url} if broker else {}
    here = site(database_url=postgres_database(), imaging=by)
    victim = here.start("analyse")
    job = here.ask()
    until(lambda: here.said("halted"))
    here.start()
    postgres.kill()
    os.kill(victim.pid, signal.SIGKILL)
    during = here.cards()
    time.sleep(1.0)
    postgres.start()
    back = time.monotonic()
    ended = here.done(job)
    assert time.monotonic() - back <= 2 * LEASE_S
    assert (ended.attempts, here.stored()) == (2, 1)
    # a queue that did not answer is not asked again for five seconds, so that no card waits for it twice
    until(lambda: [card for card in here.cards() if "suspicion" in card["summary"]])
    recovery = time.monotonic() - back
    seen(
        "ledger's database",
        "killed during a study, and the worker with it",
        during=[during],
        after=[here.cards()],
        of="results, each stored once",
        owed=1,
        kept=here.stored(),
        recovery_s=recovery,
        case=broker,
    )


def test_a_worker_asked_to_stop_gives_its_study_back_untried(site: Open) -> None:
    here = site()
    worker = here.start("wait-for-ever")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=20) == 0
    job = here.ask()
    assert here.engine.studies.jobs.get(job.id).state == "queued"  # type: ignore[union-attr]
