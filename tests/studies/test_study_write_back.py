"""Real servers: a scan from Orthanc, read, and its result back there as SEG and SR, and on an EHR as FHIR."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import pydicom
import pytest
from ct_series import phantom, slices_of
from orthanc import Orthanc
from servers import Exchange, FhirServer, fhir_server, gives, searchset, status
from service import Keys
from study_archive import SEG, SR, at_orthanc, objects, send
from study_house import NOW, Build, House
from study_scene import STUDY, Archive, ct

from cds.imaging.pacs import Connection
from cds.jobs import Progress
from cds.studies.view import analysis

pytestmark = pytest.mark.system


@pytest.fixture
def house(build: Build, orthanc: Orthanc) -> House:
    send(orthanc)
    return build(pacs=at_orthanc(orthanc), imaging={"write_pacs": True})


def test_a_scan_comes_from_the_archive_and_its_result_goes_back_there(build: Build, orthanc: Orthanc) -> None:
    send(orthanc)
    moments = [NOW]
    house = build(now=lambda: moments[-1], pacs=at_orthanc(orthanc), imaging={"write_pacs": True})
    house.ask(why="hand", day=date(2026, 1, 5))
    moments.append(NOW + timedelta(hours=5, minutes=7))
    job = house.work()
    assert job is not None and job.state == "done" and job.result is not None, job
    assert job.result["outcome"] == "assessed"
    made = objects(orthanc)
    assert job.result["written"]["pacs"]["objects"] == {
        "seg": made[SEG].SOPInstanceUID,
        "sr": made[SR].SOPInstanceUID,
    }
    assert made[SEG].SeriesDescription.startswith("TEST") and made[SR].SeriesDescription.startswith("TEST")
    assert {(ds.ContentDate, ds.ContentTime) for ds in made.values()} == {("20261123", "170700")}, "of the analysis"
    assert (made[SR].PreliminaryFlag, made[SR].VerificationFlag) == ("PRELIMINARY", "UNVERIFIED")


def test_the_outline_lies_in_millimetres_where_the_network_saw_it(house: House, orthanc: Orthanc) -> None:
    house.ask(why="hand", day=date(2026, 1, 5))
    job = house.work()
    assert job is not None and job.result is not None
    seg = objects(orthanc)[SEG]
    places = [frame.PlanePositionSequence[0].ImagePositionPatient for frame in seg.PerFrameFunctionalGroupsSequence]
    source = {tuple(round(float(v), 2) for v in ds.ImagePositionPatient) for ds in slices_of(phantom(30, 64))}
    assert {tuple(round(float(v), 2) for v in place) for place in places} <= source
    pixels = seg.pixel_array
    first = [n for n, frame in enumerate(seg.PerFrameFunctionalGroupsSequence) if _segment(frame) == 1]
    points = np.array(
        [
            [float(places[n][0]) + 5.0 * column, float(places[n][1]) + 5.0 * row, float(places[n][2])]
            for n in first
            for row, column in np.argwhere(pixels[n])
        ]
    )
    told = np.array(job.result["findings"]["lesions"][0]["position"])
    assert np.abs(points.mean(axis=0) - told).max() < 5.0


def _segment(frame: pydicom.Dataset) -> int:
    return int(frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber)


def test_an_attempt_repeated_after_writing_stores_nothing_twice(house: House, orthanc: Orthanc) -> None:
    house.ask(why="hand", day=date(2026, 1, 5))
    first = house.work()
    assert first is not None and first.result is not None
    # as after a SIGKILL between the write and the end of the job
    house.execute("UPDATE jobs SET state = 'queued', result = NULL, attempts = 0")
    house.execute("DELETE FROM predictions")
    house.execute("DELETE FROM calls")
    again = house.work()
    assert again is not None and again.result is not None
    assert again.result["written"]["pacs"]["objects"] == first.result["written"]["pacs"]["objects"]
    assert again.result["written"]["pacs"]["sent"] == 0
    assert len(objects(orthanc)) == 2


def test_a_later_scan_is_compared_with_the_earlier_one(house: House, orthanc: Orthanc) -> None:
    house.ask(why="hand", day=date(2026, 1, 5))
    assert house.work() is not None
    later = f"{STUDY}.7"
    send(orthanc, later, lift=60, StudyDate="20260405", AcquisitionDate="20260405")
    house.ask(later, why="hand", day=date(2026, 4, 5))
    job = house.work()
    assert job is not None and job.result is not None
    comparison = job.result["comparison"]
    assert comparison["since"] == "20260105"
    assert comparison["response"] in ("progression", "stable", "partial-response", "not-evaluable")
    before = {lesion["tracking_uid"] for lesion in house.jobs.newest()[1].result["findings"]["lesions"]}  # type: ignore[index]
    assert before & {lesion["tracking_uid"] for lesion in job.result["findings"]["lesions"]}
    told = analysis(job)["result"]
    assert told["comparison"]["since"] == "20260105" and told["comparison"]["changes"]
    measured = json.dumps([told["measures"], told["comparison"]])
    assert STUDY not in measured and "2.25." not in measured, "where the images lie stays here"


def test_a_network_not_for_clinical_use_writes_nothing_outside_a_demonstration(
    build: Build, orthanc: Orthanc, client_keys: Keys
) -> None:
    send(orthanc)
    client = {"authentication": "jwt", "issuer": "https://ehr.example", "jwks": client_keys.public_set()}
    house = build(
        environment="production",
        ledger_key="0123456789abcdef-imaging-tests-x",
        client=client,
        pacs=at_orthanc(orthanc),
        imaging={"write_pacs": True},
    )
    house.ask(why="hand")
    job = house.work()
    assert job is not None and job.result is not None
    assert job.result["written"] == {"pacs": {"reason": "not-for-clinical-use"}}
    assert objects(orthanc) == {}


class Record:
    """An EHR that keeps the transactions it is sent."""

    def __init__(self, server: FhirServer, patient: str = "p1", **study_says: Any) -> None:
        self.sent: list[dict[str, Any]] = []
        study = {
            "resourceType": "ImagingStudy",
            "id": "s1",
            "status": "available",
            "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{STUDY}"}],
            "subject": {"reference": f"Patient/{patient}"},
            **study_says,
        }
        server.on("ImagingStudy", gives(searchset([study])))
        server.on("", self.take)

    def take(self, exchange: Exchange) -> None:
        bundle = json.loads(exchange.hit.body)
        self.sent.append(bundle)
        entries = [{"response": {"status": "201", "location": f"Any/{n}"}} for n, _ in enumerate(bundle["entry"])]
        answer = {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}
        exchange.answer(json.dumps(answer).encode())


@pytest.fixture
def ehr() -> Iterator[FhirServer]:
    with fhir_server() as server:
        yield server


def writing_to(build: Build, archive: Archive, ehr: FhirServer) -> House:
    archive.holds()
    client = {"fhir_servers": (ehr.base,), "studies": {"fhir_base": ehr.base}}
    return build(client=client, imaging={"write_fhir": True, "most_attempts": 1})


def test_the_result_is_a_preliminary_report_of_the_patient_whose_study_it_is(
    build: Build, archive: Archive, ehr: FhirServer
) -> None:
    record, house = Record(ehr), writing_to(build, archive, ehr)
    house.ask(why="hand")
    job = house.work()
    assert job is not None and job.result is not None
    [bundle] = record.sent
    assert job.result["written"] == {"fhir": {"resources": len(bundle["entry"])}}
    [report] = [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "DiagnosticReport"]
    assert (report["status"], report["subject"]["reference"]) == ("preliminary", "Patient/p1")
    assert all(any(t["code"] == "HTEST" for t in e["resource"]["meta"]["tag"]) for e in bundle["entry"])


@pytest.mark.parametrize(
    ("orders", "named"),
    [
        pytest.param(["CarePlan/4", "ServiceRequest/3/_history/2", "ServiceRequest/5"], "ServiceRequest/3", id="first"),
        pytest.param(["{base}/ServiceRequest/3"], "ServiceRequest/3", id="in full"),
        pytest.param(["https://elsewhere.example/fhir/ServiceRequest/3", "#contained"], None, id="elsewhere"),
        pytest.param([], None, id="none"),
    ],
)
def test_the_report_names_the_order_that_the_ehr_says_the_scan_was_made_for(
    build: Build, archive: Archive, ehr: FhirServer, orders: list[str], named: str | None
) -> None:
    record = Record(ehr, basedOn=[{"reference": order.replace("{base}", ehr.base)} for order in orders])
    house = writing_to(build, archive, ehr)
    house.ask(why="hand")
    assert house.work() is not None
    [report] = [e["resource"] for e in record.sent[0]["entry"] if e["resource"]["resourceType"] == "DiagnosticReport"]
    assert report.get("basedOn") == (None if named is None else [{"reference": named}])


def times_in(bundle: dict[str, Any]) -> set[datetime]:
    """When the report was issued and its provenance recorded."""
    found = (entry["resource"] for entry in bundle["entry"])
    said = [
        r.get("issued") or r.get("recorded") for r in found if r["resourceType"] in ("DiagnosticReport", "Provenance")
    ]
    assert len(said) == 2
    return {datetime.fromisoformat(one) for one in said}


def test_a_report_has_the_time_its_analysis_ended_whenever_it_is_written(
    build: Build, archive: Archive, ehr: FhirServer
) -> None:
    archive.holds()
    moments = [NOW]
    client = {"fhir_servers": (ehr.base,), "studies": {"fhir_base": ehr.base}}
    house = build(now=lambda: moments[-1], client=client, imaging={"write_fhir": True, "most_attempts": 2})
    house.ask(why="notification")
    analysed = NOW + timedelta(hours=2)
    moments.append(analysed)
    ehr.on("ImagingStudy", status(500))
    job = house.work()
    assert job is not None and (job.state, job.reason) == ("queued", "write-record-failed")
    record = Record(ehr)
    moments.append(NOW + timedelta(hours=3))
    job = house.work()
    assert job is not None and job.state == "done" and job.result is not None
    [bundle] = record.sent
    assert times_in(bundle) == {analysed}
    assert job.result["analysed"] == analysed.isoformat()
    archive.studies[STUDY][f"{STUDY}.2"] = ct(series=f"{STUDY}.2")
    house.ask(why="notification", images=60)
    moments.append(NOW + timedelta(hours=9))
    job = house.work()
    assert job is not None and job.state == "done", job
    assert times_in(record.sent[-1]) == {moments[-1]}


def test_a_worker_that_writes_back_is_heard_between_all_that_it_asks_of_others(
    build: Build, orthanc: Orthanc, ehr: FhirServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive may take its `total_s` over each; over all of them a worker would be silent for too long."""
    heard: list[str] = []
    asked = Connection._exchange

    class Heard(Progress):
        def __call__(self, stage: str, fraction: float) -> None:
            heard.append(stage)
            super().__call__(stage, fraction)

    def noted(connection: Connection, method: str, url: str, *rest: Any) -> Any:
        heard.append(f"{method} {url.partition('?')[0]}")
        return asked(connection, method, url, *rest)

    monkeypatch.setattr("cds.jobs.worker.Progress", Heard)
    monkeypatch.setattr(Connection, "_exchange", noted)
    send(orthanc)
    record = Record(ehr)
    house = build(
        pacs=at_orthanc(orthanc),
        client={"fhir_servers": (ehr.base,), "studies": {"fhir_base": ehr.base}},
        imaging={"write_pacs": True, "write_fhir": True},
    )
    house.ask(why="hand", day=date(2026, 1, 5))
    job = house.work()
    assert job is not None and job.state == "done" and len(record.sent) == 1, job
    # the pages of one search are asked for one after the other
    steps = [step for step, _ in groupby(heard[heard.index("write") :])]
    assert len([step for step in steps if step.startswith("POST ")]) == 3
    assert [pair for pair in pairwise(steps) if all(" " in step for step in pair)] == []


