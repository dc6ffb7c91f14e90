"""The embedded DICOMweb endpoint answers our own client as a real PACS does, on all that is asked of either."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import urllib3
from ct_series import PATIENT, phantom, slices_of, stored
from orthanc import BOUNDARY, Orthanc, multipart
from werkzeug.serving import make_server

from cds.demo.dicomweb_endpoint import Archive, create_dicomweb_app
from cds.imaging.dicomweb import DicomWeb
from cds.imaging.fetch import fetch_series
from cds.imaging.pacs import Limits, Pacs
from cds.imaging.reasons import Reason, Unusable
from cds.imaging.results.source import headers
from cds.imaging.stacks import stacks
from cds.imaging.volume import build

HU = phantom(12, 64, noise=15)
STUDY, SERIES = "1.2.826.0.1.3680043.10.1.7", "1.2.826.0.1.3680043.10.1.7.1"
RELATED = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'


@dataclass
class Server:
    base: str
    user: str | None = None
    password: str | None = None

    def __post_init__(self) -> None:
        pair = f"{self.user}:{self.password}" if self.user else None
        self.http = urllib3.PoolManager(headers=urllib3.make_headers(basic_auth=pair), retries=False)
        self.web = DicomWeb(Pacs(self.base, (self.base,), user=self.user, password=self.password), Limits(idle_s=20))

    def get(self, path: str, accept: str = "application/dicom+json") -> urllib3.BaseHTTPResponse:
        headers = {**self.http.headers, "Accept": accept}
        return self.http.request("GET", f"{self.base}{path}", headers=headers, timeout=20)

    def store(self, parts: list[bytes], path: str = "/studies") -> tuple[int, dict[str, Any]]:
        headers = {**self.http.headers, "Content-Type": RELATED, "Accept": "application/dicom+json"}
        answer = self.http.request("POST", f"{self.base}{path}", body=multipart(parts), headers=headers, timeout=60)
        return answer.status, answer.json()

    def close(self) -> None:
        self.web.close()
        self.http.clear()


@pytest.fixture
def embedded() -> Iterator[Server]:
    server = make_server("127.0.0.1", 0, create_dicomweb_app(Archive()), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    one = Server(f"http://127.0.0.1:{server.server_port}/dicom-web")
    yield one
    one.close()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=["embedded", pytest.param("orthanc", marks=pytest.mark.system)])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Every test that takes it says the same of both."""
    if request.param == "embedded":
        yield request.getfixturevalue("embedded")
        return
    pacs: Orthanc = request.getfixturevalue("orthanc")
    one = Server(pacs.base, pacs.user, pacs.password)
    yield one
    one.close()


def made(series: str = SERIES, **elements: Any) -> list[bytes]:
    return [stored(ds) for ds in slices_of(HU, study_uid=STUDY, series_uid=series, **elements)]


def values(sequence: dict[str, Any]) -> list[Any]:
    found: list[Any] = sequence.get("Value", [])
    return found


def test_what_was_stored_is_found_by_study_series_and_instance(server: Server) -> None:
    server.store(made() + made(SERIES + ".2", SeriesDescription="Arterial"))
    (study,) = server.web.studies(PatientID=PATIENT, StudyDate="20260101-20261231")
    assert (study.uid, study.date, study.accession, study.modalities) == (STUDY, "20260105", "A1", ("CT",))
    assert {(s.uid, s.modality, s.number, s.description, s.instances) for s in server.web.series(STUDY)} == {
        (SERIES, "CT", 2, "Abdomen portal venous 3.0", 12),
        (SERIES + ".2", "CT", 2, "Arterial", 12),
    }
    assert {(i.sop_class, i.number) for i in server.web.instances(STUDY, SERIES)} == {
        ("1.2.840.10008.5.1.4.1.1.2", n) for n in range(1, 13)
    }


@pytest.mark.parametrize(
    ("match", "count"),
    [
        ({"StudyInstanceUID": STUDY}, 1),
        ({"StudyInstanceUID": STUDY + ".9"}, 0),
        ({"ModalitiesInStudy": "CT"}, 1),
        ({"ModalitiesInStudy": "MR"}, 0),
        ({"PatientID": "NOBODY"}, 0),
        ({"StudyDate": "20260105"}, 1),
        ({"StudyDate": "20260106-"}, 0),
        ({"StudyDate": "-20260105"}, 1),
        ({"00100020": PATIENT}, 1),
    ],
)
def test_a_search_finds_what_matches_and_nothing_else(server: Server, match: dict[str, str], count: int) -> None:
    server.store(made()[:1])
    assert len(server.web.studies(**match)) == count


