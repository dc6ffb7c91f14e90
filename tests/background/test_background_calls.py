"""Patients nobody wrote for this service: nothing crashes, each card can be justified, and few are given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import alert_rate_page
import pytest
import reread
import sqlalchemy as sa
from background_calls import Answer, Patients, Resource, fire, make
from flask import Flask

from cds.engine import Engine

# Hundreds of patients through every service before the first test: minutes, where the machine has other work.
pytestmark = pytest.mark.timeout(900)

SENSITIVE = """\
name: Sensitive
author: test
approver: test
effective: 2026-01-01
reason: so many cards that justifying them means something
services:
  pancreas-risk:
    parameters: {ages: [25, 99], risk_at_least: 0.0006, endpac_at_least: 0, recent_imaging: 0d, active_order: 0d}
orders:
  ct-pancreas: {system: "http://loinc.org", code: 79103-8, display: CT}
"""

_READ = {"latest", "coded", "presence"}
"""Ways in which the inputs of these cards are read. No first value above a limit is among them: all who have one here
have been diabetic for longer, and nobody's diabetes is new."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, background_now: datetime) -> Iterator[Flask]:
    made = make(tmp_path_factory.mktemp("background"), background_now)
    yield made
    made.extensions["cds"].ledger.close()


@pytest.fixture(scope="module")
def sensitive(tmp_path_factory: pytest.TempPathFactory, background_now: datetime) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("sensitive")
    (folder / "policy.yaml").write_text(SENSITIVE, encoding="utf-8")
    made = make(folder, background_now, policy_file=folder / "policy.yaml")
    yield made
    made.extensions["cds"].ledger.close()


@pytest.fixture(scope="module")
def answers(app: Flask, background_patients: Patients) -> list[Answer]:
    """Of every service that discovery names, under the packaged policy."""
    return fire(app, background_patients)


@pytest.fixture(scope="module")
def sensitive_answers(sensitive: Flask, background_patients: Patients) -> list[Answer]:
    return fire(sensitive, background_patients, {"patient-view"})


def test_every_service_answers_for_every_patient(
    app: Flask, answers: list[Answer], background_patients: Patients
) -> None:
    assert len(background_patients) >= 200
    discovered = app.test_client().get("/cds-services").get_json()["services"]
    assert "appointment-book" in {service["hook"] for service in discovered}
    asked = Counter((answer.service, answer.hook) for answer in answers)
    assert asked == {(s["id"], s["hook"]): len(background_patients) for s in discovered}
    assert not [c for a in answers for c in a.cards if c["source"]["topic"]["code"] == "service-failed"]


def test_no_model_failed(app: Flask, answers: list[Answer]) -> None:
    assert answers
    engine = sa.create_engine(app.extensions["cds"].settings.ledger_url)
    with engine.connect() as connection:
        found = connection.execute(sa.text("select outcome, count(*) from predictions group by outcome"))
        outcomes = {outcome: count for outcome, count in found}
    engine.dispose()
    assert outcomes.get("predicted", 0) > 0
    assert "failed" not in outcomes


def test_each_card_under_the_packaged_policy_follows_from_the_record(
    app: Flask, answers: list[Answer], background_patients: Patients
) -> None:
    """There are next to none of them, so that this one has company in the next."""
    assert [fault for _, faults in _justified(app, answers, background_patients) for fault in faults] == []


def test_each_card_of_a_policy_that_gives_many_follows_from_the_record(
    sensitive: Flask, sensitive_answers: list[Answer], background_patients: Patients
) -> None:
    """Every fact a card's predictions used is read again: the patient's own, of that code, value and date."""
    justified = list(_justified(sensitive, sensitive_answers, background_patients))
    assert [fault for _, faults in justified for fault in faults] == []
    assert len(justified) >= 20
    read = Counter(reduce for reduces, _ in justified for reduce in reduces)
    assert set(read) >= _READ


def test_a_wrong_value_date_or_source_would_be_noticed(
    sensitive: Flask, sensitive_answers: list[Answer], background_patients: Patients
) -> None:
    """Reading again proves something only if it can find a fault."""
    engine: Engine = sensitive.extensions["cds"]
    records = dict(background_patients)
    tried: set[str] = set()
    for answer in sensitive_answers:
        for spec, snapshot in _read(engine, answer):
            resources = _by_reference(records[answer.patient])
            for altered in (
                {"value": snapshot["value"] + 0.5},
                {"date": "1999-01-01"},
                {"from": [f"Patient/{answer.patient}"]},
                {"from": ["Observation/of-somebody-else"]},
            ):
                found = reread.faults(spec, {**snapshot, **altered}, resources, engine.models.vocabulary)
                assert found, (spec.name, altered)
            tried.add(spec.reduce.value)
    assert tried >= _READ


def _justified(app: Flask, answers: list[Answer], patients: Patients) -> Iterator[tuple[list[Any], list[str]]]:
    """For each card: how its inputs were reduced, and what does not follow from the record."""
    engine: Engine = app.extensions["cds"]
    records = dict(patients)
    for answer in answers:
        for card in answer.cards:
            found = list(_read(engine, answer, card["uuid"]))
            resources = _by_reference(records[answer.patient])
            faults = [f for spec, shot in found for f in reread.faults(spec, shot, resources, engine.models.vocabulary)]
            yield [spec.reduce.value for spec, _ in found if spec.reduce is not None], faults


def _read(engine: Engine, answer: Answer, only: str | None = None) -> Iterator[tuple[Any, dict[str, Any]]]:
    """(input, what the ledger says of it) of every fact behind the answer's cards."""
    for card in answer.cards:
        if only is not None and card["uuid"] != only:
            continue
        stored = engine.ledger.card(card["uuid"])
        assert stored is not None
        assert stored.entry.prediction_ids
        for prediction_id in stored.entry.prediction_ids:
            prediction = engine.ledger.prediction(prediction_id)
            assert prediction is not None
            inputs = {i.name: i for i in engine.models[prediction.entry.model].manifest.inputs}
            yield from (
                (inputs[name], snapshot)
                for name, snapshot in prediction.entry.inputs.items()
                if snapshot["state"] == "found" and "from" in snapshot
            )


def _by_reference(resources: list[Resource]) -> Mapping[str, Resource]:
    return {f"{r['resourceType']}/{r['id']}": r for r in resources}


def test_cards_are_rare(answers: list[Answer], background_patients: Patients) -> None:
    """A risk card in more than one chart in ten would be ignored; the rate itself stands in docs/alert-rate.md."""
    counts = Counter(c["source"]["topic"]["code"] for a in answers for c in a.cards)
    assert counts["pancreas-risk"] <= len(background_patients) / 10


def test_the_rate_is_written_where_it_is_seen(app: Flask, answers: list[Answer], background_patients: Patients) -> None:
    written = alert_rate_page.PAGE.read_text(encoding="utf-8")
    assert written == alert_rate_page.page(app, answers, len(background_patients)), "run scripts/alert-rate"


def test_no_call_was_left_on_the_spool(app: Flask, answers: list[Answer]) -> None:
    engine: Engine = app.extensions["cds"]
    assert answers
    assert engine.ledger.spooled() == 0
