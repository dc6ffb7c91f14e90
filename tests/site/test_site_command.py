"""``cds site check`` from a terminal: a line a finding, tables, JSON, a page, codes to review, and an exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from servers import FhirServer, gives, searchset
from service import Keys
from small_site import OBSERVATIONS, PATIENT, capability, settings_for

from cds.cli import main

LOCAL = {
    **OBSERVATIONS[0],
    "id": "local",
    "code": {"coding": [{"system": "urn:lab", "code": "BILT", "display": "Bilirubine totaal"}]},
    "valueQuantity": {"value": 31337, "unit": "umol/l"},
}


@pytest.fixture
def site(fhir: FhirServer, tmp_path: Path, client_keys: Keys) -> Path:
    """A settings file; the database is there."""
    fhir.on("metadata", gives(capability()))
    fhir.on("Patient", gives(PATIENT))
    fhir.on("Observation", gives(searchset([*OBSERVATIONS, LOCAL])))
    for kind in ("Condition", "MedicationRequest", "MedicationAdministration", "ServiceRequest", "ImagingStudy"):
        fhir.on(kind, gives(searchset([])))
    for kind in ("Procedure", "FamilyMemberHistory"):
        fhir.on(kind, gives(searchset([])))
    settings_for(tmp_path, fhir.base)
    (tmp_path / "keys.json").write_text(json.dumps(client_keys.public_set()), encoding="utf-8")
    (tmp_path / "site.toml").write_text(
        f'data_dir = "{tmp_path}/data"\nledger_key = "0123456789abcdef-of-the-site-tests"\n'
        f'[clients.ehr]\nissuer = "x"\njwks_file = "{tmp_path}/keys.json"\nfhir_servers = ["{fhir.base}"]\n',
        encoding="utf-8",
    )
    return tmp_path / "site.toml"


def check(settings: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        main, ["--settings", str(settings), "site", "check", *arguments], env={"COLUMNS": "200"}, prog_name="cds"
    )


def test_everything_is_written_where_it_was_asked_for(site: Path, tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("site.json", "site.html", "codes.json")}
    result = check(
        site, "--patient", "p1", "--json", str(files["site.json"]), "--page", str(files["site.html"]),
        "--concept-map", str(files["codes.json"]),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "good  models:" in result.stdout
    assert "What models will be able to say: ehr" in result.stdout
    outcome = json.loads(files["site.json"].read_text(encoding="utf-8"))
    assert outcome["good"] is True
    assert {row["verdict"] for row in outcome["findings"]} == {"good", "note"}
    assert "Is this site ready?" in files["site.html"].read_text(encoding="utf-8")
    [group] = json.loads(files["codes.json"].read_text(encoding="utf-8"))["group"]
    assert group["element"][0]["target"][0]["code"] == "1975-2"
    for text in (result.output, *(path.read_text(encoding="utf-8") for path in files.values())):
        assert "31337" not in text and "1960-01-01" not in text and "p1" not in text.replace(str(tmp_path), "")


def test_a_block_of_the_settings_is_named_in_its_brackets(site: Path) -> None:
    told = check(site, "--patient", "p1").stdout
    assert "without a [pacs.NAME] there is none to read" in " ".join(told.split())


def test_json_on_standard_output_is_nothing_but_json(site: Path) -> None:
    result = check(site, "--patient", "ehr:p1", "--json", "-")
    assert json.loads(result.stdout)["version"]
    assert "good  models:" in result.stderr


def test_a_fault_is_exit_code_1_and_a_wrong_patient_2(site: Path, fhir: FhirServer) -> None:
    fhir.on("metadata", gives({"resourceType": "CapabilityStatement", "fhirVersion": "3.0.2"}))
    assert check(site, "--patient", "p1").exit_code == 1
    wrong = check(site, "--patient", "nobody:p1")
    assert wrong.exit_code == 2
    assert "'nobody' is no client; there are ehr" in wrong.stderr
    assert "'CT of May' is no Study Instance UID" in check(site, "--study", "CT of May").stderr
