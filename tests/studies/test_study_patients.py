"""Whose a study is: an archive's news does not say, the EHR and the chart that is opened do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime

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
