"""``cds models run``: one model on one patient, every input traced to its resource; and what a site's records hold."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from command_line import cds
from service import TODAY

from cds.ledger import CallEntry, Ledger, PredictionEntry
from cds.ledger.migrate import upgrade
from hooks.stories import all_resources

DAY = TODAY.isoformat()


def of(patient: str) -> list[dict[str, Any]]:
    wanted = f"Patient/{patient}"
    return [
        r
        for r in all_resources(TODAY)
        if (r["resourceType"] == "Patient" and r["id"] == patient)
        or wanted in (r.get("subject", {}).get("reference"), r.get("patient", {}).get("reference"))
    ]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "bundle.json"
    entries = [{"resource": r} for r in of("new-diabetes")]
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}), encoding="utf-8")
    return path


def account(*arguments: str | Path) -> dict[str, Any]:
    result = cds("models", "run", *arguments, "--now", DAY, "--json")
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def read(told: dict[str, Any], name: str) -> dict[str, Any]:
    return next(r for r in told["read"] if r["name"] == name)


def test_each_input_has_its_value_unit_source_date_and_contribution(bundle: Path) -> None:
    told = account("endpac", "--patient", bundle)
    assert told["outcome"] == "predicted"
    onset = read(told, "glucose_onset")
    (sent,) = onset["sent"]
    assert (onset["value"], onset["unit"], onset["contribution"]) == (141.0, "mg/dL", 4.0)
    assert (sent["original"], sent["date"]) == ("141 mg/dL", "2026-10-24")
    assert sent["source"].startswith("Observation/new-diabetes-")
    assert read(told, "weight_change")["conversion"] == "change per year"
    assert {s["name"]: s["value"] for s in told["said"]} == {"score": 9.0, "band": "high: 3 or more"}
    assert sum(r["contribution"] or 0 for r in told["read"]) == 9


def test_a_converted_unit_is_shown_as_sent_and_as_read(tmp_path: Path) -> None:
    path = tmp_path / "dutch.ndjson"
    path.write_text("\n".join(json.dumps(r) for r in of("dutch-new-diabetes")), encoding="utf-8")
    map_file = tmp_path / "map.json"
    from hooks.stories.concept_map import concept_map

    map_file.write_text(json.dumps(concept_map()), encoding="utf-8")
    settings = tmp_path / "cds.toml"
    settings.write_text(f'concept_map = "{map_file}"\n', encoding="utf-8")
    result = cds("models", "run", "endpac", "--patient", path, "--now", DAY, settings=settings)
    assert result.exit_code == 0, result.stderr
    assert " mmol/L = " in result.stdout


def test_the_table_names_input_source_answer_and_conversion(bundle: Path) -> None:
    result = cds("models", "run", "endpac", "--patient", bundle, "--now", DAY, "--language", "nl")
    assert result.exit_code == 0
    for told in ("nuchtere glucose", "141 mg/dL, 2026-10-24, Observation/new-diabetes-", "END-PAC-score", "+6"):
        assert told in result.stdout


def test_the_same_patient_from_a_server_gets_the_same_answer(bundle: Path, hospital: str) -> None:
    from_file = account("qcancer-2013-pancreas", "--patient", bundle)
    from_server = account("qcancer-2013-pancreas", "--patient", f"{hospital}/Patient/new-diabetes")
    assert from_server["said"] == from_file["said"]
    assert from_server["comparator_of"] == "reference_risk"
    assert from_server["comparator"] < from_server["said"][0]["value"]


def test_one_of_many_patients_is_named_by_id_and_the_others_are_no_strangers(tmp_path: Path) -> None:
    path = tmp_path / "all.ndjson"
    path.write_text("\n".join(json.dumps(r) for r in (*of("new-diabetes"), *of("deceased"))), encoding="utf-8")
    result = cds("models", "run", "endpac", "--patient", path, "--now", DAY)
    assert result.exit_code == 1
    assert "holds 2 patients: name one with --id" in result.stderr
    assert account("endpac", "--patient", path, "--id", "new-diabetes")["lost"] == 0


def test_no_answer_has_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "young.json"
    path.write_text(json.dumps({"resourceType": "Patient", "id": "y", "birthDate": "2010-01-01"}), encoding="utf-8")
    told = account("qcancer-2013-pancreas", "--patient", path)
    assert (told["outcome"], told["why"]) == ("not-eligible", "The equations are for ages 25 to 89.")
    told = account("endpac", "--patient", path)
    assert told["outcome"] == "input-absent"
    assert "(missing)" in told["why"]


def test_what_is_missing_is_named_with_what_it_would_change(tmp_path: Path) -> None:
    path = tmp_path / "bare.json"
    path.write_text(
        json.dumps({"resourceType": "Patient", "id": "b", "birthDate": "1956-01-01", "gender": "male"}),
        encoding="utf-8",
    )
    told = account("qcancer-2013-pancreas", "--patient", path)
    assert told["open"][0]["name"] == "smoking"
    widths = [one["highest"] - one["lowest"] for one in told["open"]]
    assert widths == sorted(widths, reverse=True), "what could change the answer most comes first"
    assert widths[0] > 0
    printed = cds("models", "run", "qcancer-2013-pancreas", "--patient", path, "--now", DAY).stdout
    lines = printed.splitlines()
    at = lines.index("Not known, by how much it could change the answer (risk of pancreatic cancer within 2 years):")
    assert lines[at + 1].startswith("  smoking: 0.0")
    assert "%" in lines[at + 1]
    assert read(told, "weight_loss")["sent"] == []


def test_survival_is_told_at_months_with_its_interval(tmp_path: Path) -> None:
    path = tmp_path / "metastatic.ndjson"
    path.write_text("\n".join(json.dumps(r) for r in of("gemnab-rising")), encoding="utf-8")
    points = [s for s in account("metastatic-os", "--patient", path)["said"] if s["name"] == "survival"]
    assert [p["at"] for p in points] == [6, 12, 24, 36]
    assert all(p["lower"] <= p["value"] <= p["upper"] for p in points)


def test_survival_is_held_against_the_same_age_and_sex_and_its_range_ends_in_words(tmp_path: Path) -> None:
    path = tmp_path / "resected.ndjson"
    path.write_text("\n".join(json.dumps(r) for r in of("resected-adjuvant")), encoding="utf-8")
    told = account("resected-os", "--patient", path)
    assert told["comparator_of"] == "alive_12"
    assert 0.5 < told["comparator"] < 0.9
    printed = cds("models", "run", "resected-os", "--patient", path, "--now", DAY).stdout
    assert "Same age and sex, otherwise ordinary, alive at 12 months: 7" in printed
    best = [s for s in told["said"] if s["name"] == "alive_1_in_10"]
    assert [(s["unit"], s["or_more"]) for s in best] == [("mo", False)]


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("http://127.0.0.1:9/fhir/Patient/x", "no connection to the FHIR server"),
        ("http://127.0.0.1:9/fhir", "names no patient"),
        ("http://Patient/x", "is not an address"),
        ("missing.json", "can't be read"),
        ("odd.txt", "neither a FHIR Bundle nor NDJSON"),
        ("empty.json", "holds no Patient"),
    ],
)
def test_what_can_not_be_read_is_a_sentence(tmp_path: Path, place: str, told: str) -> None:
    Path("odd.txt").write_text("not FHIR", encoding="utf-8")
    Path("empty.json").write_text('{"resourceType": "Bundle", "type": "collection"}', encoding="utf-8")
    result = cds("models", "run", "endpac", "--patient", place)
    assert result.exit_code == 1
    assert told in result.stderr
    assert "Traceback" not in result.output


def test_show_counts_the_inputs_of_a_servers_patients(hospital: str) -> None:
    result = cds("models", "show", "endpac", "--fhir", hospital, "--patients", "5")
    assert result.exit_code == 0, result.stderr
    assert f"5 patients of {hospital}" in result.stdout


def test_show_counts_the_inputs_of_the_ledgers_predictions(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    upgrade(url)
    ledger = Ledger(url, b"0123456789abcdef0123456789abcdef", tmp_path / "spool")
    states: list[dict[str, Any]] = [{"state": "found", "value": 130, "from": ["Observation/1"]}, {"state": "missing"}]
    states += [{"state": "unit-unknown"}, {"state": "found", "value": 0}]
    for number, state in enumerate(states):
        entry = PredictionEntry(
            id=f"p{number}",
            model="endpac",
            model_version="1.0.0",
            model_sha256="",
            outcome="not-assessed",
            reason="input-absent",
            inputs={"glucose_onset": state},
            outputs={},
        )
        ledger.record_call(called(f"c{number}", entry))
    ledger.close()
    settings = tmp_path / "cds.toml"
    settings.write_text(f'database_url = "{url}"\n', encoding="utf-8")
    result = cds("models", "show", "endpac", settings=settings)
    (row,) = [line for line in result.stdout.splitlines() if "glucose at onset" in line and "%" in line]
    assert [cell.strip() for cell in row.split("│")[2:6]] == ["50%", "25%", "25%", "unit-unknown 1"]


def called(identity: str, prediction: PredictionEntry) -> CallEntry:
    return CallEntry(
        id=identity,
        at=datetime(2026, 11, 23, tzinfo=UTC),
        client="demo",
        service="s",
        hook="patient-view",
        hook_instance="h",
        patient_key="k",
        user_key=None,
        policy_version="v",
        service_version="v",
        language="en",
        data_state={},
        status="answered",
        error_code=None,
        duration_ms=1.0,
        timings={},
        predictions=(prediction,),
    )


def test_show_without_a_ledger_makes_none(tmp_path: Path) -> None:
    result = cds("models", "show", "endpac")
    assert result.exit_code == 0
    assert "not known; ledger: there is none yet" in result.stdout
    assert not (Path.cwd() / "var").exists()


def test_what_is_worked_out_from_other_inputs_is_found_though_nothing_was_sent(tmp_path: Path) -> None:
    path = tmp_path / "bundle.json"
    entries = [{"resource": r} for r in of("folfirinox-falling")]
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}), encoding="utf-8")
    told = cds("models", "run", "metastatic-os", "--patient", path, "--now", DAY).stdout
    (line,) = (row for row in told.splitlines() if re.search(r"SIRI.* 1\.581 10\*9/L", row))
    assert re.search(r"[│|] found +[│|]", line), line
