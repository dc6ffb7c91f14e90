"""Patients whom a model's folder brings: in the demonstration, valid FHIR, as old as said; a wrong file is named."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml
from fhir.resources.R4B import get_fhir_model_class

from cds.demo.hospital import create_hospital, everybody
from cds.demo.model_patients import ModelPatient, brought
from cds.errors import SettingsError
from hooks.stories import STORIES, draft_orders, orders
from hooks.stories.orderables import ORDERABLES

TODAY = date(2026, 11, 23)
ROW = {
    "id": "toy",
    "given": "Tessa",
    "age": 40,
    "sex": "female",
    "tells": {"en": "A toy.", "nl": "Een speeltje."},
    "resources": [{"resourceType": "Observation", "status": "final", "effectiveDateTime": "TODAY-5", "code": {}}],
    "expects": [{"hook": "patient-view", "topic": "toy", "words": "Look"}],
}


def written(folder: Path, **changed: object) -> Path:
    (folder / "toy").mkdir(parents=True)
    (folder / "toy" / "demo.yaml").write_text(yaml.safe_dump({"patients": [ROW | changed]}), encoding="utf-8")
    return folder


def test_they_stand_among_the_stories_and_their_records_on_the_server() -> None:
    told = everybody()
    assert [s.id for s in told.STORIES] == [*(s.id for s in STORIES), *(p.id for p in told.brought)]
    assert len({s.id for s in told.STORIES}) == len({s.name for s in told.STORIES}) == len(told.STORIES)
    app = create_hospital("http://127.0.0.1:9", "http://127.0.0.1:9/fhir", TODAY)
    client = app.test_client()
    for patient in told.brought:
        assert client.get(f"/fhir/Patient/{patient.id}").get_json()["gender"] == patient.sex
        found = client.get(f"/fhir/Observation?patient={patient.id}").get_json()
        assert found["total"] == len(patient.row.resources)


@pytest.mark.parametrize("patient", everybody().brought, ids=lambda p: p.id)
def test_what_they_bring_is_valid_r4_and_dated_from_today(patient: ModelPatient) -> None:
    for today in (TODAY, date(2028, 2, 29)):
        for resource in patient.resources(today):
            get_fhir_model_class(resource["resourceType"]).model_validate(resource)
        who, *others = patient.resources(today)
        born = date.fromisoformat(who["birthDate"])
        assert today.year - born.year - ((today.month, today.day) < (born.month, born.day)) == patient.age
        assert all(r["effectiveDateTime"] < today.isoformat() for r in others)
    assert patient.told("nl") != patient.told("en")


def test_orders_can_be_written_for_them_as_for_anybody(tmp_path: Path) -> None:
    (patient,) = brought([written(tmp_path)])
    assert "entry" not in draft_orders(patient, TODAY)  # type: ignore[arg-type]
    for orderable in ORDERABLES:
        for order in orders(orderable, patient, TODAY):  # type: ignore[arg-type]
            assert order["subject"] == {"reference": "Patient/toy"}


def test_a_folder_that_a_hospital_mounts_brings_its_own(tmp_path: Path) -> None:
    assert "toy" in {s.id for s in everybody([written(tmp_path)]).STORIES}


def test_a_card_that_did_not_come_is_named(tmp_path: Path) -> None:
    (patient,) = brought([written(tmp_path)])
    card = {"source": {"topic": {"code": "toy"}}, "summary": "Look here", "detail": ""}
    assert patient.faults("patient-view", [card]) == []
    assert patient.faults("patient-view", []) == ["toy: no card 'toy' says: Look"]
    assert patient.faults("patient-view", [card | {"summary": "Nothing"}]) == ["toy: no card 'toy' says: Look"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"age": 200}, "patients.0.age"),
        ({"sex": "unknown"}, "patients.0.sex"),
        ({"colour": "red"}, "patients.0.colour"),
        ({"expects": []}, "patients.0.expects"),
    ],
)
def test_a_wrong_file_is_refused_by_name_and_place(tmp_path: Path, changed: dict[str, object], told: str) -> None:
    with pytest.raises(SettingsError, match=rf"toy.demo\.yaml: {told}"):
        brought([written(tmp_path, **changed)])
