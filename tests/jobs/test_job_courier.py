"""Delivery by a broker: what is sent is an id, and a broker that is away holds up nobody and loses nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from patience import eventually
from rabbitmq_server import RabbitMqServer
from redis_server import RedisServer

from cds.jobs import Job, Jobs, Progress, Worker
from cds.jobs.celery import QUEUE, Courier, Sweeper, make_app

NOWHERE = "redis://127.0.0.1:1/0"


def work(job: Job, progress: Progress) -> Mapping[str, Any]:
    return {}


def messages(redis: RedisServer) -> list[dict[str, Any]]:
    with make_app(redis.url).connection_for_read() as connection:
        client = connection.channel().client
        return [json.loads(raw) for raw in client.lrange(QUEUE, 0, -1)]


@pytest.mark.system
def test_a_message_holds_the_rows_id_and_nothing_else(jobs: Jobs, redis: RedisServer) -> None:
    import base64

    job, _ = jobs.enqueue("read", "study-1", {"study": "1.2.3", "secret": "x"})
    courier = Courier(redis.url)
    assert courier.send(job.id)
    [message] = messages(redis)
    body = json.loads(base64.b64decode(message["body"]))
    assert body[0] == [job.id]
    assert "1.2.3" not in json.dumps(message) + json.dumps(body)
    courier.close()


@pytest.mark.parametrize("url", [NOWHERE, "amqp://nobody@127.0.0.1:1//"])
def test_a_broker_that_is_away_is_found_out_quickly(url: str) -> None:
    begun = time.monotonic()
    assert Courier(url).send(1) is False
    assert time.monotonic() - begun < 5


@pytest.mark.system
@pytest.mark.parametrize("kind", ["redis", "rabbitmq"])
def test_a_broker_that_refuses_our_login_is_as_one_that_is_away(kind: str, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue(kind)
    courier = Courier(server.url.replace(server.password, "another-word"))
    assert courier.send(1) is False
    courier.close()


def test_the_sweeper_does_the_work_itself_while_the_broker_is_away(jobs: Jobs) -> None:
    job, _ = jobs.enqueue("read", "study-1", {})
    sweeper = Sweeper(jobs, Courier(NOWHERE), lambda: Worker(jobs, {"read": work}))
    assert sweeper.once() == 0
    done = jobs.get(job.id)
    assert done is not None and done.state == "done"


def test_each_kind_of_broker_gets_the_options_it_knows() -> None:
    redis, rabbit = (make_app(url).conf for url in (NOWHERE, "amqp://nobody@127.0.0.1:1//"))
    assert "socket_timeout" in redis.broker_transport_options
    assert rabbit.broker_transport_options["confirm_publish"] is True
    assert "socket_timeout" not in rabbit.broker_transport_options
    assert 0 < rabbit.broker_heartbeat <= 30


@pytest.mark.system
def test_rabbitmq_has_a_message_when_sending_says_so(rabbitmq: RabbitMqServer) -> None:
    courier, app = Courier(rabbitmq.url), make_app(rabbitmq.url)
    with app.connection_for_read() as connection, connection.SimpleQueue(QUEUE) as waiting:
        waiting.clear()
        # on a busy machine a message may be given up as not sent; one that is said to be sent is there
        eventually(lambda: courier.send(7))
        message = waiting.get(timeout=5)
        assert message.payload[0] == [7]
        message.ack()
        waiting.clear()
    courier.close()


@pytest.mark.system
def test_a_due_row_is_sent_once_a_lease_and_again_after_it(jobs: Jobs, redis: RedisServer) -> None:
    jobs.enqueue("read", "study-1", {})
    sweeper = Sweeper(jobs, Courier(redis.url), lambda: Worker(jobs, {"read": work}))
    assert (sweeper.once(), sweeper.once()) == (1, 0)
    time.sleep(jobs.lease.total_seconds() + 0.1)
    assert sweeper.once() == 1
    assert len(messages(redis)) == 2
