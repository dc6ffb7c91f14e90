"""A bulk export instead of past calls: the authored patients, read from NDJSON as a hospital's server writes it."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from conftest import CHANGE, Preview
from service import TODAY

from hooks.stories import STORIES, all_resources

WARNED = {"new-diabetes", "jaundice-head", "cholestasis", "wrong-unit"}


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bulk")
    files: dict[str, list[str]] = defaultdict(list)
    for resource in all_resources(TODAY):
        files[resource["resourceType"]].append(json.dumps(resource))
    for kind, lines in files.items():
        (folder / f"{kind}.ndjson").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def figures(preview: Preview, export: Path, *words: str, change: str = CHANGE) -> dict[str, Any]:
    result = preview(None, "--bulk", str(export), "--as-of", str(TODAY), "--json", *words, change=change)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_every_patient_is_one_opening_of_a_chart(preview: Preview, export: Path) -> None:
    told = figures(preview, export)
    assert told["window"]["patients"] == len(STORIES)
    # a story's local codes need the example hospital's ConceptMap, which a bare setting does not name
    assert told["workload"]["before"]["topics"].keys() >= {"pancreas-risk", "ca19-9-response", "pancreas-cyst"}
    assert told["workload"]["before"]["perClinician"] is None
    off = CHANGE.replace("{risk_at_least: 0.01}", "{risk_at_least: 0.01}\n    enabled: false")
    told = figures(preview, export, change=off)
    assert told["patients"]["noLonger"]["count"] is None or told["patients"]["noLonger"]["count"] >= len(WARNED)
    assert "pancreas-risk" not in told["workload"]["after"]["topics"]


def test_that_it_knows_no_clinicians_and_no_repeats_is_said(preview: Preview, export: Path) -> None:
    result = preview(None, "--bulk", str(export), "--as-of", str(TODAY))
    assert "A bulk export knows no clinicians and no repeats" in " ".join(result.stdout.split())
    assert "Cards a week" not in result.stdout.partition("Threshold")[0]


def test_a_broken_line_is_left_out_and_a_folder_without_patients_is_said(
    preview: Preview, export: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "bulk"
    broken.mkdir()
    (broken / "Patient.ndjson").write_text(
        '{"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1960-01-01"}\n'
        '{"resourceType": 7}\n\nnope\n'
    )
    told = figures(preview, broken)
    assert told["window"]["patients"] == 1
    assert {"note": "broken", "lines": 2} in told["notes"]
    empty = tmp_path / "empty"
    empty.mkdir()
    result = preview(None, "--bulk", str(empty))
    assert result.exit_code == 2
    assert "no *.ndjson file in it holds a Patient" in result.stderr
