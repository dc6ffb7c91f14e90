"""A hospital adds a disease without touching this repository: an installed package, or mounted folders."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sepsis_package
from flask.testing import FlaskClient
from ledger_reading import outcomes
from service import NOW, MakeApp, loopback, request

from cds.errors import ManifestError, ServiceError

PATIENT = {"resourceType": "Patient", "id": "ill", "birthDate": "1960-01-01", "gender": "male"}
CONTEXT = {"userId": "Practitioner/1", "patientId": "ill"}


@pytest.fixture
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(sepsis_package.install(tmp_path / "site")))
    yield
    for name in [n for n in sys.modules if n.startswith("hospital_")]:
        del sys.modules[name]


def ill(crp: float = 240) -> dict[str, Any]:
    """Prefetch of somebody with a high CRP and lactate."""
    when = NOW.isoformat()
    found = [
        sepsis_package.observation("1988-5", crp, "mg/L", when, "ill"),
        sepsis_package.observation("2524-7", 3.4, "mmol/L", when, "ill"),
    ]
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in found]}
    return {"patient": PATIENT, "observations": bundle}


def listed(client: FlaskClient) -> dict[str, Any]:
    services = client.get("/cds-services").get_json()["services"]
    return {s["id"]: s for s in services if s["hook"] == "patient-view"}


def call(client: FlaskClient, prefetch: dict[str, Any], language: str = "en") -> list[dict[str, Any]]:
    body = request("patient-view", CONTEXT, prefetch)
    answer = client.post("/cds-services/sepsis-watch", json=body, headers={"Accept-Language": language})
    assert answer.status_code == 200, answer.get_data(as_text=True)
    cards: list[dict[str, Any]] = answer.get_json()["cards"]
    return cards


@pytest.mark.usefixtures("_installed")
def test_an_installed_package_is_discovered_with_the_prefetch_its_model_needs(make_app: MakeApp) -> None:
    """The hospital's own code for CRP, from its ConceptMap, included."""
    found = listed(make_app(**loopback()).test_client())
    assert {"sepsis-watch", "pancreas-risk"} <= set(found)
    assert found["sepsis-watch"]["title"] == "Sepsis: is there reason to look?"
    assert found["sepsis-watch"]["prefetch"] == {
        "patient": "Patient/{{context.patientId}}",
        "observations": (
            "Observation?patient={{context.patientId}}"
            "&code=http://loinc.org|1988-5,http://loinc.org|2524-7,https://example-ziekenhuis.nl/labcodes|CRP"
            "&_sort=-date&_count=250"
        ),
    }


@pytest.mark.usefixtures("_installed")
def test_it_gives_its_card_in_its_own_words_and_the_ledger_has_it(make_app: MakeApp) -> None:
    app = make_app(**loopback())
    client = app.test_client()
    (card,) = call(client, ill())
    assert card["summary"] == "Signs of sepsis: inflamed-and-acid"
    assert card["indicator"] == "warning"
    assert card["source"]["topic"] == {"system": "urn:cds:topic", "code": "sepsis", "display": "Sepsis"}
    assert outcomes(app) == {"sepsis-signs": "predicted"}
    (dutch,) = call(client, ill(), language="nl")
    assert dutch["summary"] == "Tekenen van sepsis: inflamed-and-acid"
    assert call(client, ill(crp=5)) == []


def test_mounted_folders_do_the_same(make_app: MakeApp, tmp_path: Path) -> None:
    models = sepsis_package.write_models(tmp_path / "models")
    hooks = sepsis_package.write_hooks(tmp_path / "hooks")
    client = make_app(**loopback(), model_dirs=[models], hook_dirs=[hooks]).test_client()
    assert "sepsis-watch" in listed(client)
    (card,) = call(client, ill())
    assert card["detail"] == "Take blood cultures and lactate now."


def test_the_services_that_were_there_are_as_before(make_app: MakeApp, tmp_path: Path) -> None:
    models = sepsis_package.write_models(tmp_path / "models")
    hooks = sepsis_package.write_hooks(tmp_path / "hooks")
    plain = listed(make_app(**loopback()).test_client())
    more = listed(make_app(**loopback(), model_dirs=[models], hook_dirs=[hooks]).test_client())
    assert {k: v for k, v in more.items() if k != "sepsis-watch"} == plain


def test_a_model_with_an_id_that_is_taken_is_refused(make_app: MakeApp, tmp_path: Path) -> None:
    twice = [sepsis_package.write_models(tmp_path / name) for name in ("a", "b")]
    with pytest.raises(ManifestError, match="a model called 'sepsis-signs' is loaded already"):
        make_app(**loopback(), model_dirs=twice)


def test_a_service_with_an_id_and_hook_that_are_taken_is_refused(make_app: MakeApp, tmp_path: Path) -> None:
    models = sepsis_package.write_models(tmp_path / "models")
    hooks = sepsis_package.write_hooks(tmp_path / "hooks")
    sepsis_package.write(hooks / "again.py", sepsis_package.HOOK)
    with pytest.raises(ServiceError, match="'sepsis-watch' for patient-view is declared twice"):
        make_app(**loopback(), model_dirs=[models], hook_dirs=[hooks])


def test_a_service_without_its_model_is_refused_by_name(make_app: MakeApp, tmp_path: Path) -> None:
    hooks = sepsis_package.write_hooks(tmp_path / "hooks")
    with pytest.raises(ServiceError, match="'sepsis-watch' needs models that are not installed: sepsis-signs"):
        make_app(**loopback(), hook_dirs=[hooks])


def test_a_catalogue_that_lacks_a_sentence_is_refused_by_its_key(make_app: MakeApp, tmp_path: Path) -> None:
    models = sepsis_package.write_models(tmp_path / "models")
    hooks = sepsis_package.write_hooks(tmp_path / "hooks")
    dutch = hooks / "catalogue" / "nl.yaml"
    dutch.write_text(dutch.read_text(encoding="utf-8").replace("  detail:", "  detial:"), encoding="utf-8")
    with pytest.raises(ServiceError, match=r"differ in: sepsis\.detail, sepsis\.detial"):
        make_app(**loopback(), model_dirs=[models], hook_dirs=[hooks])


def test_a_mounted_file_that_does_not_import_is_named(make_app: MakeApp, tmp_path: Path) -> None:
    path = sepsis_package.write(tmp_path / "hooks" / "broken.py", "import nowhere_to_be_found\n")
    with pytest.raises(ServiceError, match=f"{path}: ModuleNotFoundError"):
        make_app(**loopback(), hook_dirs=[path.parent])


def test_a_model_with_an_unknown_concept_is_refused_by_name_and_keeps_nobody_from_the_others(
    make_app: MakeApp, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    models = sepsis_package.write_models(tmp_path / "models")
    (models / "vocabulary" / "vitals.yaml").unlink()
    plain = listed(make_app(**loopback()).test_client())
    assert listed(make_app(**loopback(), model_dirs=[models]).test_client()) == plain
    assert "names concepts that no vocabulary defines" in caplog.text
    assert "sepsis-signs/model.yaml" in caplog.text
