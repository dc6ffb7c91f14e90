"""``cds replay``: what was said then, made again, and what has changed since."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import cds
from flask import Flask
from ledger_reading import rows
from service import FHIR, MakeApp, StoryCalls, loopback, prefetcher

import models
from cds.cli.ledger import handover
from cds.ledger import tables
from cds.ledger.spool import Spool
from cds.snapshot import readable
from cds.trust.smart.secrets import to_text


@pytest.fixture(scope="module")
def app(make_app: MakeApp) -> Flask:
    return make_app(**loopback())


@pytest.fixture(scope="module")
def call(app: Flask) -> str:
    assert StoryCalls(app.test_client(), prefetcher(app))("new-diabetes").status_code == 200
    return str(rows(app, tables.calls)[-1]["id"])


@pytest.fixture
def settings(app: Flask, tmp_path: Path) -> Path:
    given = app.extensions["cds"].settings
    path = tmp_path / "cds.toml"
    path.write_text(
        f'data_dir = "{given.data_dir}"\nconcept_map = "{given.concept_map}"\nenvironment = "demo"\n'
        f'public_url = "{given.public_url}"\n[clients.demo]\nauthentication = "loopback"\nfhir_servers = ["{FHIR}"]\n',
        encoding="utf-8",
    )
    return path


def test_a_past_card_comes_out_the_same(settings: Path, call: str) -> None:
    result = cds("replay", call, "--show", settings=settings)
    assert result.exit_code == 0, result.output
    assert "the same to the letter" in result.stdout and "the same to the bit" in result.stdout
    assert "Everything is as it was." in result.stdout and "Weight loss and new-onset diabetes" in result.stdout


def test_an_archived_model_stands_in_for_the_installed_one_and_is_named_as_another(
    settings: Path, call: str, tmp_path: Path
) -> None:
    folder = tmp_path / "archive" / "qcancer-2013-pancreas"
    shutil.copytree(Path(models.__file__).parent / "qcancer-2013-pancreas", folder)
    manifest = folder / "model.yaml"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("version: ", "# of another day\nversion: ", 1))
    found = json.loads(cds("replay", call, "--models", folder.parent, "--json", settings=settings).stdout)
    [changed] = [part for part in found["parts"] if not part["same"]]
    assert changed["name"].startswith("model qcancer-2013-pancreas")
    assert found["same"]  # the words on it are the same


def test_where_nothing_more_is_kept_a_call_that_was_kept_names_no_part_that_has_not_changed(
    settings: Path, call: str
) -> None:
    """The program is the services' packages, too, whether or not calls are kept from now on."""
    with settings.open("a") as more:
        more.write("[committee]\nkeep_snapshots = false\n")
    found = json.loads(cds("replay", call, "--json", settings=settings).stdout)
    assert found["same"] and [part["name"] for part in found["parts"] if not part["same"]] == []


def test_a_call_nobody_knows_is_a_sentence(settings: Path) -> None:
    result = cds("replay", "0190", settings=settings)
    assert result.exit_code == 2
    assert "CDS-775" in result.stderr and "no such call" in result.stderr and "Traceback" not in result.output


def test_what_a_card_was_made_from_is_handed_over_in_a_form_that_can_be_read(
    app: Flask, settings: Path, call: str, tmp_path: Path
) -> None:
    """To the person it is of, from the database and from the spool."""
    ledger = app.extensions["cds"].ledger
    stored, sealed = ledger.call(call), ledger.snapshot(call)
    Spool(Path(app.extensions["cds"].settings.data_dir) / "spool").put([replace(stored, snapshot=to_text(sealed))])
    result = cds("ledger", "export", tmp_path / "mine.json", "--patient", "new-diabetes", settings=settings)
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "mine.json").read_text(encoding="utf-8"))
    [row] = found["rows"]["call_snapshots"]
    assert row["call_id"] == call
    facts = [fact for found in row["made_from"]["record"]["facts"].values() for fact in found]
    assert any(fact["value"] and fact["unit"] and fact["source"].startswith("Observation/") for fact in facts)
    assert row["made_from"]["states"]["patient"]["state"] == "sent"
    [waiting] = found["spool"]
    assert waiting["entry"]["made_from"] == row["made_from"] and "snapshot" not in waiting["entry"]
    assert "sealed" not in json.dumps(found)


def test_a_snapshot_that_the_key_does_not_open_is_said_to_be_there(app: Flask, call: str) -> None:
    sealed = app.extensions["cds"].ledger.snapshot(call)
    row = handover.row("call_snapshots", {"call_id": call, "sealed": sealed}, readable(b"k" * 40))
    assert row["made_from"] == f"({len(sealed)} bytes that the ledger's key does not open)"
