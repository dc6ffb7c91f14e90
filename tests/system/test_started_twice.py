"""Somebody starts the service again beside itself, or takes away what it counts in: the calls notice nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import story_calls
from prometheus_client.parser import text_string_to_metric_families
from running_service import Ehr, RunningService, running

from cds.counters import metrics_folder

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, ehr: Ehr) -> Iterator[RunningService]:
    with running(tmp_path_factory.mktemp("twice"), ehr) as service:
        yield service


def counted(service: RunningService) -> float:
    answer = service.get("/metrics")
    assert answer.status_code == 200, answer.text
    families = text_string_to_metric_families(answer.text)
    return sum(s.value for f in families for s in f.samples if s.name == "cds_calls_total")


def replace_the_workers(service: RunningService) -> None:
    """Killed, as the kernel does it when memory runs out; their successors begin with nothing."""
    before = service.workers()
    for worker in before:
        os.kill(worker, signal.SIGKILL)
    until = time.monotonic() + 60
    while set(now := service.workers()) & set(before) or len(now) != len(before):
        assert time.monotonic() < until, now
        time.sleep(0.05)


def every_call_is_answered(service: RunningService) -> None:
    body = story_calls.patient_view()
    assert {service.call(body).status_code for _ in range(12)} == {200}


def test_a_second_start_on_its_port_is_refused_and_takes_nothing_from_it(service: RunningService) -> None:
    every_call_is_answered(service)
    before = counted(service)
    command = [sys.executable, "-m", "cds", "--settings", str(service.folder / "cds.toml"), "serve"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90, check=False)
    assert "Traceback" not in done.stderr, done.stderr[-1500:]
    assert done.returncode == 2
    assert "can't be listened on: another program listens there" in done.stderr
    replace_the_workers(service)
    every_call_is_answered(service)
    assert counted(service) == before + 12
    assert "was sent SIGKILL! Perhaps out of memory?" in service.log
    assert "Traceback" not in service.log


def test_counters_that_somebody_took_away_cost_no_card(service: RunningService) -> None:
    """A login's end does it where systemd clears the shared memory of the user who logged in (RemoveIPC)."""
    for folder in metrics_folder(service.folder).iterdir():
        shutil.rmtree(folder)
    replace_the_workers(service)
    every_call_is_answered(service)
    assert service.call(story_calls.patient_view(), token="").status_code == 401
    answer = service.get("/metrics")
    assert answer.status_code == 200 and "cds_ready 1.0" in answer.text
    assert service.log.count("metrics.lost") >= 1
    assert "Traceback" not in service.log
