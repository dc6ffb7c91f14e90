"""Every authored patient through every service; then every log line, metric and ledger row is searched for them, and
what the command line printed.

Names, birth dates, record numbers, patient ids and tokens must be nowhere. The ledger holds values with the references
of their resources, by design; the patients' ids here are no part of those.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import story_calls
from opaque_stories import OpaquePatient, opaque
from running_service import Ehr, RunningService, running
from servers import FhirServer, fhir_server, gives, prefetch_of, status

from hooks import stories

pytestmark = pytest.mark.system
FHIR_TOKEN = "fhir-token-41c07f5e9a"


@dataclass(frozen=True)
class Traces:
    """What the service left behind after all those calls."""

    identifying: frozenset[str]
    log: str
    metrics: str
    ledger: str
    files: dict[str, bytes]
    printed: str
    """By ``cds call`` and ``cds check``."""
    offered: set[tuple[str, str]]
    """(service, hook)"""
    answered: set[tuple[str, str]]
    statuses: list[int]
    card_texts: str


def _asks(
    patient: OpaquePatient, fhir: FhirServer, services: list[tuple[str, str]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every service, each with the data sent along and with the data to be fetched, and some calls that go wrong."""
    authorization = {"access_token": FHIR_TOKEN, "token_type": "Bearer", "scope": "patient/*.read", "subject": "x"}
    fetched: dict[str, Any] = {"fhirServer": fhir.base, "fhirAuthorization": authorization}
    sent = {"prefetch": prefetch_of(patient.resources)}
    for service, hook in services:
        if hook.startswith("order-") and patient.drafts is None:
            continue
        yield service, story_calls.body(hook, patient.id, patient.drafts, **sent)
        yield service, story_calls.body(hook, patient.id, patient.drafts, **fetched)
    wrong_patient = {**sent["prefetch"], "patient": {**patient.resources[0], "id": "another"}}
    yield "pancreas-risk", story_calls.body("patient-view", patient.id, prefetch=wrong_patient)
    yield "pancreas-risk", story_calls.body("patient-view", f"{patient.id} {next(iter(patient.identifying))}")
    elsewhere = {**fetched, "fhirServer": f"https://elsewhere.example/{patient.id}"}
    yield "pancreas-risk", story_calls.body("patient-view", patient.id, **elsewhere)
    broken = {**sent["prefetch"], "conditions": {"resourceType": "Bundle", "entry": patient.id}}
    yield "pancreas-risk", story_calls.body("patient-view", patient.id, prefetch=broken)


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory, ehr: Ehr) -> Traces:
    folder = tmp_path_factory.mktemp("traces")
    patients = [opaque(story, date.today()) for story in stories.STORIES]
    identifying = {text for patient in patients for text in patient.identifying} | {FHIR_TOKEN}
    statuses: list[int] = []
    cards: list[str] = []
    answered: set[tuple[str, str]] = set()
    with fhir_server() as fhir, running(folder, ehr, fhir_servers=(fhir.base,)) as service:
        services = service.services()
        for patient in patients:
            fhir.holds(patient.resources)
            for name, ask in _asks(patient, fhir, services):
                token = ehr.token(f"{service.url}/cds-services/{name}")
                identifying.add(token)
                answer = service.call(ask, name, token=token)
                statuses.append(answer.status_code)
                answered |= {(name, ask["hook"])} if answer.status_code == 200 else set()
                found = answer.json().get("cards", [])
                cards += [card["summary"] + card.get("detail", "") for card in found]
                _feed_back(service, name, found)
        fhir.holds(patients[0].resources)
        printed = _call(fhir, service, patients[0]) + _check(folder)
        _fail_while_fetching(fhir, service, patients[0])
        printed += _call(fhir, service, patients[0], "--no-prefetch")
        service.get(f"/cds-services?patient={patients[0].id}")
        service.get(f"/nothing/{patients[0].id}")
        metrics = service.get("/metrics").text
    return Traces(
        frozenset(identifying),
        service.log,
        metrics,
        _dump(folder / "ledger.db"),
        {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()},
        printed,
        set(services),
        answered,
        statuses,
        "\n".join(cards),
    )


