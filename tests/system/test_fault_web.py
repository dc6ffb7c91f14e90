"""Web processes killed in the middle of calls: what was answered is in the ledger, and who asks again is answered."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import requests
import story_calls
from faults import Seen
from ledger_rows import kept_once, recorded, sqlite_of
from patience import eventually
from running_service import Ehr, RunningService, running
from servers import FhirServer, gives, searchset
from traffic import Traffic

from hooks import stories

pytestmark = pytest.mark.system


def answered(service: RunningService, body: dict[str, Any]) -> requests.Response | None:
    """None: the connection ended without an answer."""
    try:
        return service.call(body)
    except requests.ConnectionError:
        return None


def until_answered(service: RunningService, body: dict[str, Any]) -> tuple[requests.Response, float]:
    begun = time.monotonic()
    while True:
        if (answer := answered(service, body)) is not None:
            return answer, time.monotonic() - begun
        assert time.monotonic() - begun < 20.0, "nobody answers any more"
        time.sleep(0.02)


@pytest.mark.fault("web process", "killed (SIGKILL) in the middle of calls")
def test_calls_cut_by_a_killed_worker_are_answered_when_asked_again(
    tmp_path: Path, ehr: Ehr, fhir: FhirServer, seen: Seen
) -> None:
    """The only worker dies while three calls wait for the EHR's FHIR server."""
    chart = stories.build(story_calls.ALARMING, date.today())
    found = searchset([r for r in chart if r["resourceType"] == "Observation"])
    fhir.holds(chart)
    with running(tmp_path, ehr, fhir_servers=(fhir.base,), workers=1) as service, ThreadPoolExecutor(3) as clinicians:
        before = [story_calls.patient_view() for _ in range(5)]
        assert all(service.call(body).json()["cards"] for body in before)
        fhir.on("Observation", gives(found, after=1.5))
        cut = [story_calls.patient_view(fhirServer=fhir.base) for _ in range(3)]
        for body in cut:
            del body["prefetch"]["observations"]
        calls = [clinicians.submit(answered, service, body) for body in cut]
        eventually(lambda: len(fhir.asked("Observation")) == 3)
        [worker] = service.workers()
        os.kill(worker, signal.SIGKILL)
        during = [call.result() for call in calls]
        assert during == [None] * 3
        fhir.on("Observation", gives(found))
        again = [until_answered(service, body) for body in cut]
        assert all(answer.json()["cards"] for answer, _ in again)
        told = [body["hookInstance"] for body in (*before, *cut)]
        rows = recorded(sqlite_of(service))
        assert rows.total() == len(told)  # a call that was cut left no half of itself
        seen(
            "web process",
            "killed (SIGKILL) in the middle of calls",
            during=during,
            after=[answer for answer, _ in again],
            of="answered calls in the ledger",
            owed=len(told),
            kept=kept_once(sqlite_of(service), told),
            recovery_s=again[0][1],
        )


def kill_all(service: RunningService) -> None:
    """The master first, which could otherwise make new workers: what a power cut leaves of a service."""
    workers = service.workers()
    for pid in (service.process.pid, *workers):
        os.kill(pid, signal.SIGKILL)
    service.process.wait(timeout=10)


@pytest.mark.fault("web process", "all of them killed under traffic, and started again")
def test_whatever_was_answered_outlives_the_service(tmp_path: Path, ehr: Ehr, seen: Seen) -> None:
    with running(tmp_path, ehr) as service, Traffic(service) as traffic:
        traffic.until(60)
        kill_all(service)
        eventually(lambda: traffic.cut > 0)
    begun = time.monotonic()
    with running(tmp_path, ehr) as service:
        body = story_calls.patient_view()
        after, _ = until_answered(service, body)
        recovery = time.monotonic() - begun
        told = [*traffic.answered, body["hookInstance"]]
        seen(
            "web process",
            "all of them killed under traffic, and started again",
            during=[*traffic.answers, None],
            after=[after],
            of="answered calls in the ledger",
            owed=len(told),
            kept=kept_once(sqlite_of(service), told),
            recovery_s=recovery,
        )
