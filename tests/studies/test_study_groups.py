"""Which scanner made the images, which language the patient speaks: from the call and the archive to the committee."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from command_line import cds
from committee_room import Room, Said
from study_calls import body, study
from study_house import Build, House
from study_scene import MODEL, Archive, ct, settings_of, write_toml

from cds.ids import new_id
from cds.ledger import tables
from cds.ledger.book import Book
from cds.ledger.committee_tables import outcome_events, outcome_sweeps
from cds.ledger.outcomes import OutcomeEvent, Sweep
from cds.replay import Replay

TURKISH = [
    {"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "nl"}]}},
    {"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "tr-TR"}], "text": "Turks"}, "preferred": True},
]
MADE_BY = {"Manufacturer": "Siemens ", "ManufacturerModelName": "SOMATOM  Force"}
CHARTER = f"""
name: test
author: a
approver: b
effective: 2026-01-01
outcomes:
  cancer: {{label: {{en: cancer}}, concepts: [pancreatic-cancer]}}
  death: {{label: {{en: death}}, death: true}}
models:
  {MODEL}: {{outcome: cancer, output: likelihood, horizon: 1m, threshold: 0.5}}
subgroups:
  scanner: {{label: {{en: scanner}}, source: study.scanner}}
  patient-language: {{label: {{en: "patient's language"}}, source: patient.language}}
"""


def call(house: House, **patient: Any) -> list[dict[str, Any]]:
    answer = house.app.test_client().post("/cds-services/pancreas-imaging", json=body(study(), **patient))
    house.engine.studies.settle()
    found: list[dict[str, Any]] = answer.get_json()["cards"]
    return found


def test_a_reading_keeps_what_made_the_images_and_the_language_its_patient_speaks_and_the_committee_tells_them_apart(
    build: Build, archive: Archive, tmp_path: Path
) -> None:
    archive.holds(instances=ct(**MADE_BY))
    house = build()
    call(house, communication=TURKISH)
    [asked] = house.rows(tables.calls)
    assert (asked["language"], asked["patient_language"]) == ("en", "tr")
    job = house.work()
    assert job is not None and job.state == "done"
    [reading] = house.predictions()
    assert reading["inputs"]["scanner"] == {"state": "found", "value": "SIEMENS SOMATOM FORCE"}
    [call_of_it] = [row for row in house.rows(tables.calls) if row["hook"] == "study-job"]
    assert call_of_it["patient_language"] == "tr"
    # and a card that rests on it has them by its prediction
    assert call(house, communication=TURKISH)
    assert [row["prediction_id"] for row in house.rows(tables.card_predictions)][-1] == reading["id"]
    # of which nothing is in what the card can be made again from, and it can
    assert house.engine.snapshots is not None
    last = house.rows(tables.calls)[-1]["id"]
    sealed = house.engine.ledger.snapshot(last)
    assert sealed is not None and house.engine.snapshots.open(last, sealed).record.language is None
    assert Replay(house.engine, house.engine.snapshots).of(last).same
    told = evaluated(house, tmp_path, archive, reading["inputs"])
    for about in ("scanner: SIEMENS SOMATOM FORCE", "scanner: OTHER MAKER 1", "patient-language: tr"):
        assert f"gap_sensitivity {about}: " in told
    [worse] = [line for line in told.splitlines() if "gap_auc scanner: OTHER MAKER 1: -" in line]
    assert worse.endswith("limit 0.15"), "its answers have nothing to do with the patient"
    assert "group_unknown scanner: 0.1 (95% interval 0.0785 to 0.127; n=600, events=60)" in told
    assert "patient-language: so" not in told, "two people speak it"
    assert "patient-language: other: can't be estimated: fewer than 5 people" in told


def evaluated(house: House, folder: Path, archive: Archive, seen: dict[str, Any]) -> str:
    """What `cds committee evaluate` says of 600 people read last year, of whom some were on a scanner that the network
    can't read; ``seen``: inputs of a reading on the other one."""
    random, now = np.random.default_rng(3), datetime.now(UTC)
    truth = random.normal(-1.0, 1.5, 600)
    event = random.random(600) < 1 / (1 + np.exp(-truth))
    elsewhere = np.arange(600) % 3 == 0
    said = np.where(elsewhere, random.permutation(truth), truth)
    made = [
        {**seen, "scanner": {"state": "found", "value": "OTHER MAKER 1"}} if elsewhere[i] else seen for i in range(600)
    ]
    print_ = house.engine.models[MODEL].manifest.fingerprint
    people = [
        Said(
            f"s{i}",
            now - timedelta(days=400, seconds=-i),
            {"likelihood": float(1 / (1 + np.exp(-said[i])))},
            made[i] if i % 10 else {"scan": seen["scan"]},
            sha256=print_,
            speaks="so" if i < 2 else "tr" if i % 2 else "nl",
        )
        for i in range(600)
    ]
    with Book(house.settings.ledger_url) as book:
        room = Room(house.settings.ledger_url, house.engine.ledger, book, folder)
        room.tell(people, MODEL, "1.0.0", "demo")
        day = (now - timedelta(days=390)).date()
        rows = [
            OutcomeEvent("demo", room.key(f"s{i}", "demo"), "event", "cancer", day, "fhir", None)
            for i in np.flatnonzero(event)
        ]
        book.put_all(outcome_events, [row.row("s", now) for row in rows])
        sweep = Sweep(new_id(), now, "demo", "fhir", "", None, ("cancer", "death"), None, now.date())
        book.put_all(outcome_sweeps, [sweep.row])
    (folder / "committee.yaml").write_text(CHARTER, encoding="utf-8")
    settings = settings_of(folder, archive, committee={"charter_file": folder / "committee.yaml"})
    toml = write_toml(folder / "evaluate.toml", settings)
    found = cds("committee", "evaluate", "--model", MODEL, "--all-findings", settings=toml)
    assert found.exit_code == 0, found.output
    return str(found.stdout)


def test_images_that_do_not_say_what_made_them_are_of_an_unknown_scanner(build: Build, archive: Archive) -> None:
    archive.holds(instances=ct(Manufacturer="", ManufacturerModelName="\n"))
    house = build()
    house.ask(why="hand")
    assert house.work() is not None
    [reading] = house.predictions()
    assert reading["inputs"]["scanner"] == {"state": "missing"}
