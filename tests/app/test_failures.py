"""What breaks is said on a card, counted and kept; it never looks like "nothing to say"."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sepsis_package
from flask import Flask
from ledger_reading import last_call, outcomes
from service import FHIR, NOW, MakeApp, StoryCalls, loopback, prefetcher, request

import models
from cds.app import create_app, warm
from cds.inference import registry
from cds.ledger.migrate import upgrade
from cds.settings import load

FIRED = ("pancreas-risk", "patient-view")


@pytest.fixture
def copied_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The built-in models in a folder of their own, which a test may spoil."""
    folder = tmp_path / "models"
    shutil.copytree(Path(models.__file__).parent, folder)
    monkeypatch.setattr(registry, "installed_folders", lambda: [folder])
    return folder


@pytest.fixture
def cold_app(tmp_path: Path) -> Iterator[Flask]:
    """Not warmed: what is wrong with a graph shows at the first patient."""
    empty = tmp_path / "cds.toml"
    empty.touch()
    settings = load(empty, data_dir=tmp_path / "data", **loopback())
    upgrade(settings.ledger_url)
    app = create_app(settings, now=lambda: NOW)
    yield app
    app.extensions["cds"].ledger.close()


def test_a_healthy_patient_is_told_that_a_model_failed_too(copied_models: Path, cold_app: Flask) -> None:
    """Whom it would have said nothing of: silence would read as "no risk"."""
    for name in ("endpac", "qcancer-2013-pancreas"):
        (copied_models / name / "model.onnx").write_bytes(b"not a graph")
    fire = StoryCalls(cold_app.test_client(), prefetcher(cold_app))
    (card,) = fire("missing-data", *FIRED).get_json()["cards"]
    assert card["indicator"] == "info"
    assert "could not" in card["summary"] + card["detail"]


def test_an_altered_graph_is_not_run(copied_models: Path, cold_app: Flask) -> None:
    """Another good graph in its place: the manifest pins the bytes."""
    shutil.copy(copied_models / "qcancer-2013-pancreas" / "model.onnx", copied_models / "endpac" / "model.onnx")
    fire = StoryCalls(cold_app.test_client(), prefetcher(cold_app))
    assert fire("new-diabetes", *FIRED).status_code == 200
    assert outcomes(cold_app)["endpac"] == "failed"


def test_a_model_that_cannot_be_loaded_does_not_keep_the_others_from_starting(
    copied_models: Path, cold_app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    (copied_models / "endpac" / "model.onnx").write_bytes(b"not a graph")
    warm(cold_app)
    assert "model.failed model=endpac" in caplog.text
    assert "SHA-256 differs" in caplog.text
    ready = cold_app.test_client().get("/ready").get_json()
    assert ready["ready"] is True
    assert ready["providers"]["qcancer-2013-pancreas"] != ""
    assert ready["providers"]["endpac"] == ""


RAISES = """
from cds.services import Case, service


@service(id="broken", hook="patient-view", title="Broken", description="Raises.")
def broken(case: Case):
    raise ValueError(f"{case.record.patient_id} has no luck")
"""


def fire_own(app: Flask, service: str, **headers: str) -> Any:
    patient = {"resourceType": "Patient", "id": "p-41", "birthDate": "1960-01-01"}
    body = request("patient-view", {"userId": "Practitioner/1", "patientId": "p-41"}, {"patient": patient})
    return app.test_client().post(f"/cds-services/{service}", json=body, headers=headers)


def test_a_service_that_raises_gives_a_modest_card(
    make_app: MakeApp, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = sepsis_package.write(tmp_path / "hooks" / "broken.py", RAISES)
    app = make_app(**loopback(), hook_dirs=[path.parent])
    answer = fire_own(app, "broken")
    assert answer.status_code == 200
    (card,) = answer.get_json()["cards"]
    assert card["summary"] == "Decision support could not assess this patient just now"
    assert card["indicator"] == "info"
    assert card["source"]["topic"]["code"] == "service-failed"
    assert "not a sign of low risk" in card["detail"]
    assert "p-41" not in caplog.text
    assert "ValueError" in caplog.text
    assert last_call(app)["status"] == "answered"


WORDLESS = """
from cds.services import CardDraft, Case, service


@service(id="wordless", hook="patient-view", title="Wordless", description="Its topic has no name.")
def wordless(case: Case):
    yield CardDraft("unnamed-topic", "action", "info", "Something", "Something", "Somebody")
"""


def test_a_card_that_cannot_be_made_gives_a_modest_card(make_app: MakeApp, tmp_path: Path) -> None:
    """No catalogue names the card's topic: the fault shows only after the service is done."""
    path = sepsis_package.write(tmp_path / "hooks" / "wordless.py", WORDLESS)
    answer = fire_own(make_app(**loopback(), hook_dirs=[path.parent]), "wordless")
    assert answer.status_code == 200
    (card,) = answer.get_json()["cards"]
    assert card["source"]["topic"]["code"] == "service-failed"


def test_require_gpu_makes_a_service_on_the_cpu_unready_and_says_why(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cds.inference.runtime._gpu_present", lambda: False)  # on a machine that has one, too
    plain = make_app(**loopback()).test_client().get("/ready")
    assert (plain.status_code, plain.get_json()["reasons"]) == (200, [])
    wanted = make_app(**loopback(), require_gpu=True).test_client().get("/ready")
    assert wanted.status_code == 503
    told = wanted.get_json()
    assert told["ready"] is False
    assert told["reasons"] == ["require_gpu is set, but models run on the CPU"]
    assert set(told["providers"].values()) == {"CPUExecutionProvider"}


def test_the_client_may_name_its_fhir_server(make_app: MakeApp) -> None:
    """The address the tests of this file leave out is one that is allowed."""
    assert make_app(**loopback()).extensions["cds"].settings.clients["demo"].fhir_servers == (FHIR,)