def test_a_search_gives_the_page_asked_for(server: Server) -> None:
    server.store(made())
    pages = [server.get(f"/studies/{STUDY}/series/{SERIES}/instances?limit=5&offset={n}").json() for n in (0, 5, 10)]
    assert [len(page) for page in pages] == [5, 5, 2]
    assert len({row["00080018"]["Value"][0] for page in pages for row in page}) == 12


def test_a_series_comes_back_bit_for_bit(server: Server) -> None:
    sent = made()
    server.store(sent)
    series = fetch_series(server.web, STUDY, SERIES, expected=12)
    (stack,) = stacks(series.slices)
    assert np.array_equal(build(stack).hu, HU)


def test_one_instance_comes_alone(server: Server) -> None:
    sent = made()
    server.store(sent)
    uid = server.web.instances(STUDY, SERIES)[3].uid
    answer = server.get(
        f"/studies/{STUDY}/series/{SERIES}/instances/{uid}", 'multipart/related; type="application/dicom"'
    )
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("multipart/related")
    assert answer.data.count(b"DICM") == 1
    assert uid.encode() in answer.data


def test_headers_come_without_pixels_and_as_they_were_stored(server: Server) -> None:
    server.store(made())
    found = headers(server.web, STUDY, SERIES)
    assert {str(ds.SOPInstanceUID) for ds in found} == {i.uid for i in server.web.instances(STUDY, SERIES)}
    first = min(found, key=lambda ds: int(ds.InstanceNumber))
    assert (str(first.PatientName), list(first.ImagePositionPatient)) == ("Generated^One", [-160.0, -170.0, -100.0])
    assert (first.Rows, float(first.RescaleIntercept)) == (64, -1024)
    assert "PixelData" not in first


def test_what_is_not_there_is_not_found(server: Server) -> None:
    server.store(made()[:1])
    with pytest.raises(Unusable) as raised:
        fetch_series(server.web, STUDY, SERIES + ".9")
    assert raised.value.reason is Reason.NOT_FOUND


def test_storing_answers_for_every_instance_with_an_empty_list_of_failures(server: Server) -> None:
    status, answer = server.store(made()[:3])
    assert status == 200
    assert len(values(answer["00081199"])) == 3
    assert values(answer["00081198"]) == []


def test_storing_twice_is_storing_once(server: Server) -> None:
    sent = made()
    server.store(sent)
    status, answer = server.store(sent)
    assert (status, len(values(answer["00081199"]))) == (200, 12)
    assert len(server.web.instances(STUDY, SERIES)) == 12


def test_an_instance_of_another_study_is_a_failure_and_not_kept(embedded: Server) -> None:
    status, answer = embedded.store(made()[:1], f"/studies/{STUDY}.9")
    assert status == 409
    (failure,) = values(answer["00081198"])
    assert failure["00081197"]["Value"] == [0xA900]
    assert embedded.web.studies() == []


def test_what_is_no_dicom_is_a_failure_beside_what_is(embedded: Server) -> None:
    status, answer = embedded.store([made()[0], b"not an image"])
    assert status == 202
    assert (len(values(answer["00081199"])), len(values(answer["00081198"]))) == (1, 1)
    assert len(embedded.web.instances(STUDY, SERIES)) == 1


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        ("/studies?NoSuchElement=1", "application/dicom+json", 400),
        ("/studies?PixelData=1", "application/dicom+json", 400),
        ("/studies?limit=all", "application/dicom+json", 400),
        (f"/studies/{STUDY}/series/{SERIES}", "image/png", 406),
        (f"/studies/{STUDY}/rendered", "image/png", 404),
    ],
)
def test_what_is_not_offered_is_refused(embedded: Server, path: str, accept: str, status: int) -> None:
    embedded.store(made()[:1])
    assert embedded.get(path, accept).status == status


def test_a_cut_off_body_stores_nothing(embedded: Server) -> None:
    headers = {"Content-Type": RELATED}
    body = multipart(made())[:-20]
    answer = embedded.http.request("POST", f"{embedded.base}/studies", body=body, headers=headers)
    assert answer.status == 400
    assert embedded.web.studies() == []
