"""A row for each model, also for those that no test patient can try: networks, and folders that could not be loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from study_scene import MODEL, write_model

from cds.inference import registry
from cds.policy.schema import Policy
from cds.settings import load
from cds.site.answers import Answers, answers

HEAD = {"name": "t", "reason": "r", "author": "a", "approver": "b", "effective": "2026-01-01"}


def rows_of(folder: Path, models: Path, *, scans: bool = True, policy: Any = None, **given: Any) -> dict[str, Answers]:
    (folder / "cds.toml").touch()
    pacs = {"main": {"url": "http://127.0.0.1:9/dicom-web"}} if scans else {}
    settings = load(folder / "cds.toml", data_dir=folder / "data", pacs=pacs, **given)
    spoken = Policy.model_validate(HEAD | (policy or {}))
    return {row.model: row for row in answers([], registry.load([models]), spoken, "en", settings)}


@pytest.mark.parametrize(
    ("scans", "clinical", "enabled", "said"),
    [
        (True, True, True, "its answers come of study jobs"),
        (True, True, False, "the policy does not enable it"),
        (True, False, True, "it is not for clinical use"),
        (False, True, True, "without a [pacs.NAME] there is none to read"),
    ],
)
def test_a_network_s_row_says_that_no_patient_tried_it_and_when_it_reads(
    tmp_path: Path, scans: bool, clinical: bool, enabled: bool, said: str
) -> None:
    models = write_model(tmp_path, clinical_use=clinical)
    policy = {"models": {MODEL: {"enabled": enabled}}}
    row = rows_of(tmp_path, models, scans=scans, policy=policy)[MODEL]
    assert row.told.startswith("reads scans, not records, so it was not tried on patients: ")
    assert said in row.told
    assert row.speaks is enabled


def test_a_folder_that_could_not_be_loaded_has_a_row_that_says_why(tmp_path: Path) -> None:
    models = write_model(tmp_path)
    broken = yaml.safe_load((models / MODEL / "model.yaml").read_text(encoding="utf-8")) | {"task": "fortune"}
    (models / "broken").mkdir()
    (models / "broken" / "model.yaml").write_text(yaml.safe_dump(broken | {"id": "broken"}), encoding="utf-8")
    row = rows_of(tmp_path, models)["broken"]
    assert row.told.startswith("could not be loaded and fails whenever it is asked: ")
    assert "broken/model.yaml" in row.told and "task" in row.told
