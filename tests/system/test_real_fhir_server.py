"""Against a FHIR server somebody else wrote (sekmet): the same cards whether the data is sent along or fetched."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
import requests
import story_calls
from running_service import Ehr, RunningService, running
from sekmet_house import load, sekmet
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
    with sekmet(tmp_path_factory.mktemp("sekmet")) as base:
        load(base, (stories.bundle(story, date.today()) for story in STORIES))
        yield base


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