def _feed_back(service: RunningService, name: str, cards: list[dict[str, Any]]) -> None:
    for card in cards[:1]:
        item = {"card": card["uuid"], "outcome": "overridden", "overrideReason": {"userComment": "Given41 said so"}}
        answer = service.call({"feedback": [item]}, f"{name}/feedback")
        assert answer.status_code == 200


def _call(fhir: FhirServer, service: RunningService, patient: OpaquePatient, *more: str) -> str:
    """What an administrator sees who tries the service on a patient."""
    words = ["call", service.url, "--patient", patient.id, "--fhir", fhir.base, "--service", "pancreas-risk", *more]
    return _printed(words, service.ehr.token(f"{service.url}/cds-services/pancreas-risk"))


def _check(folder: Path) -> str:
    return _printed(["--settings", str(folder / "cds.toml"), "check"], "")


def _printed(words: list[str], token: str) -> str:
    environment = {**os.environ, "CDS_CALL_TOKEN": token, "COLUMNS": "400"}
    command = [sys.executable, "-m", "cds", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    return done.stdout + done.stderr


def _fail_while_fetching(fhir: FhirServer, service: RunningService, patient: OpaquePatient) -> None:
    fhir.forget()
    fhir.on("*", status(500))
    fhir.on("Patient", gives(patient.resources[0]))
    ask = story_calls.body("patient-view", patient.id, fhirServer=fhir.base)
    assert service.call(ask).status_code == 412


def _dump(path: Path) -> str:
    with sqlite3.connect(path) as connection:
        dumped = "\n".join(connection.iterdump())
    connection.close()
    return dumped


def test_the_search_had_something_to_search(traces: Traces) -> None:
    """A search of nothing finds nothing: cards went out, rows were written, lines were logged."""
    assert traces.statuses.count(200) >= 3 * len(stories.STORIES)
    assert {400, 403, 412} <= set(traces.statuses)
    assert len(traces.card_texts) > 10_000
    assert traces.log.count(" cds.web call request=") >= len(traces.statuses)
    assert traces.log.count(" instance=") >= traces.statuses.count(200)
    assert "cds_calls_total" in traces.metrics
    assert "CT of the pancreas" in traces.printed
    assert "pancreas-risk: 412: " in traces.printed
    assert "ONNX Runtime" in traces.printed
    assert traces.ledger.count("INSERT INTO") > 3 * len(stories.STORIES)


def test_every_service_of_every_hook_was_asked(traces: Traces) -> None:
    hooks = {hook for _, hook in traces.offered}
    assert {"patient-view", "order-select", "order-sign", "encounter-start", "appointment-book"} <= hooks
    assert traces.answered == traces.offered


@pytest.mark.parametrize("place", ["log", "metrics", "ledger", "printed"])
@pytest.mark.threat("phi-in-traces")
def test_nobody_is_named(traces: Traces, place: str) -> None:
    text = getattr(traces, place)
    assert [found for found in traces.identifying if found in text] == []


@pytest.mark.threat("phi-in-traces")
def test_no_file_left_behind_names_anybody(traces: Traces) -> None:
    """Byte by byte: deleted rows, journals, counters, spool."""
    for name, content in traces.files.items():
        assert [found for found in traces.identifying if found.encode() in content] == [], name


@pytest.mark.threat("phi-in-traces")
def test_what_a_clinician_wrote_is_not_kept(traces: Traces) -> None:
    for name, content in traces.files.items():
        assert b"Given41 said so" not in content, name


def test_the_ledger_keeps_what_is_needed_to_replay(traces: Traces) -> None:
    """It is not clean by being empty: inputs are there with values, units and the resources they came from."""
    assert '"value":' in traces.ledger
    assert '"unit":' in traces.ledger
    assert '"Observation/' in traces.ledger
