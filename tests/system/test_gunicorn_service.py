"""The service as it runs in a hospital: two workers behind one port, every call signed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from datetime import date
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import requests
import story_calls
from prometheus_client.parser import text_string_to_metric_families
from running_service import Ehr, RunningService, running
from servers import PREFETCH, FhirServer, fhir_server, gives, searchset

from cds.counters import metrics_folder
from cds.policy.packaged import packaged_policy
from cds.services.declaration import installed_packages
from hooks import stories

pytestmark = pytest.mark.system
POLL_S = 0.3


@pytest.fixture(scope="module")
def policy_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policy") / "policy.yaml"
    path.write_text(packaged_policy(installed_packages()).read_text(encoding="utf-8"), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, ehr: Ehr, policy_file: Path) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("gunicorn")
    with running(folder, ehr, policy_file=str(policy_file), policy_poll_s=POLL_S) as service:
        yield service


def counted(service: RunningService, name: str) -> float:
    families = text_string_to_metric_families(service.get("/metrics").text)
    return sum(s.value for f in families for s in f.samples if s.name == name)


def test_a_signed_call_gets_its_cards(service: RunningService) -> None:
    answer = service.call(story_calls.patient_view())
    assert answer.status_code == 200, answer.text
    assert [c["source"]["topic"]["code"] for c in answer.json()["cards"]] == ["pancreas-risk"]
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c"])
@pytest.mark.threat("forged-token")
def test_an_unsigned_call_gets_nothing(service: RunningService, token: str) -> None:
    answer = service.call(story_calls.patient_view(), token=token)
    assert answer.status_code == 401
    assert answer.json()["issue"][0]["details"]["text"] == "Not authenticated"


@pytest.mark.threat("replayed-token")
def test_a_token_is_good_for_one_call_whichever_worker_gets_it(service: RunningService) -> None:
    body = story_calls.patient_view()
    token = service.ehr.token(f"{service.url}/cds-services/pancreas-risk")
    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(lambda _: service.call(body, token=token).status_code, range(24)))
    assert sorted(statuses) == [200] + [401] * 23


def test_the_counts_of_all_workers_add_up(service: RunningService) -> None:
    before = counted(service, "cds_calls_total")
    body = story_calls.patient_view()
    with ThreadPoolExecutor(8) as pool:
        assert {a.status_code for a in pool.map(lambda _: service.call(body), range(40))} == {200}
    assert counted(service, "cds_calls_total") == before + 40
    files = {path.stem.rpartition("_")[2] for path in metrics_folder(service.folder).glob("*/counter_*.db")}
    assert {str(pid) for pid in service.workers()} <= files  # both of them worked


def test_a_state_is_told_once_and_as_it_is_whichever_worker_was_asked_before(
    service: RunningService, policy_file: Path
) -> None:
    """What a worker told last must not stay: two policies would be in force, and the queue as long as all of theirs."""
    good = policy_file.read_text(encoding="utf-8")
    first = service.ready()["policy"]["version"]
    assert {told(service, "cds_info") for _ in range(6)} == {1}
    policy_file.write_text("# reviewed\n" + good, encoding="utf-8")
    _until_every_answer(service, lambda ready: ready["policy"]["version"] != first)
    for _ in range(6):
        for name in ("cds_info", "cds_ready", "cds_ledger_reachable", "cds_policy_rejected"):
            assert told(service, name) == 1, name
        text = service.get("/metrics").text
        assert f'policy="{first}"' not in text and 'cds_study_jobs{state="queued"} 0.0' in text
    heads = [line for line in text.splitlines() if line.startswith("# HELP ")]
    assert len(heads) == len({line.split()[2] for line in heads}) > 15
    assert "pid=" not in text
    policy_file.write_text(good, encoding="utf-8")
    _until_every_answer(service, lambda ready: ready["policy"]["version"] == first)


def told(service: RunningService, name: str) -> int:
    """How many series there are of this name."""
    families = text_string_to_metric_families(service.get("/metrics").text)
    return sum(s.name == name for f in families for s in f.samples)


def test_kept_connections_are_shared_among_the_workers(service: RunningService) -> None:
    """All calls on a connection go to one worker, and an EHR keeps its connections."""
    port = int(service.url.rpartition(":")[2])
    with ExitStack() as kept:
        for _ in range(12):
            caller = kept.enter_context(closing(HTTPConnection("127.0.0.1", port, timeout=10)))
            caller.request("GET", "/health")
            assert caller.getresponse().read()
        held = [connections_of(worker, port) for worker in service.workers()]
    assert sum(held) >= 12 and min(held) >= 4, held


def connections_of(process: int, port: int) -> int:
    """Established, and taken by this process at ``port``."""
    ours = {
        fields[9]
        for name in ("tcp", "tcp6")
        for fields in map(str.split, Path(f"/proc/net/{name}").read_text().splitlines()[1:])
        if fields[1].endswith(f":{port:04X}") and fields[3] == "01"
    }
    taken = 0
    for file in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            taken += os.readlink(file).removeprefix("socket:[").rstrip("]") in ours
    return taken


def test_health_and_readiness(service: RunningService) -> None:
    assert service.get("/health").json() == {"status": "alive"}
    ready = service.ready()
    assert ready["ready"] is True
    assert ready["ledger"] == {"reachable": True, "spooled": 0, "rejected": 0}
    assert set(ready["providers"].values()) <= {"CPUExecutionProvider", "CUDAExecutionProvider"}


def test_a_changed_policy_takes_effect_in_every_worker(service: RunningService, policy_file: Path) -> None:
    good = policy_file.read_text(encoding="utf-8")
    first = service.ready()["policy"]["version"]
    policy_file.write_text(good.replace("pancreas-risk:\n    enabled: true", "pancreas-risk:\n    enabled: false"))
    _until_every_answer(service, lambda ready: ready["policy"]["version"] != first)
    answers = [service.call(story_calls.patient_view()).json() for _ in range(10)]
    assert answers == [{"cards": []}] * 10
    policy_file.write_text(good)
    _until_every_answer(service, lambda ready: ready["policy"]["version"] == first)


def test_a_wrong_policy_is_told_and_the_last_good_one_stays(service: RunningService, policy_file: Path) -> None:
    good = policy_file.read_text(encoding="utf-8")
    first = service.ready()["policy"]["version"]
    policy_file.write_text(good.replace("endpac_at_least: 3", "endpac_at_least: lots"))
    _until_every_answer(service, lambda ready: ready["policy"]["rejected"] is not None)
    ready = service.ready()
    assert ready["ready"] is True
    assert ready["policy"]["version"] == first
    assert "endpac_at_least" in ready["policy"]["rejected"]
    assert service.call(story_calls.patient_view()).json()["cards"]
    policy_file.write_text(good)
    _until_every_answer(service, lambda ready: ready["policy"]["rejected"] is None)


@pytest.mark.threat("oversized")
def test_a_large_body_is_refused_by_a_real_server(service: RunningService) -> None:
    body = story_calls.patient_view(extension={"x": "y" * 10_000_000})
    assert service.call(body).status_code == 413
    assert service.get("/health").ok


def test_a_chunked_body_is_read(service: RunningService) -> None:
    """Some EHRs send no Content-Length."""
    raw = requests.Request("POST", service.url, json=story_calls.patient_view()).prepare().body
    assert isinstance(raw, bytes)
    url = f"{service.url}/cds-services/pancreas-risk"
    headers = {"Authorization": f"Bearer {service.ehr.token(url)}", "Content-Type": "application/json"}
    answer = requests.post(url, data=iter([raw[:1000], raw[1000:]]), headers=headers, timeout=10)
    assert answer.status_code == 200
    assert answer.json()["cards"]


def test_sigterm_lets_calls_finish(tmp_path: Path, ehr: Ehr) -> None:
    """A call that waits on a slow FHIR server when the order to stop comes is still answered, and it ends by itself."""
    with fhir_server() as fhir, running(tmp_path, ehr, fhir_servers=(fhir.base,), leaving_s=0.3) as service:
        _be_slow(fhir, 1.0)
        answers: list[requests.Response] = []
        ask = story_calls.body("patient-view", story_calls.ALARMING.id, fhirServer=fhir.base)
        calling = threading.Thread(target=lambda: answers.append(service.call(ask)))
        calling.start()
        _until(lambda: bool(fhir.hits))
        code = service.stop()
        calling.join(timeout=20)
        assert code == 0
        assert [a.status_code for a in answers] == [200]
        assert answers[0].json()["cards"]
        assert "serve.leaving seconds=0.3" in service.log
        assert "Traceback" not in service.log
        assert " ERROR " not in service.log


def test_a_worker_that_dies_is_replaced(tmp_path: Path, ehr: Ehr) -> None:
    with running(tmp_path, ehr) as service:
        gone = service.workers()[0]
        os.kill(gone, signal.SIGKILL)
        _until(lambda: len(service.workers()) == 2 and gone not in service.workers())
        assert {service.call(story_calls.patient_view()).status_code for _ in range(6)} == {200}


def _be_slow(fhir: FhirServer, seconds: float) -> None:
    resources = stories.build(story_calls.ALARMING, date.today())
    fhir.on("Patient", gives(resources[0], after=seconds))
    for kind in PREFETCH.values():
        found = searchset([r for r in resources if r["resourceType"] == kind])
        fhir.on(kind, gives(found, after=seconds))


def _until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def _until_every_answer(service: RunningService, holds: Callable[[dict[str, Any]], bool]) -> None:
    """Twenty answers in a row from whichever worker: then it holds in both. A few seconds are allowed."""
    _until(lambda: all(holds(service.ready()) for _ in range(20)), 5.0)
