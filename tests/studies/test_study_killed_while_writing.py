"""A worker killed while its result goes back to a real archive and a real EHR: it is there once, whoever ends it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from orthanc import Orthanc
from sekmet_house import load, sekmet
from study_archive import SEG, SR, at_orthanc, objects, send
from study_scene import STUDY
from study_site import Open, until

pytestmark = pytest.mark.system
KINDS = ("DiagnosticReport", "Observation", "Provenance", "Device")


@pytest.fixture
def record(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An EHR that has the study, and whose it is."""
    study = {
        "status": "available",
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{STUDY}"}],
        "subject": {"reference": "Patient/p1"},
    }
    entries = [put("Patient", "p1", name=[{"family": "Generated"}]), put("ImagingStudy", "s1", **study)]
    with sekmet(tmp_path_factory.mktemp("sekmet")) as base:
        load(base, [{"resourceType": "Bundle", "type": "transaction", "entry": entries}])
        yield base


def put(kind: str, id: str, **content: Any) -> dict[str, Any]:
    return {
        "resource": {"resourceType": kind, "id": id, **content},
        "request": {"method": "PUT", "url": f"{kind}/{id}"},
    }


def kept(record: str) -> dict[str, list[dict[str, Any]]]:
    """All that workers wrote."""
    found = {}
    for kind in KINDS:
        answer = requests.get(f"{record}/{kind}", params={"_count": "100"}, timeout=20).json()
        found[kind] = [entry["resource"] for entry in answer.get("entry", [])]
    return found


def test_workers_killed_between_the_writes_leave_each_result_once(site: Open, orthanc: Orthanc, record: str) -> None:
    """One after the other: after the outline, after the report and before the EHR, after the EHR and before the end."""
    send(orthanc)
    here = site(
        pacs=at_orthanc(orthanc),
        client={"fhir_servers": [record], "studies": {"fhir_base": record}},
        imaging={"write_pacs": True, "write_fhir": True},
    )
    job = here.ask()
    for number, (stage, in_archive, in_ehr) in enumerate(
        (("SEG", {SEG}, 0), ("SR", {SEG, SR}, 0), ("store", {SEG, SR}, 1))
    ):
        worker = here.start(stage)
        until(lambda number=number: len(here.said("halted")) > number)
        os.kill(worker.pid, signal.SIGKILL)
        assert (set(objects(orthanc)), len(kept(record)["DiagnosticReport"])) == (in_archive, in_ehr)
    here.start()
    ended = here.done(job)
    assert (ended.attempts, here.stored()) == (4, 1)
    assert ended.result is not None
    written = ended.result["written"]
    made = {kind: str(ds.SOPInstanceUID) for kind, ds in objects(orthanc).items()}
    assert made == {SEG: written["pacs"]["objects"]["seg"], SR: written["pacs"]["objects"]["sr"]}
    found = kept(record)
    [report] = found["DiagnosticReport"]
    observations = sorted(f"Observation/{resource['id']}" for resource in found["Observation"])
    assert observations and sorted(reference["reference"] for reference in report["result"]) == observations
    assert (len(found["Provenance"]), len(found["Device"])) == (1, 1)
    assert sum(map(len, found.values())) == written["fhir"]["resources"]
