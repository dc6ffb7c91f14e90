"""Whose a study is: an archive's news does not say, the EHR and the chart that is opened do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from servers import Exchange, FhirServer, fhir_server, searchset, status
from study_calls import body, study
from study_house import Build, House
from study_scene import STUDY, Archive, ct

from cds.ledger import tables
from cds.studies.poll import Poller

EARLIER = f"{STUDY[:-1]}0"


@pytest.fixture
def ehr() -> Iterator[FhirServer]:
    with fhir_server() as server:
        yield server


@pytest.fixture
def polling(build: Build, archive: Archive, ehr: FhirServer) -> House:
    """Two scans of one patient have come; the archive told of both, and names nobody."""
    archive.holds(EARLIER, ct(EARLIER), t00080020="20260105")
    archive.holds()
    client = {"fhir_servers": (ehr.base,), "studies": {"fhir_base": ehr.base}}
    house = build(pacs={"poll": True}, client=client)
    Poller(house.settings, house.intake, lambda: datetime(2026, 11, 23, 12, tzinfo=UTC)).once()
    assert [job.subject for job in house.jobs.newest()] == [None, None]
    return house


def knows(exchange: Exchange) -> None:
    """Both are p1's."""
    [asked] = exchange.hit.query["identifier"]
    found = searchset([study(asked.rpartition(":")[2], patient="p1")])
    exchange.answer(json.dumps(found).encode())


def test_a_scan_the_archive_told_of_is_compared_with_the_patients_earlier_one(polling: House, ehr: FhirServer) -> None:
    ehr.on("ImagingStudy", knows)
    polling.work(), polling.work()
    later, earlier = polling.jobs.newest()
    assert earlier.result is not None and later.result is not None
    assert (earlier.payload["study"], later.payload["study"]) == (EARLIER, STUDY)
    assert "comparison" not in earlier.result
    assert later.result["comparison"]["since"] == "20260105"
    key = polling.engine.ledger.patient_key("demo", "p1")
    assert {job.subject for job in (later, earlier)} == {key}
    stored = [row["patient_key"] for row in polling.rows(tables.calls) if row["hook"] == "study-job"]
    assert stored == [key, key]


def test_an_ehr_that_can_not_say_whose_a_scan_is_does_not_cost_the_reading(polling: House, ehr: FhirServer) -> None:
    ehr.on("ImagingStudy", status(500))
    job = polling.work()
    assert job is not None
    done = [job for job in polling.jobs.newest() if job.state == "done"]
    assert [(job.subject, (job.result or {})["outcome"]) for job in done] == [(None, "assessed")]


def test_a_chart_that_is_opened_says_whose_a_scan_is_that_came_without_its_patient(
    build: Build, archive: Archive
) -> None:
    archive.holds()
    house = build()
    house.ask(why="poll", patient=None, day=date(2026, 11, 20))
    assert house.jobs.newest()[0].subject is None
    answer = house.app.test_client().post("/cds-services/pancreas-imaging", json=body(study()))
    assert answer.status_code == 200
    house.engine.studies.settle()
    [job] = house.jobs.newest()
    assert job.subject == house.engine.ledger.patient_key("demo", "p1")
    house.app.test_client().post("/cds-services/pancreas-imaging", json=body(study(patient="p2")))
    house.engine.studies.settle()
    assert house.jobs.newest()[0].subject == job.subject


def chart(house: House, patient: str, *studies: Any) -> str:
    """What the chart of this patient says of its scans."""
    told = json.dumps(body(*studies)).replace('"p1"', f'"{patient}"').replace("Patient/p1", f"Patient/{patient}")
    answer = house.app.test_client().post("/cds-services/pancreas-imaging", json=json.loads(told))
    assert answer.status_code == 200
    house.engine.studies.settle()
    return json.dumps(answer.get_json()["cards"])


def owners(house: House) -> dict[str, str]:
    key = house.engine.ledger.patient_key
    names = {key("demo", name): name for name in ("p1", "p2")}
    return {job.payload["study"]: names[job.subject] for job in house.jobs.newest() if job.subject}


def test_a_study_that_is_moved_to_another_patient_leaves_the_first_ones_chart(polling: House, ehr: FhirServer) -> None:
    ehr.on("ImagingStudy", knows)
    polling.work(), polling.work()
    before = chart(polling, "p1", study(EARLIER), study())
    assert "20 Nov 2026" in before and "5 Jan 2026" in before
    moved = chart(polling, "p2", study(patient="p2"))
    assert "suspicion high" in moved
    assert owners(polling) == {EARLIER: "p1", STUDY: "p2"}
    with_theirs, without = (chart(polling, name) for name in ("p2", "p1"))
    assert "20 Nov 2026" in with_theirs and "20 Nov 2026" not in without
    assert "5 Jan 2026" not in moved + with_theirs, "compared with a scan of the first"


def test_a_study_that_was_moved_before_it_is_read_is_compared_with_its_new_patients(
    polling: House, ehr: FhirServer
) -> None:
    polling.jobs.belong([job.item for job in polling.jobs.newest() if job.item], "somebody-else")
    ehr.on("ImagingStudy", knows)
    polling.work(), polling.work()
    assert owners(polling) == {EARLIER: "p1", STUDY: "p1"}


def test_a_study_that_the_ehr_has_for_two_patients_is_read_for_nobody(polling: House, ehr: FhirServer) -> None:
    def both(exchange: Exchange) -> None:
        uid = exchange.hit.query["identifier"][0].rpartition(":")[2]
        exchange.answer(json.dumps(searchset([study(uid, patient="p1"), study(uid, patient="p2")])).encode())

    ehr.on("ImagingStudy", both)
    polling.work(), polling.work()
    assert {(job.state, job.reason) for job in polling.jobs.newest()} == {("dead", "several-patients")}
    assert polling.predictions() == []
