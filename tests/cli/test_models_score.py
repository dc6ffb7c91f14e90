"""``cds models score``: many patients, each with the answer of a call, in a file that is whole or not there."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from command_line import cds
from service import TODAY

from hooks.stories import STORIES, all_resources

DAY = TODAY.isoformat()
MODELS = ("endpac", "qcancer-2013-pancreas", "nice-ng12", "resected-os")


def resources() -> list[dict[str, Any]]:
    return all_resources(TODAY)


def lines(path: Path, things: Iterable[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(t) + "\n" for t in things), encoding="utf-8")
    return path


def bundle(patient: str) -> dict[str, Any]:
    mine = [r for r in resources() if r["id"] == patient or str(r["id"]).startswith(f"{patient}-")]
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in mine]}


def scored(out: Path, *arguments: str | Path, models: tuple[str, ...] = MODELS) -> list[dict[str, Any]]:
    result = cds("models", "score", *models, *arguments, "--out", out, "--now", DAY)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """A Bundle a patient, a line each, in this process."""
    folder = tmp_path_factory.mktemp("bundles")
    path = lines(folder / "bundles.ndjson", (bundle(s.id) for s in STORIES))
    return scored(folder / "out.ndjson", "--patients", path, "--processes", "1")


def test_every_patient_gets_a_row_for_each_model_in_order(one_by_one: list[dict[str, Any]]) -> None:
    assert [(row["patient"], row["model"]) for row in one_by_one] == [(s.id, m) for s in STORIES for m in MODELS]
    outcomes = {row["outcome"] for row in one_by_one}
    assert outcomes == {"predicted", "not-assessed"}
    assert {row["reason"] for row in one_by_one if row["outcome"] == "not-assessed"} == {"not-eligible", "input-absent"}


def test_the_answer_is_that_of_one_patient_asked_alone(one_by_one: list[dict[str, Any]], tmp_path: Path) -> None:
    for patient in ("new-diabetes", "resected-adjuvant", "missing-data"):
        path = tmp_path / f"{patient}.json"
        path.write_text(json.dumps(bundle(patient)), encoding="utf-8")
        for model in MODELS:
            told = json.loads(cds("models", "run", model, "--patient", path, "--now", DAY, "--json").stdout)
            (row,) = (r for r in one_by_one if (r["patient"], r["model"]) == (patient, model))
            if row["outcome"] == "not-assessed":
                assert told["outcome"] == row["reason"]
                continue
            assert told["outcome"] == "predicted"
            single = {s["name"]: s["value"] for s in told["said"] if s["at"] is None and s["kind"] != "category"}
            assert {name: row["outputs"][name] for name in single} == single


def test_a_bulk_export_whatever_its_order_gives_the_same_in_two_processes(
    one_by_one: list[dict[str, Any]], tmp_path: Path
) -> None:
    export = tmp_path / "export"
    export.mkdir()
    kinds: dict[str, list[dict[str, Any]]] = {}
    for resource in reversed(resources()):
        kinds.setdefault(resource["resourceType"], []).append(resource)
    for kind, found in kinds.items():
        lines(export / f"{kind}.ndjson", found)
    rows = scored(tmp_path / "out.ndjson", "--patients", export, "--processes", "2")

    def keyed(found: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
        return {(r["patient"], r["model"]): r for r in found}

    assert keyed(rows) == keyed(one_by_one)


def test_a_bundle_of_many_patients_over_many_lines_is_read_too(tmp_path: Path) -> None:
    entries = [{"resource": r} for r in resources()]
    path = tmp_path / "all.json"
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}, indent=1), "utf-8")
    rows = scored(tmp_path / "out.ndjson", "--patients", path, models=("endpac",))
    assert {r["patient"] for r in rows} == {s.id for s in STORIES}


def test_a_csv_has_a_line_for_each_number_and_one_for_each_silence(tmp_path: Path) -> None:
    path = lines(tmp_path / "p.ndjson", [bundle("new-diabetes"), bundle("missing-data")])
    out = tmp_path / "out.csv"
    result = cds("models", "score", "endpac", "--patients", path, "--out", out, "--now", DAY)
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    told = {(r["patient"], r["output"]): r["value"] for r in rows}
    assert told["new-diabetes", "score"] == "9.0"
    assert told["new-diabetes", "band"] == "high"
    (silent,) = (r for r in rows if r["patient"] == "missing-data")
    assert (silent["outcome"], silent["output"], silent["value"]) == ("not-assessed", "", "")
    assert "2 patients" in result.stderr
    assert "endpac: 1 predicted, 1 input-absent" in result.stderr


def test_what_belongs_to_nobody_or_is_no_fhir_is_counted_and_spoils_nothing(tmp_path: Path) -> None:
    path = tmp_path / "p.ndjson"
    stranger = {"resourceType": "Condition", "id": "c", "subject": {"reference": "Patient/nobody"}}
    lines(path, [*bundle("new-diabetes")["entry"][:0], bundle("new-diabetes"), stranger, {"resourceType": "Basic"}])
    path.write_text(path.read_text(encoding="utf-8") + "no json\n", encoding="utf-8")
    result = cds("models", "score", "endpac", "--patients", path, "--out", tmp_path / "out.ndjson", "--now", DAY)
    assert result.exit_code == 0, result.output
    assert "1 patients" in result.stderr
    assert "1 lines that are no FHIR resource, 2 resources of patients that no file holds" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("endpac", "--patients", "missing.ndjson", "--out", "out.csv"), "missing.ndjson can't be read"),
        (("endpac", "--patients", "empty", "--out", "out.csv"), "empty holds no .ndjson or .json file"),
        (
            ("endpac", "--patients", "odd.ndjson", "--out", "out.csv"),
            "no patient was found; 1 lines are no FHIR resource",
        ),
        (("endpac", "--patients", "odd.ndjson", "--out", "out.xlsx"), "end its name in .csv or .ndjson"),
        (("nothing", "--patients", "odd.ndjson", "--out", "out.csv"), "there is no model 'nothing'; known are:"),
        (("endpac", "--patients", "odd.ndjson", "--out", "nowhere/out.csv"), "nowhere/out.csv can't be written"),
    ],
)
def test_what_goes_wrong_is_a_sentence_and_leaves_no_file(arguments: tuple[str, ...], told: str) -> None:
    Path("odd.ndjson").write_text("not FHIR\n", encoding="utf-8")
    Path("empty").mkdir(exist_ok=True)
    result = cds("models", "score", *arguments)
    assert result.exit_code != 0
    assert told in result.stderr
    assert "Traceback" not in result.output
    assert not list(Path().glob("*.part"))
    assert not list(Path().glob(".*.part"))
    assert not Path("out.csv").exists()
    assert not Path("out.xlsx").exists()
