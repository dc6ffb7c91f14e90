"""A refusal of a known caller is a row of the ledger; a stranger's leaves no row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from cds.app import create_app
from cds.errors import SettingsError
from cds.ledger.migrate import upgrade
from cds.settings import Settings, load

CALL = {"hook": "patient-view", "hookInstance": "x", "context": {"userId": "Practitioner/1", "patientId": "p1"}}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    client = {"authentication": "loopback", "fhir_servers": ["https://ehr.example.org/fhir"]}
    return load(None, environment="demo", data_dir=tmp_path, clients={"demo": client})


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    upgrade(settings.ledger_url)
    made = create_app(settings)
    yield made
    made.extensions["cds"].ledger.close()


def rows(settings: Settings) -> list[tuple[str, str]]:
    engine = sa.create_engine(settings.ledger_url)
    with engine.connect() as connection:
        found = [tuple(r) for r in connection.execute(sa.text("select status, error_code from calls"))]
    engine.dispose()
    return found


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "CDS-400"),
        (CALL | {"hook": "order-dispatch"}, 400, "CDS-400"),
        (CALL | {"fhirServer": "https://evil.example.com/fhir"}, 403, "CDS-403"),
        (CALL, 412, "CDS-412"),
    ],
)
def test_a_refused_call_is_recorded_with_its_code(
    app: Flask, settings: Settings, body: Any, status: int, code: str
) -> None:
    sent = {"data": body, "content_type": "application/json"} if isinstance(body, bytes) else {"json": body}
    answer = app.test_client().post("/cds-services/pancreas-risk", **sent)
    assert answer.status_code == status
    outcome = answer.get_json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert outcome["issue"][0]["details"]["coding"][0]["code"] == code
    assert rows(settings) == [("refused", code)]


@pytest.mark.threat("flood")
def test_a_stranger_can_not_fill_the_ledger(app: Flask, settings: Settings) -> None:
    answer = app.test_client().post("/cds-services/pancreas-risk", json=CALL, environ_base={"REMOTE_ADDR": "192.0.2.7"})
    assert answer.status_code == 401
    assert rows(settings) == []


@pytest.mark.threat("error-leak")
def test_an_unforeseen_error_names_its_place_and_no_value(
    app: Flask, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("Mrs Smith, born 1950-01-01")

    monkeypatch.setattr(app.extensions["cds"].ledger, "ping", broken)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    answer = app.test_client().get("/ready")
    assert answer.status_code == 500
    assert answer.get_json()["resourceType"] == "OperationOutcome"
    assert "Smith" not in answer.get_data(as_text=True) + caplog.text
    assert "RuntimeError" in caplog.text


def test_a_language_without_words_is_refused_at_start(tmp_path: Path) -> None:
    client = {"authentication": "loopback", "language": "fr"}
    with pytest.raises(SettingsError, match=r"clients\.demo\.language.*'fr'.*en, nl"):
        create_app(load(None, environment="demo", data_dir=tmp_path, clients={"demo": client}))
