"""More calls than a web process can answer: those in hand are answered as ever, the rest are refused at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest
import requests
import story_calls
from faults import Seen
from ledger_rows import kept_once, recorded, sqlite_of
from patience import eventually
from prometheus_client.parser import text_string_to_metric_families
from running_service import Ehr, RunningService, running
from servers import FhirServer, gives, searchset

from hooks import stories

pytestmark = pytest.mark.system
CHART = stories.build(story_calls.ALARMING, date.today())
OBSERVATIONS = searchset([r for r in CHART if r["resourceType"] == "Observation"])


def timed(service: RunningService, path: str) -> tuple[requests.Response, float]:
    begun = time.monotonic()
    return service.get(path), time.monotonic() - begun


def refused(service: RunningService) -> float:
    families = text_string_to_metric_families(service.get("/metrics").text)
    samples = [s for f in families for s in f.samples if s.name == "cds_calls_refused_total"]
    return sum(s.value for s in samples if s.labels["code"] == "CDS-503")


@pytest.mark.fault("web process", "more calls than it can answer")
@pytest.mark.threat("flood")
def test_what_can_not_be_answered_in_time_is_refused_at_once_and_what_is_in_hand_is_answered(
    tmp_path: Path, ehr: Ehr, fhir: FhirServer, seen: Seen
) -> None:
    """Two threads for calls, both held up by a FHIR server that takes three seconds."""
    fhir.holds(CHART)
    settings = {"threads": 2, "workers": 1, "longest_wait_s": 0.25}
    with (
        running(tmp_path, ehr, fhir_servers=(fhir.base,), deadline_s=10.0, **settings) as service,
        ThreadPoolExecutor(2) as clinicians,
    ):
        audience = f"{service.url}/cds-services/pancreas-risk"
        good = service.call(story_calls.patient_view())
        fhir.on("Observation", gives(OBSERVATIONS, after=3.0))
        slow = [story_calls.patient_view(fhirServer=fhir.base) for _ in range(2)]
        for body in slow:
            del body["prefetch"]["observations"]
        in_hand = [clinicians.submit(service.call, body) for body in slow]
        eventually(lambda: len(fhir.asked("Observation")) == 2)
        time.sleep(0.6)  # so long that what is in hand is known to take its time

        too_many = [(story_calls.patient_view(), ehr.token(audience)) for _ in range(5)]
        begun = time.monotonic()
        during = [service.call(body, token=token) for body, token in too_many]
        took = time.monotonic() - begun
        health, health_s = timed(service, "/health")
        discovery, discovery_s = timed(service, "/cds-services")
        assert not any(call.done() for call in in_hand)  # all this while they were waiting
        assert took < 2.0
        for answer in during:
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) >= 1
            [issue] = answer.json()["issue"]
            assert issue["code"] == "throttled"
            assert issue["details"]["coding"][0]["code"] == "CDS-503"
        assert health.ok and discovery.ok
        assert max(health_s, discovery_s) < 1.0
        assert refused(service) == len(during)

        answered = [call.result() for call in in_hand]
        recovery = time.monotonic()
        assert [[c["detail"] for c in a.json()["cards"]] for a in answered] == [
            [c["detail"] for c in good.json()["cards"]]
        ] * 2
        # with the tokens they had: a call that was refused was not begun
        after = [service.call(body, token=token) for body, token in too_many]
        recovery = time.monotonic() - recovery
        assert all(a.status_code == 200 for a in after)
        told = [body["hookInstance"] for body in (*slow, *(body for body, _ in too_many))]
        assert recorded(sqlite_of(service)).total() == len(told) + 1
        lines = [line for line in service.log.splitlines() if "calls.shed" in line]
        assert 1 <= len(lines) <= 3
        assert " in_hand=2 waiting=0 " in lines[0]
        assert " status=503 " not in service.log  # no line a call
        seen(
            "web process",
            "more calls than it can answer",
            during=[*answered, *during],
            after=[after[0]],
            of="answered calls in the ledger",
            owed=len(told),
            kept=kept_once(sqlite_of(service), told),
            recovery_s=recovery / len(after),
        )
