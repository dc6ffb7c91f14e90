"""Which call a line of the log belongs to, and that nothing else an EHR sends as its id gets there."""

from __future__ import annotations

import io
import logging
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from ledger_reading import last_call
from service import NOW, StoryCalls, prefetcher

from cds.correlation import Lines
from cds.engine import Engine

NO_UUIDS = [
    "Jansen-Piet-19500101",
    "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea\n",
    "x\nd1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
    "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea Jansen",
    "١1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
]


class Log:
    """What `cds serve` writes to standard error."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        self.handler = logging.StreamHandler(self._stream)
        self.handler.setFormatter(Lines())

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    def lines(self, event: str) -> list[dict[str, str]]:
        """``key=value`` of each line of this event."""
        found = (line.split(" ")[4:] for line in self.text.splitlines() if line.split(" ")[4] == event)
        return [dict(word.split("=", 1) for word in words if "=" in word) for words in found]


@pytest.fixture
def log() -> Iterator[Log]:
    made, ours = Log(), logging.getLogger("cds")
    level = ours.level
    ours.addHandler(made.handler)
    ours.setLevel(logging.INFO)
    yield made
    ours.removeHandler(made.handler)
    ours.setLevel(level)


@pytest.fixture
def failing(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """Two calls at a time, which fail after both have been read and before either is answered."""
    both = threading.Barrier(2, timeout=10)

    def broken(*given: Any) -> None:
        both.wait()
        raise RuntimeError("Mrs Smith, born 1950-01-01")

    monkeypatch.setattr(app.extensions["cds"].studies, "see", broken)
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)
    return app


@pytest.mark.threat("log-injection")
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_an_event_is_one_line_whatever_is_told_in_it(log: Log, end: str) -> None:
    """A model's faults come one a line; and what looks like an event of its own was none."""
    logging.getLogger("cds.web").error("model.failed model=%s error=%s", "tiny", end.join(["no version", "no task"]))
    assert log.text.endswith(" ERROR cds.web model.failed model=tiny error=no version; no task\n")
    assert len(log.text.splitlines()) == 1


def test_two_calls_that_fail_at_once_can_be_told_apart(failing: Flask, log: Log) -> None:
    calls = StoryCalls(failing.test_client(), prefetcher(failing))
    bodies = [calls.body("new-diabetes") for _ in range(2)]
    log_before = len(log.lines("call"))

    def post(body: dict[str, Any]) -> Any:
        return failing.test_client().post("/cds-services/pancreas-risk", json=body)

    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(post, bodies))
    assert [answer.status_code for answer in answers] == [500, 500]
    sent = {a.headers["X-Request-ID"]: body["hookInstance"] for a, body in zip(answers, bodies, strict=True)}
    failed, ended = log.lines("call.failed"), log.lines("call")[log_before:]
    for lines in (failed, ended):
        assert {line["request"]: line["instance"] for line in lines} == sent
    assert len({line["call"] for line in failed}) == 2
    assert {line["request"]: line["call"] for line in failed} == {line["request"]: line["call"] for line in ended}


def test_the_line_of_a_call_names_its_row_of_the_ledger_and_its_instance(app: Flask, log: Log) -> None:
    instance = str(uuid.uuid4()).upper()
    calls = StoryCalls(app.test_client(), prefetcher(app))
    answer = calls("new-diabetes", hookInstance=instance, headers={"X-Request-ID": "ingress-17"})
    assert answer.status_code == 200
    (line,) = [line for line in log.lines("call") if line["route"] == "/cds-services/<service_id>"]
    row = last_call(app)
    assert (line["request"], line["call"], line["instance"]) == ("ingress-17", row["id"], instance)
    assert row["hook_instance"] == instance


def test_what_a_part_far_from_the_web_says_during_a_call_names_the_call(
    app: Flask, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine: Engine = app.extensions["cds"]

    def kept(row: Any) -> bool:
        logging.getLogger("cds.ledger").error("ledger.told x=1")
        return True

    monkeypatch.setattr(engine, "_keep", kept)
    answer = StoryCalls(app.test_client(), prefetcher(app))("new-diabetes")
    (line,) = log.lines("ledger.told")
    assert line["request"] == answer.headers["X-Request-ID"] and line["x"] == "1"


def test_a_strangers_refusal_names_its_request_and_no_row(app: Flask, log: Log) -> None:
    body = {"hook": "patient-view", "hookInstance": str(uuid.uuid4()), "context": {}}
    answer = app.test_client().post("/cds-services/pancreas-risk", json=body, environ_base={"REMOTE_ADDR": "192.0.2.7"})
    assert answer.status_code == 401
    (line,) = log.lines("call.refused")
    assert line["request"] == answer.headers["X-Request-ID"]
    assert not line.keys() & {"call", "instance"}


@pytest.mark.threat("log-injection", "phi-in-traces")
@pytest.mark.parametrize("instance", NO_UUIDS, ids=ascii)
def test_a_hook_instance_that_is_no_uuid_is_not_logged(app: Flask, log: Log, instance: str) -> None:
    answer = StoryCalls(app.test_client(), prefetcher(app))("new-diabetes", hookInstance=instance)
    assert answer.status_code == 200
    (line,) = [line for line in log.lines("call") if line["route"] == "/cds-services/<service_id>"]
    assert line["request"] == answer.headers["X-Request-ID"] and "call" in line
    assert "instance" not in line
    assert not [word for word in instance.split() if word in log.text]
    assert app.extensions["cds"].ledger.calls_of("demo", instance, NOW.replace(year=2000)), "and the ledger has it"


def test_a_line_between_two_requests_belongs_to_neither(app: Flask, log: Log) -> None:
    app.test_client().get("/cds-services")
    logging.getLogger("cds.ledger").error("ledger.up x=1")
    assert log.lines("ledger.up") == [{"x": "1"}]
    assert log.text.endswith(" ERROR cds.ledger ledger.up x=1\n")
