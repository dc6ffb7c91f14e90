"""No model is shipped unseen: with all of them switched on, each is on a card or a report of some demo patient.

The policy is the packaged one with every model enabled: what a sandbox runs, research models included.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from flask import Flask
from ledger_reading import rows
from service import TODAY, MakeApp, context_of, filled, loopback, prefetcher, request

import hooks
import models
from cds import yaml_lines
from cds.demo.fhir_endpoint import create_fhir_app
from cds.demo.hospital import everybody
from cds.demo.model_patients import ModelPatient
from cds.engine import Engine
from cds.inference.manifest import Manifest
from cds.inference.prediction import Failed, Prediction
from cds.ledger import tables
from cds.protocol.response import Card
from hooks.stories import STORIES

HOOKS = ("patient-view", "order-select", "order-sign")
LANGUAGES = ("en", "nl")


MANIFESTS = {
    path.parent.name: yaml_lines.plain(path.read_text(encoding="utf-8"))
    for path in sorted(Path(models.__file__).parent.glob("*/model.yaml"))
}
OF_SCANS = [id for id, m in MANIFESTS.items() if m["runtime"]["kind"] == "volume"]
MODELS = [id for id in MANIFESTS if id not in OF_SCANS]
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
    behind: set[str] = field(default_factory=set)
    """Models with a prediction behind some card: the report that the card opens shows it."""

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
    # a superseded guideline has fallen silent as shipped; here it is heard, and its card says that it is overdue
    policy["guidelines"] = {"grace": "10y"}
    path = tmp_path_factory.mktemp("policy") / "policy.yaml"
    path.write_text(yaml.safe_dump(policy), encoding="utf-8")
    app = make_app(policy_file=path, **loopback())
    found, prefetch = Told(app.extensions["cds"]), prefetcher(app)
    brought, prefetch_of = {patient.id: patient for patient in everybody().brought}, brought_prefetch(app)
    for story in (*STORIES, *brought.values()):
        for service in found.engine.services.services.values():
            if service.hook not in HOOKS or (service.hook != "patient-view" and not story.drafts):
                continue
            if story.id in brought:
                data = prefetch_of(brought[story.id], service.id, service.hook)
                context = {"userId": "Practitioner/gp", "patientId": story.id}
            else:
                data = prefetch(story.id, service.id, service.hook)
                context = context_of(story.id, service.hook)
            body = json.dumps(request(service.hook, context, data))
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
    cited = {row["prediction_id"] for row in rows(app, tables.card_predictions)}
    answered = (row for row in rows(app, tables.predictions) if row["outcome"] == "predicted")
    found.behind = {row["model"] for row in answered if row["id"] in cited}
    yield found


def brought_prefetch(app: Flask) -> Callable[[ModelPatient, str, str], dict[str, Any]]:
    """As ``prefetcher``, for patients whom a model's folder brings."""
    services = app.test_client().get("/cds-services").get_json()["services"]
    templates = {(s["id"], s["hook"]): s["prefetch"] for s in services}

    def fill(patient: ModelPatient, service_id: str, hook: str) -> dict[str, Any]:
        chart = create_fhir_app(patient.resources(TODAY)).test_client()
        context = {"patientId": patient.id}
        found = templates[service_id, hook].items()
        return {key: chart.get(f"/fhir/{filled(template, context)}").get_json() for key, template in found}

    return fill


@pytest.mark.parametrize("model_id", MODELS)
def test_each_model_gives_a_prediction_for_some_demo_patient(told: Told, model_id: str) -> None:
    assert told.predicted[model_id], told.table()


@pytest.mark.parametrize("model_id", MODELS)
def test_each_model_is_on_a_card_or_behind_one(told: Told, model_id: str) -> None:
    """With a prediction in the ledger's row of a card, so that the report behind the card shows it."""
    assert model_id in told.behind, told.table()


@pytest.mark.parametrize("model_id", OF_SCANS)
def test_each_network_has_a_demo_patient_with_a_scan_that_it_reads(model_id: str) -> None:
    """What it answers on it, and that the card says so, is tested with the demonstration's images."""
    from hooks.stories import studies

    assert model_id == studies.MODEL
    assert any(imaged.tells for imaged in studies.IMAGED)


def test_every_folder_of_a_model_is_accounted_for() -> None:
    folders = {path.parent.name for path in Path(models.__file__).parent.glob("*/model.yaml")}
    assert folders == {*MODELS, *OF_SCANS}
    assert len(folders) > 20


def test_whom_a_models_folder_brings_gets_the_card_it_promises(told: Told) -> None:
    assert {p.model for p in everybody().brought} == {"breast-triage"}
    for patient in everybody().brought:
        calls = (c for call, c in told.calls.items() if call.startswith(f"{patient.id} ") and call.endswith(" en"))
        cards = [msgspec.to_builtins(card) for shown in calls for card in shown]
        assert patient.faults("patient-view", cards) == []


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


@pytest.mark.parametrize(("language", "said"), [("en", "is overdue for review since"), ("nl", "aan herziening toe")])
def test_only_the_superseded_guideline_is_overdue(told: Told, language: str, said: str) -> None:
    cards = told.cards_of("scottish-referral", language)
    assert cards and all(said in (card.detail or "") for card in cards.values())
    title = told.manifest("scottish-referral").words.title[language]
    every = [c for call, cards in told.calls.items() if call.endswith(f" {language}") for c in cards]
    overdue = [line for c in every for line in (c.detail or "").splitlines() if said in line]
    assert overdue and all(title in line for line in overdue)
