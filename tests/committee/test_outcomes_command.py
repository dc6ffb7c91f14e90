"""``cds outcomes``: an EHR is asked what became of predicted patients, a registry's file is taken, and nobody is kept
who was never predicted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from command_line import cds, serving
from committee_room import CHARTER, NOW, Room, Said, WriteSettings, ago
from servers import FhirServer
from servers import status as answers_status

from cds.demo.fhir_endpoint import create_fhir_app
from cds.ledger.committee_tables import outcome_events, outcome_sweeps

pytestmark = pytest.mark.usefixtures("_elsewhere")

SNOMED, ICD = "http://snomed.info/sct", "http://hl7.org/fhir/sid/icd-10"


def condition(patient: str, code: tuple[str, str], on: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": f"c-{patient}-{code[1]}",
        "subject": {"reference": f"Patient/{patient}"},
        "code": {"coding": [{"system": code[0], "code": code[1]}]},
        "recordedDate": on,
        **more,
    }


def status(code: str) -> dict[str, Any]:
    system = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
    return {"verificationStatus": {"coding": [{"system": system, "code": code}]}}


RESOURCES: list[dict[str, Any]] = [
    {"resourceType": "Patient", "id": "ill"},
    {"resourceType": "Patient", "id": "dead", "deceasedDateTime": "2026-05-02T10:00:00Z"},
    {"resourceType": "Patient", "id": "stranger", "deceasedDateTime": "2026-05-03"},
    condition("ill", (ICD, "C25.9"), "2026-06-01"),
    condition("stranger", (ICD, "C25.0"), "2026-06-01"),
    condition("suspected", (SNOMED, "363418001"), "2026-06-02", **status("provisional")),
    condition("refuted", (SNOMED, "363418001"), "2026-06-02", **status("refuted")),
    condition("another", (ICD, "C25.4"), "2026-06-02"),
    {
        "resourceType": "Procedure",
        "id": "look",
        "status": "completed",
        "subject": {"reference": "Patient/well"},
        "code": {"coding": [{"system": "urn:cds:finding", "code": "eus-pancreas"}]},
        "performedDateTime": "2026-04-01",
    },
]
PREDICTED = ("ill", "dead", "well", "suspected", "refuted", "another")


@pytest.fixture(scope="module")
def hospital() -> Iterator[str]:
    with serving(create_fhir_app(RESOURCES)) as address:
        yield f"{address}/fhir"


def north(base: str) -> str:
    return (
        f'[clients.north]\nauthentication = "loopback"\nfhir_servers = ["{base}"]\n'
        f'[clients.north.studies]\nfhir_base = "{base}"\n'
    )


def kept(room: Room) -> list[tuple[str, str, str, str]]:
    """(patient, kind, outcome, day), of those predicted; a patient nobody predicted has no name here."""
    names = {room.key(patient): patient for patient in PREDICTED}
    rows = room.book.read(lambda c: c.execute(sa.select(outcome_events)).mappings().all())
    return sorted((names[r["patient_key"]], r["kind"], r["outcome"], r["day"].isoformat()) for r in rows)


def test_an_ehr_is_asked_and_only_predicted_patients_are_kept(
    room: Room, committee_settings: WriteSettings, hospital: str
) -> None:
    room.tell([Said(patient, ago(300), {"risk": 0.01}) for patient in PREDICTED])
    settings = committee_settings(north(hospital), CHARTER)
    result = cds("outcomes", "find", settings=settings)
    assert (result.exit_code, result.stderr) == (0, "")
    assert kept(room) == [
        ("dead", "event", "death", "2026-05-02"),
        ("ill", "event", "cancer", "2026-06-01"),
        ("well", "looked", "cancer", "2026-04-01"),
    ]
    assert "3 new events" in result.stdout
    again = cds("outcomes", "find", settings=settings)
    assert "0 new events" in again.stdout
    stored = room.book.read(lambda c: c.execute(sa.select(outcome_sweeps)).mappings().all())
    assert [row["outcomes"] for row in stored] == [["cancer", "death"]] * 2
    assert all(name not in json.dumps([dict(r) for r in stored], default=str) for name in ("stranger", 'ill"'))


def test_what_could_not_be_asked_is_said_and_silence_then_proves_nothing(
    room: Room, committee_settings: WriteSettings, fhir: FhirServer
) -> None:
    room.tell([Said("ill", ago(300), {"risk": 0.01})])
    fhir.on("*", answers_status(403))
    result = cds("outcomes", "find", settings=committee_settings(north(fhir.base), CHARTER))
    assert result.exit_code == 1
    assert "could not be asked: Condition: CDS-60" in result.stdout
    assert "nobody counts as free of: cancer, death" in result.stdout
    [stored] = room.book.read(lambda c: c.execute(sa.select(outcome_sweeps)).mappings().all())
    assert (stored["through"], stored["outcomes"]) == (None, [])


def test_before_the_first_call_there_is_nobody_to_ask_about(
    room: Room, committee_settings: WriteSettings, hospital: str
) -> None:
    result = cds("outcomes", "find", "--client", "north", settings=committee_settings(north(hospital), CHARTER))
    assert result.exit_code == 2
    assert "the ledger has no call yet" in result.stderr and "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "client", "told"),
    [
        (("find",), "", "no client has an address"),
        (("find", "--client", "south"), "north", "there is no client 'south' in the settings; there are: north"),
        (("find", "--since", "yesterday"), "north", "write a day as 2026-03-31"),
    ],
)
def test_what_can_t_be_asked_is_a_sentence(
    room: Room, committee_settings: WriteSettings, hospital: str, arguments: tuple[str, ...], client: str, told: str
) -> None:
    settings = committee_settings(north(hospital) if client else "", CHARTER)
    result = cds("outcomes", *arguments, settings=settings)
    assert result.exit_code == 2
    assert told in result.stderr and "Traceback" not in result.output


def registry(folder: Path, text: str) -> Path:
    path = folder / "registry.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_registry_s_file_is_taken_once(room: Room, committee_settings: WriteSettings, tmp_path: Path) -> None:
    room.tell([Said("ill", ago(300), {"risk": 0.01})])
    settings = committee_settings(north("https://fhir.example/r4"), CHARTER)
    through = (NOW - timedelta(days=1)).date()
    file = registry(tmp_path, "patient_id,outcome,date\nill,cancer,2026-06-01\nstranger,death,2026-06-01\n")
    arguments = ("outcomes", "import", file, "--client", "north", "--name", "national", "--person", "A. Bee")
    result = cds(*arguments, "--complete-through", through.isoformat(), settings=settings)
    assert result.exit_code == 0, result.output
    assert "2 lines of 2 patients; 1 of them have a call here" in result.stdout and "1 new events" in result.stdout
    assert "0 new events" in cds(*arguments, settings=settings).stdout
    [first, _] = room.book.read(
        lambda c: c.execute(sa.select(outcome_sweeps).order_by(outcome_sweeps.c.at)).mappings().all()
    )
    assert (first["name"], first["person"], first["through"]) == ("national", "A. Bee", through)


def test_a_file_of_unknown_patients_is_told_as_probably_wrong(
    room: Room, committee_settings: WriteSettings, tmp_path: Path
) -> None:
    settings = committee_settings(north("https://fhir.example/r4"), CHARTER)
    file = registry(tmp_path, "patient_id,outcome,date\nx,cancer,2026-06-01\n")
    result = cds("outcomes", "import", file, "--client", "north", settings=settings)
    assert result.exit_code == 0
    assert "None of the patients is known here" in result.stdout


def test_a_faulty_file_or_a_day_to_come_is_refused(
    room: Room, committee_settings: WriteSettings, tmp_path: Path
) -> None:
    settings = committee_settings(north("https://fhir.example/r4"), CHARTER)
    file = registry(tmp_path, "patient_id,outcome,date\nx,cancr,2026-06-01\n")
    result = cds("outcomes", "import", file, "--client", "north", settings=settings)
    assert result.exit_code == 2
    assert "CDS-771" in result.stderr and "did you mean 'cancer'?" in result.stderr
    good = registry(tmp_path, "patient_id,outcome,date\nx,cancer,2026-06-01\n")
    late = cds("outcomes", "import", good, "--client", "north", "--complete-through", "2099-01-01", settings=settings)
    assert late.exit_code == 2 and "lies in the future" in late.stderr


def test_few_patients_are_told_as_fewer_than_the_smallest_cell(
    room: Room, committee_settings: WriteSettings, tmp_path: Path
) -> None:
    patients = [f"p{n}" for n in range(7)]
    room.tell([Said(patient, ago(300), {"risk": 0.01}) for patient in patients])
    lines = "".join(f"{p},death,2026-06-0{n + 1}\n" for n, p in enumerate(patients))
    settings = committee_settings(north("https://fhir.example/r4"), CHARTER)
    assert "No outcome is known yet" in cds("outcomes", "status", settings=settings).stdout
    file = registry(tmp_path, f"patient_id,outcome,date\n{lines}p1,cancer,2026-05-05\n")
    assert cds("outcomes", "import", file, "--client", "north", settings=settings).exit_code == 0
    told = cds("outcomes", "status", settings=settings).stdout
    assert "event death: 7 patients, 2026-06-01 to 2026-06-07" in told
    assert "event cancer: fewer than 5 patients, - to -" in told
    found = json.loads(cds("outcomes", "status", "--json", settings=settings).stdout)
    assert {row["outcome"]: row["patients"] for row in found["events"]} == {"death": 7, "cancer": "fewer than 5"}
