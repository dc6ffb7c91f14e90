"""Work for more than one machine: Celery on Redis or RabbitMQ carries the ids of rows, and nothing else.

The row stays the truth. A message wakes a worker and no more: it claims whatever is first by priority, since messages
come in the order of sending, or finds that there is nothing to claim. So one that is lost, doubled or late does no
harm; a sweeper in every worker sends the rows that wait again, and while the broker is away it does their work itself.
What is promised of the queue does not depend on the broker.

Messages are acknowledged when they come: Celery's own redelivery would wait for its visibility timeout.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from amqp.exceptions import AMQPError  # type: ignore[import-untyped]
from celery import Celery
from kombu.exceptions import OperationalError

from cds.errors import LedgerError
from cds.jobs.job import Job
from cds.jobs.queue import Jobs
from cds.jobs.worker import Worker

_log = logging.getLogger("cds.jobs")

QUEUE, TASK = "cds-jobs", "cds.jobs.run"
_CONNECT_S = 2.0
_HEARTBEAT_S = 20.0
_MOST_SENT = 200


def make_app(broker_url: str) -> Celery:
    """No result backend: results are rows of the ledger."""
    app = Celery("cds", broker=broker_url, set_as_current=False)
    app.conf.update(
        task_default_queue=QUEUE,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        worker_enable_remote_control=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_timeout=_CONNECT_S,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        **_connection(broker_url),
    )
    return app


def _connection(broker_url: str) -> dict[str, Any]:
    """What brokers differ in. A peer that is gone without a word must be noticed: Redis is asked with a time limit,
    RabbitMQ sends heartbeats, and says when it has a message."""
    if broker_url.startswith("amqp"):
        options = {"write_timeout": _CONNECT_S * 5, "confirm_publish": True, "max_retries": 0}
        return {"broker_transport_options": options, "broker_heartbeat": _HEARTBEAT_S}
    limits = {"socket_connect_timeout": _CONNECT_S, "socket_timeout": _CONNECT_S * 5, "max_retries": 0}
    return {"broker_transport_options": limits}


class Courier:
    """Sends ids. Made in each process; connects on first use."""

    def __init__(self, broker_url: str, expires_s: float = 300.0) -> None:
        """``expires_s``: a message nobody took by then is dropped; the sweeper has sent others."""
        self._app = make_app(broker_url)
        self._expires_s = expires_s

    def send(self, job_id: int) -> bool:
        """False: the broker can't be reached, or refuses us. Never raises for that, and waits two seconds at most."""
        try:
            self._app.send_task(TASK, args=(job_id,), expires=self._expires_s, retry=False, ignore_result=True)
        except (OperationalError, OSError, AMQPError) as error:  # RabbitMQ's refusal of a login is the last alone
            _log.warning("jobs.unsent job=%s error=%s", job_id, type(error).__name__)
            return False
        return True

    def tell(self, job: Job) -> None:
        """As ``send``; what is not sent waits for the sweeper."""
        self.send(job.id)

    def close(self) -> None:
        self._app.close()


class Sweeper:
    """Sends every due row, and again when nobody took it within a lease."""

    def __init__(self, jobs: Jobs, courier: Courier, worker: Callable[[], Worker]) -> None:
        """``worker``: makes the one that works in the broker's absence."""
        self._jobs = jobs
        self._courier = courier
        self._worker = worker
        self._lease_s = jobs.lease.total_seconds()
        self._sent: dict[int, float] = {}
        self._stopping = threading.Event()
        self._own: Worker | None = None
        self.every_s = min(5.0, self._lease_s / 4)

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.once()
            except LedgerError as error:
                _log.error("jobs.database error=%s", error)
            self._stopping.wait(self.every_s)

    def once(self) -> int:
        """How many were sent. Raises LedgerError."""
        now = time.monotonic()
        self._sent = {id: at for id, at in self._sent.items() if now - at < self._lease_s}
        sent = 0
        for id in self._jobs.due(_MOST_SENT):
            if id in self._sent:
                continue
            if not self._courier.send(id):
                self._work_alone()
                return sent
            self._sent[id] = time.monotonic()
            sent += 1
        return sent

    def _work_alone(self) -> None:
        """The broker is away: one due row is done here, then the broker is tried again."""
        self._own = self._worker()
        if not self._stopping.is_set():
            self._own.once()
        self._own = None

    def stop(self) -> None:
        self._stopping.set()
        own = self._own
        if own is not None:
            own.stop()


def serve(broker_url: str, jobs: Jobs, make_worker: Callable[[], Worker], slots: int) -> None:
    """Work when the broker says so, until SIGTERM or SIGINT; ``slots`` at a time, each in a thread of its own.

    A job in hand when the signal comes goes back untried at its next step.
    """
    app, running = make_app(broker_url), set[Worker]()
    lock = threading.Lock()
    stopping = threading.Event()

    @app.task(name=TASK)  # type: ignore[untyped-decorator]
    def run(job_id: int) -> None:
        worker = make_worker()
        with lock:
            if stopping.is_set():
                return
            running.add(worker)
        try:
            worker.once()
        except LedgerError as error:
            # the rows still wait, or a lease runs out; the sweeper sends them again
            _log.error("jobs.database woken_by=%s error=%s", job_id, error)
        finally:
            with lock:
                running.discard(worker)

    courier = Courier(broker_url, expires_s=max(10.0, 2 * jobs.lease.total_seconds()))
    sweeper = Sweeper(jobs, courier, make_worker)

    def shut_down(**_: Any) -> None:
        stopping.set()
        sweeper.stop()
        with lock:
            for worker in running:
                worker.stop()

    from celery import signals

    signals.worker_shutting_down.connect(shut_down, weak=False)
    sweeping = threading.Thread(target=sweeper.run, name="jobs-sweeper", daemon=True)
    sweeping.start()
    try:
        app.Worker(
            pool="threads",
            concurrency=slots,
            loglevel="WARNING",
            quiet=True,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        ).start()
    finally:
        shut_down()
        signals.worker_shutting_down.disconnect(shut_down)
        sweeping.join(timeout=10)
        courier.close()
        app.close()
