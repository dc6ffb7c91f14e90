"""A bulk export instead of past calls: the authored patients, read from NDJSON as a hospital's server writes it."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from service import TODAY
from trying import CHANGE, Preview

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


# ---- what became of them, from the export itself


def patient(number: int, *, found: str | None = None, died: str | None = None, weak: bool = False) -> list[str]:
    """As of 2023: old, losing weight and newly diabetic, or (weak) with nothing of it. ``found``: the cancer's day."""
    id = f"p{number}"
    subject = {"reference": f"Patient/{id}"}

    def condition(code: str, day: str) -> dict[str, Any]:
        return {
            "resourceType": "Condition", "id": f"{id}-{code}-{day}", "subject": subject, "onsetDateTime": day,
            "clinicalStatus": {"coding": [{"code": "active"}]},
            "verificationStatus": {"coding": [{"code": "confirmed"}]},
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": code}]},
        }  # fmt: skip

    born = {"resourceType": "Patient", "id": id, "gender": "female", "birthDate": "1955-02-03"}
    resources = [born | ({"deceasedDateTime": died} if died else {})]
    if not weak:
        # chronic pancreatitis and new abdominal pain
        resources += [condition("235494005", "2017-01-02"), condition("21522001", "2022-12-20")]
    if found is not None:
        resources.append(condition("363418001", found))
    return [json.dumps(resource) for resource in resources]


@pytest.fixture
def grown(tmp_path: Path) -> Path:
    folder = tmp_path / "grown"
    folder.mkdir()
    lines = [line for n in range(12) for line in patient(n, found="2023-09-01")]
    lines += [line for n in range(12, 27) for line in patient(n)]
    lines += [line for n in range(27, 57) for line in patient(n, weak=True)]
    lines += [line for n in range(57, 63) for line in patient(n, found="2022-06-01")]
    (folder / "all.ndjson").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


DAYS = ("--as-of", "2023-01-01", "--known-until", "2026-06-30", "--events-needed", "10")


def test_charts_of_a_past_day_are_held_against_what_came_later(preview: Preview, grown: Path) -> None:
    lower = CHANGE.replace("0.01}", "0.005}")
    result = preview(None, "--bulk", str(grown), *DAYS, "--json", change=lower)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    (found,) = told["found"]
    assert (found["cases"], found["others"]) == ({"count": 12}, {"count": 45}), "of the six who had it nobody asks"
    assert found["before"]["sensitivity"]["value"] == 0
    assert found["after"]["sensitivity"]["value"] == 1, "what came later was not known on that day"
    assert found["after"]["ppv"]["value"] == pytest.approx(12 / 27, abs=0.001)
    assert "sensitivity" in told["thresholds"][0]["rows"][0]


def test_without_a_day_of_completeness_nothing_is_said_of_what_is_found(preview: Preview, grown: Path) -> None:
    result = preview(None, "--bulk", str(grown), "--as-of", "2023-01-01")
    assert "it is complete up to a later one (--known-until)" in " ".join(result.stdout.split())
    assert "Missed" not in result.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--as-of", "2023-01-01"), "give one (--bulk FOLDER)"),
        (("--bulk", ".", "--as-of", "2100-01-01"), "lies in the future"),
        (("--bulk", ".", "--known-until", "2026-01-01"), "has to lie after --as-of"),
        (("--bulk", ".", "--as-of", "2026-01-01", "--known-until", "2025-01-01"), "has to lie after --as-of"),
    ],
)
def test_days_that_can_not_be_meant_are_told(preview: Preview, words: tuple[str, ...], told: str) -> None:
    result = preview(None, *words)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())
