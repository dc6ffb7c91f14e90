"""No model is shipped unseen: with all of them switched on, each answers for some demo patient, in its own name.

The policy is the packaged one with every model enabled: what a sandbox runs, research models included.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path

import pytest
import yaml
from service import NOW, TODAY, MakeApp, context_of, loopback, prefetcher, request

import hooks
import models
from cds.engine import Engine
from cds.fhir.resources import decode
from cds.inference.manifest import Manifest
from cds.inference.prediction import Failed, Prediction
from cds.protocol.response import Card
from cds.record.facts import Record
from cds.record.reading import Reader
from hooks.stories import STORIES, Story, bundle

HOOKS = ("patient-view", "order-select", "order-sign")
LANGUAGES = ("en", "nl")
ELSEWHERE = {"breast-triage"}
"""Another clinic's: its own test brings it a patient."""


MANIFESTS = {
    path.parent.name: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted(Path(models.__file__).parent.glob("*/model.yaml"))
}
MODELS = [id for id, m in MANIFESTS.items() if id not in ELSEWHERE and m["runtime"]["kind"] != "volume"]
WITH_CARD = [id for id in MODELS if "card" in MANIFESTS[id]]


@dataclass
class Told:
    """What came of every story under every hook."""

    engine: Engine
    predicted: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Model -> stories it gave a prediction for."""
    failed: set[str] = field(default_factory=set)
    calls: dict[str, tuple[Card, ...]] = field(default_factory=dict)
    """'story service hook language' -> cards."""

    def manifest(self, model_id: str) -> Manifest:
        return self.engine.models[model_id].manifest

    def cards_of(self, model_id: str, language: str) -> dict[str, Card]:
        """Cards on the model's topic that it leads or stands in as another model's conclusion."""
        card, title = self.manifest(model_id).card, self.manifest(model_id).words.title[language]
        assert card is not None
        return {
            call: shown
            for call, cards in self.calls.items()
            for shown in cards
            if call.endswith(f" {language}") and shown.source.topic is not None
            if shown.source.topic.code == card.topic
            if shown.source.label == title or f"\n- {title}: " in (shown.detail or "")
        }

    def table(self) -> str:
        """Model -> stories, for people who have to find out why one is missing."""
        rows = [f"  {id:24} predicts for {', '.join(sorted(self.predicted[id])) or 'NOBODY'}" for id in MODELS]
        return "\n".join(["models and the stories they speak for:", *rows])


@pytest.fixture(scope="module")
def told(make_app: MakeApp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    policy = yaml.safe_load((Path(hooks.__file__).parent / "policy.yaml").read_text(encoding="utf-8"))
    for model_id in MANIFESTS:
        policy["models"].setdefault(model_id, {})["enabled"] = True
    # one clinician opens every chart within a minute here
    policy["budget"]["per_clinician_day"] = None
    path = tmp_path_factory.mktemp("policy") / "policy.yaml"
    path.write_text(yaml.safe_dump(policy), encoding="utf-8")
    app = make_app(policy_file=path, **loopback())
    found, prefetch = Told(app.extensions["cds"]), prefetcher(app)
    for story in STORIES:
        for service in found.engine.services.services.values():
            if service.hook not in HOOKS or (service.hook != "patient-view" and not story.drafts):
                continue
            data = prefetch(story.id, service.id, service.hook)
            body = json.dumps(request(service.hook, context_of(story.id, service.hook), data))
            for language in LANGUAGES:
                answer = found.engine.answer(
                    service.id,
                    body.encode(),
                    authorization=None,
                    path=f"/cds-services/{service.id}",
                    remote_addr="127.0.0.1",
                    accept_language=language,
                )
                found.calls[f"{story.id} {service.id} {service.hook} {language}"] = answer.response.cards
                for model_id, assessment in answer.assessments.items():
                    if isinstance(assessment, Prediction):
                        found.predicted[model_id].add(story.id)
                    if isinstance(assessment, Failed):
                        found.failed.add(f"{model_id} for {story.id}: {assessment.error}")
    _ask_those_no_service_runs(found)
    yield found


def _ask_those_no_service_runs(found: Told) -> None:
    """A model without a card of its own or of a service's is asked by hand (`cds models run`)."""
    run = {model_id for service in found.engine.services.services.values() for model_id in service.all_models}
    for model_id in sorted(set(MODELS) - run):
        for story in STORIES:
            if isinstance(found.engine.models[model_id].assess(_record(found, story)), Prediction):
                found.predicted[model_id].add(story.id)


def _record(found: Told, story: Story) -> Record:
    reader = Reader(found.engine.models.vocabulary, story.id, NOW, UTC)
    reader.read(decode(json.dumps(bundle(story, TODAY)).encode()).resources)
    return reader.finish()


@pytest.mark.parametrize("model_id", MODELS)
def test_each_model_gives_a_prediction_for_some_demo_patient(told: Told, model_id: str) -> None:
    assert told.predicted[model_id], told.table()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("model_id", WITH_CARD)
def test_each_model_with_a_card_is_seen_on_one(told: Told, model_id: str, language: str) -> None:
    assert told.cards_of(model_id, language), f"{model_id} is on no card\n{told.table()}"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("model_id", WITH_CARD)
def test_a_model_that_is_not_established_says_so_wherever_it_speaks(told: Told, model_id: str, language: str) -> None:
    manifest = told.manifest(model_id)
    words, title = told.engine.catalogues.book(language), manifest.words.title[language]
    for call, card in told.cards_of(model_id, language).items() if manifest.status.needs_enabling else ():
        if card.source.label == title:
            assert words(f"engine.status.{manifest.status.value}") in (card.detail or ""), call
        else:
            line = next(x for x in (card.detail or "").splitlines() if x.startswith(f"- {title}: "))
            assert words(f"engine.status.short.{manifest.status.value}") in line, call


def test_nothing_fails_for_any_patient(told: Told) -> None:
    assert told.failed == set()
    topics = {(call, c.source.topic.code) for call, cards in told.calls.items() for c in cards if c.source.topic}
    assert {call for call, topic in topics if topic == "service-failed"} == set()


def test_no_call_says_more_than_three_things_however_many_models_run(told: Told) -> None:
    assert {call: len(cards) for call, cards in told.calls.items() if len(cards) > 3} == {}


def test_no_sentence_about_another_model_is_left_blank(told: Told) -> None:
    blank = {
        call: line
        for call, cards in told.calls.items()
        for card in cards
        for line in (card.detail or "").splitlines()
        if ":  " in line or line.endswith(": .")
    }
    assert blank == {}