@pytest.mark.parametrize("patient", ["p2", "p1/_history/2"])
def test_a_study_that_the_ehr_knows_as_another_patients_is_written_to_that_ones_record(
    build: Build, archive: Archive, ehr: FhirServer, patient: str
) -> None:
    record, house = Record(ehr, patient), writing_to(build, archive, ehr)
    house.ask(why="hand", patient="p1" if patient == "p2" else "p3")
    job = house.work()
    assert job is not None and job.result is not None
    whose = patient.partition("/")[0]
    assert job.subject == house.engine.ledger.patient_key(job.payload["client"], whose)
    [report] = [e["resource"] for e in record.sent[0]["entry"] if e["resource"]["resourceType"] == "DiagnosticReport"]
    assert report["subject"] == {"reference": f"Patient/{whose}"}


def test_an_ehr_without_the_study_is_written_nothing_and_the_result_is_kept(
    build: Build, archive: Archive, ehr: FhirServer
) -> None:
    house = writing_to(build, archive, ehr)
    ehr.on("ImagingStudy", gives(searchset([])))
    house.ask(why="hand")
    job = house.work()
    assert job is not None and job.result is not None
    assert (job.state, job.result["written"]) == ("done", {"fhir": {"reason": "record-refused"}})
    assert len(house.predictions()) == 1
