"""Against a FHIR server somebody else wrote (sekmet): the same cards whether the data is sent along or fetched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import requests
import story_calls
from running_service import Ehr, RunningService, free_port, running
from servers import prefetch_of

from hooks import stories
from hooks.stories import verdict
from hooks.stories.concept_map import concept_map
from hooks.stories.story import Story

pytestmark = pytest.mark.system

STORIES = stories.STORIES
FHIR_JSON = {"Content-Type": "application/fhir+json"}


@pytest.fixture(scope="module")
def fhir_base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own on a loopback port, with the stories loaded over REST."""
    folder = tmp_path_factory.mktemp("sekmet")
    port = free_port()
    base = f"http://127.0.0.1:{port}/fhir"
    settings = folder / "settings.yaml"
    settings.write_text(
        f"base_url: {base}\nhost: 127.0.0.1\nport: {port}\ndata_dir: {folder / 'data'}\n"
        "simulator: {enabled: false}\nvalidation: {inbound: strict}\n"
    )
    script = Path(__file__).with_name("sekmet_server.py")
    command = [sys.executable, str(script), "serve", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "SEKMET_CONFIG": str(settings), "HOME": str(folder)}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder)
    try:
        _wait(f"{base}/metadata", server, folder / "log")
        with requests.Session() as session:
            for story in STORIES:
                _load(session, base, story)
        yield base
    finally:
        server.terminate()
        server.wait(timeout=20)


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)
    raise AssertionError(f"sekmet did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _load(session: requests.Session, base: str, story: Story) -> None:
    answer = session.post(base, json=stories.bundle(story, date.today()), headers=FHIR_JSON, timeout=60)
    assert answer.ok, answer.text[:1000]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, ehr: Ehr, fhir_base: str) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("service")
    # the Dutch story's laboratory has codes of its own
    codes = folder / "concept_map.json"
    codes.write_text(json.dumps(concept_map()), encoding="utf-8")
    with running(folder, ehr, fhir_servers=(fhir_base,), deadline_s=20.0, concept_map=str(codes)) as service:
        yield service


def _cards(answer: requests.Response) -> list[tuple[str, str, str]]:
    assert answer.status_code == 200, answer.text
    return [(c["source"]["topic"]["code"], c["summary"], c["detail"]) for c in answer.json()["cards"]]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.id)
def test_fetched_data_gives_the_same_cards_as_data_sent(service: RunningService, fhir_base: str, story: Story) -> None:
    """From every service that discovery names; the expected cards are among them."""
    drafts = stories.draft_orders(story, date.today()) if story.drafts else None
    sent = prefetch_of(stories.build(story, date.today()))
    told: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for name, hook in service.services():
        if hook.startswith("order-") and drafts is None:
            continue
        with_prefetch = service.call(story_calls.body(hook, story.id, drafts, prefetch=sent), name)
        fetched = service.call(story_calls.body(hook, story.id, drafts, fhirServer=fhir_base), name)
        assert _cards(fetched) == _cards(with_prefetch), (name, hook)
        told[hook] += fetched.json()["cards"]
    for expected in story.expects:
        assert verdict.faults(expected, {"cards": told[expected.hook]}) == []


def test_a_patient_it_does_not_know_is_missing_data(service: RunningService, fhir_base: str) -> None:
    answer = service.call(story_calls.body("patient-view", "nobody", fhirServer=fhir_base))
    assert answer.status_code == 412
