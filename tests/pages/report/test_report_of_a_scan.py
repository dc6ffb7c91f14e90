"""The report behind the card of a network: what it said, of which scan, or why nothing; in words, and never more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from flask import Flask
from scan_hospital import ScanHospital, scan_hospital

from cds.app import create_app
from cds.engine import Engine
from cds.pages.report import view
from cds.pages.report.view import Report
from cds.settings import load
from cds.trust.smart import ReportSession

pytestmark = pytest.mark.system
READ, UNREAD, MODEL = "phantom-mass", "phantom-elsewhere", "pancreas-ct-demo"


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScanHospital]:
    with scan_hospital(tmp_path_factory.mktemp("scans")) as found:
        found.read(READ)
        found.read(UNREAD)
        yield found


@pytest.fixture(scope="module")
def app(hospital: ScanHospital) -> Flask:
    return create_app(load(hospital.settings_file))


def engine_of(app: Flask) -> Engine:
    found: Engine = app.extensions["cds"]
    return found


def report_of(app: Flask, hospital: ScanHospital, patient: str, language: str = "en") -> Report:
    """Of the card that opening the chart gives."""
    call = {
        "hook": "patient-view",
        "hookInstance": str(uuid4()),
        "fhirServer": f"{hospital.url}/fhir",
        "context": {"userId": "Practitioner/gp", "patientId": patient},
    }
    answer = app.test_client().post("/cds-services/pancreas-imaging", json=call, headers={"Accept-Language": language})
    assert answer.status_code == 200 and len(answer.get_json()["cards"]) == 1, answer.get_json()
    return opened(app, hospital, patient, language)


def opened(app: Flask, hospital: ScanHospital, patient: str, language: str = "en") -> Report:
    """Of the patient's newest card."""
    engine = engine_of(app)
    return view.compose(engine, session_of(app, hospital, patient), engine.catalogues.book(language))


def session_of(app: Flask, hospital: ScanHospital, patient: str) -> ReportSession:
    later = engine_of(app).now() + timedelta(hours=1)
    return ReportSession(
        "r", "demo", patient, None, f"{hospital.url}/fhir", "token", frozenset(), None, later, None, None
    )


def test_a_reading_is_told_with_its_scan_and_as_of_the_network_that_is_installed(
    app: Flask, hospital: ScanHospital
) -> None:
    report = report_of(app, hospital, READ)
    [section] = report.sections
    assert (section.kind, section.changed) == ("reading", False)
    assert section.reading is not None and report.of_scans
    assert section.reading.answers[0] == ("Suspicion", "high")
    assert section.reading.modality == "CT" and section.reading.day
    [row] = report.data
    assert (row.label, row.value, row.date) == ("Scan", "CT", section.reading.day)
    assert row.sources == (f"studies/{section.reading.study}",)


def test_readings_of_earlier_jobs_are_asked_for_together_and_of_this_patient_alone(
    app: Flask, hospital: ScanHospital
) -> None:
    report, engine = report_of(app, hospital, READ), engine_of(app)
    card, session = report.card, session_of(app, hospital, READ)

    def asked(times: int) -> tuple[int, int]:
        """(answers, questions to the ledger) of a card that rests on so many readings."""
        many = replace(card, prediction_ids=card.prediction_ids * times)
        with statements() as seen:
            found, gone = view.answers(engine, session, report.call, many)
        return len(found) + len(gone), len(seen)

    (one, questions), (more, as_many) = asked(1), asked(5)
    assert (more, as_many) == (5 * one, questions) and one > 0
    other = session_of(app, hospital, UNREAD)
    assert view.answers(engine, other, replace(report.call, predictions=()), card) == ((), ())


@contextmanager
def statements() -> Iterator[list[str]]:
    seen: list[str] = []

    def ask(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        seen.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", ask)
    yield seen
    sa.event.remove(sa.Engine, "before_cursor_execute", ask)


def test_in_dutch_too(app: Flask, hospital: ScanHospital) -> None:
    [section] = report_of(app, hospital, READ, "nl").sections
    assert section.reading is not None and section.reading.answers[0] == ("Verdenking", "hoog")


def test_one_that_read_nothing_says_why_in_words(app: Flask, hospital: ScanHospital) -> None:
    [section] = report_of(app, hospital, UNREAD).sections
    assert (section.kind, section.changed, section.reading) == ("silent", False, None)
    assert section.why.endswith("so it says nothing.")


def test_another_version_of_the_network_is_said(
    app: Flask, hospital: ScanHospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    report_of(app, hospital, READ)
    models = engine_of(app).models.models
    bundle = models[MODEL].manifest.runtime.volume
    assert bundle is not None
    other = bundle.model_copy(update={"phase": ("portal-venous",)})
    runtime = models[MODEL].manifest.runtime.model_copy(update={"volume": other})
    changed = replace(models[MODEL], manifest=models[MODEL].manifest.model_copy(update={"runtime": runtime}))
    monkeypatch.setitem(models, MODEL, changed)  # type: ignore[arg-type]
    [section] = opened(app, hospital, READ).sections
    assert section.changed
