"""Workers as processes, killed at each stage, with each way of delivery: one stored result, by a rival, in time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from faults import Seen
from postgres_server import PostgresServer
from rabbitmq_server import RabbitMqServer
from redis_server import RedisServer
from study_calls import body, study
from study_scene import MODEL, STUDY, Archive, settings_of, write_model, write_toml

from cds.app import create_engine
from cds.engine import Engine
from cds.jobs import Job
from cds.jobs.celery import Courier
from cds.ledger import migrate, tables
from cds.ledger.database import parse_url
from cds.settings import load
from cds.studies.about import About
from cds.studies.plan import Why

pytestmark = pytest.mark.system
SCRIPT = Path(__file__).with_name("study_worker.py")
LEASE_S = 3.0
STAGES = ("ask", "fetch", "analyse", "look", "write", "store", "committing")


def until(condition: Callable[[], Any], seconds: float = 45.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


@dataclass
class Site:
    """A hospital with workers that can be killed."""

    toml: Path
    log: Path
    engine: Engine
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, halt: str = "") -> subprocess.Popen[bytes]:
        before = len(self.said("ready"))
        with self.log.with_suffix(".err").open("ab") as errors:
            process = subprocess.Popen(
                [sys.executable, str(SCRIPT), str(self.toml), str(self.log), halt], stderr=errors, stdout=errors
            )
        self.workers.append(process)
        until(lambda: len(self.said("ready")) > before)
        return process

    def said(self, word: str) -> list[str]:
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        return [line for line in lines if line.split()[0] == word]

    def ask(self, uid: str = STUDY, why: Why = "hand") -> Job:
        asked = self.engine.studies.intake.ask(About(uid), "demo", why, only=[MODEL])
        return asked.jobs[0][0]

    def done(self, job: Job, seconds: float = 60.0) -> Job:
        def ended() -> Job | None:
            found = self.engine.studies.jobs.get(job.id)
            return found if found is not None and found.state == "done" else None

        found: Job = until(ended, seconds)
        return found

    def cards(self, uid: str = STUDY) -> list[dict[str, Any]]:
        """What the chart of the patient with this scan shows now."""
        given = msgspec.json.encode(body(study(uid)))
        where = "/cds-services/pancreas-imaging"
        answer = self.engine.answer(
            "pancreas-imaging",
            given,
            authorization=None,
            path=where,
            remote_addr="127.0.0.1",
            accept_language="en",
        )
        self.engine.studies.settle()
        return [{"summary": card.summary} for card in answer.response.cards]

    def stored(self) -> int:
        """Predictions of the network in the ledger that study jobs stored."""
        database = sa.create_engine(parse_url(self.engine.settings.ledger_url))
        by_jobs = tables.predictions.join(tables.calls, tables.calls.c.id == tables.predictions.c.call_id)
        query = sa.select(sa.func.count()).select_from(by_jobs)
        query = query.where(tables.predictions.c.model == MODEL, tables.calls.c.hook == "study-job")
        with database.connect() as connection:
            found = connection.execute(query).scalar_one()
        database.dispose()
        return int(found)


Open = Callable[..., Site]


@pytest.fixture
def site(tmp_path: Path, archive: Archive) -> Iterator[Open]:
    made: list[Site] = []

    def build(**changed: Any) -> Site:
        archive.holds()
        write_model(tmp_path)
        imaging = {"lease_s": LEASE_S, **changed.pop("imaging", {})}
        toml = write_toml(tmp_path / "cds.toml", settings_of(tmp_path, archive, imaging=imaging, **changed))
        settings = load(toml)
        migrate.upgrade(settings.ledger_url)
        made.append(Site(toml, tmp_path / "work.log", create_engine(settings)))
        return made[-1]

    yield build
    for one in made:
        for process in one.workers:
            process.kill()
            process.wait()
        one.engine.ledger.close()
        one.engine.studies.jobs.close()


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
    until(lambda: [line for line in site.said("stage-ask") if line.endswith(f" {rival.pid}")])
    assert time.monotonic() - at <= 2 * LEASE_S
    ended = site.done(job)
    seconds = time.monotonic() - at
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
@pytest.mark.parametrize("stage", ["fetch", "analyse", "committing"])
def test_killed_with_postgresql(site: Open, postgres_database: Callable[[], str], stage: str) -> None:
    killed_at(site(database_url=postgres_database()), stage)


@pytest.mark.parametrize("stage", ["ask", "analyse", "committing"])
def test_killed_with_postgresql_and_celery_on_redis(
    site: Open, postgres_database: Callable[[], str], redis: RedisServer, stage: str
) -> None:
    killed_at(site(database_url=postgres_database(), imaging={"broker_url": redis.url}), stage)


@pytest.mark.parametrize("stage", ["analyse", "committing"])
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
def test_a_broker_killed_during_the_work_and_a_worker_with_it_end_in_one_result(
    site: Open, postgres_database: Callable[[], str], redis: RedisServer, seen: Seen
) -> None:
    here = site(database_url=postgres_database(), imaging={"broker_url": redis.url})
    victim = here.start("analyse")
    job = here.ask()
    until(lambda: here.said("halted"))
    here.start()
    redis.kill()
    os.kill(victim.pid, signal.SIGKILL)
    during = here.cards()
    redis.start()
    back = time.monotonic()
    ended = here.done(job)
    assert (ended.attempts, here.stored()) == (2, 1)
    seen(
        "queue's broker",
        "killed during a study, and the worker with it",
        during=[during],
        after=[here.cards()],
        of="results, each stored once",
        owed=1,
        kept=here.stored(),
        recovery_s=time.monotonic() - back,
    )


@pytest.mark.fault("ledger's database", "killed during a study, and the worker with it")
def test_a_database_that_is_killed_and_comes_back_during_the_work_keeps_one_result(
    site: Open, postgres: PostgresServer, postgres_database: Callable[[], str], seen: Seen
) -> None:
    here = site(database_url=postgres_database())
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
    )


def test_a_worker_asked_to_stop_gives_its_study_back_untried(site: Open) -> None:
    here = site()
    worker = here.start("wait-for-ever")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=20) == 0
    job = here.ask()
    assert here.engine.studies.jobs.get(job.id).state == "queued"  # type: ignore[union-attr]
