"""Against a real PACS: searching, one whole series in the stored syntax, and a server that dies or freezes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from ct_series import PATIENT, compressed, phantom, slices_of, stored
from orthanc import Orthanc
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from cds.imaging.dicomweb import DicomWeb
from cds.imaging.fetch import fetch_series
from cds.imaging.pacs import Limits, Pacs, Transient
from cds.imaging.reasons import Reason, Unusable
from cds.imaging.stacks import stacks
from cds.imaging.volume import build

pytestmark = pytest.mark.system
HU = phantom(12, 128, noise=15)
STUDY, SERIES = "1.2.826.0.1.3680043.10.1.1", "1.2.826.0.1.3680043.10.1.1.1"
LIMITS = Limits(connect_s=2.0, idle_s=10.0, total_s=60.0)


def pacs(orthanc: Orthanc, password: str | None = None) -> Pacs:
    return Pacs(orthanc.base, (orthanc.base,), user=orthanc.user, password=password or orthanc.password)


@pytest.fixture
def web(orthanc: Orthanc) -> Iterator[DicomWeb]:
    client = DicomWeb(pacs(orthanc), LIMITS)
    yield client
    client.close()


def send(orthanc: Orthanc, syntax: str = ExplicitVRLittleEndian, series: str = SERIES, **elements: str) -> None:
    made = slices_of(HU, study_uid=STUDY, series_uid=series, **elements)
    if syntax != ExplicitVRLittleEndian:
        made = [compressed(ds, syntax) for ds in made]
    orthanc.store(map(stored, made))


def test_studies_series_and_instances_are_found(orthanc: Orthanc, web: DicomWeb) -> None:
    send(orthanc)
    send(orthanc, series=SERIES + ".2", SeriesDescription="Arterial")
    (study,) = web.studies(PatientID=PATIENT, StudyDate="20260101-20261231")
    assert (study.uid, study.date, study.modalities) == (STUDY, "20260105", ("CT",))
    assert {(s.uid, s.modality, s.description, s.instances) for s in web.series(STUDY)} == {
        (SERIES, "CT", "Abdomen portal venous 3.0", 12),
        (SERIES + ".2", "CT", "Arterial", 12),
    }
    assert len(web.instances(STUDY, SERIES)) == 12
    assert web.studies(PatientID="NOBODY") == []


def test_pages_smaller_than_the_list_are_put_together(orthanc: Orthanc) -> None:
    send(orthanc)
    client = DicomWeb(pacs(orthanc), replace(LIMITS, page_rows=5))
    assert len({row.uid for row in client.instances(STUDY, SERIES)}) == 12
    client.close()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, JPEGLSLossless, JPEG2000Lossless, RLELossless])
def test_a_series_comes_back_bit_for_bit(syntax: str, orthanc: Orthanc, web: DicomWeb) -> None:
    send(orthanc, syntax)
    (row,) = web.series(STUDY)
    series = fetch_series(web, STUDY, SERIES, expected=row.instances)
    (stack,) = stacks(series.slices)
    assert np.array_equal(build(stack).hu, HU)
    assert series.about.description == "Abdomen portal venous 3.0"


def test_a_wrong_password_is_refused(orthanc: Orthanc) -> None:
    client = DicomWeb(pacs(orthanc, password="wrong"), LIMITS)
    with pytest.raises(Unusable) as raised:
        client.studies()
    assert raised.value.reason is Reason.PACS_REFUSED
    client.close()


def test_a_series_that_is_not_there_is_not_found(orthanc: Orthanc, web: DicomWeb) -> None:
    send(orthanc)
    with pytest.raises(Unusable) as raised:
        fetch_series(web, STUDY, SERIES + ".9")
    assert raised.value.reason is Reason.NOT_FOUND


def test_a_pacs_killed_in_the_middle_of_a_series_gives_no_half_series(orthanc: Orthanc, web: DicomWeb) -> None:
    large = phantom(40, 512, noise=5)
    made = slices_of(large, study_uid=STUDY, series_uid=SERIES)
    orthanc.store(map(stored, made))
    came = 0
    with pytest.raises(Transient), web.series_parts(STUDY, SERIES, web.connection.deadline()) as parts:
        for _ in parts:
            came += 1
            if came == 1:
                orthanc.kill()
    assert came < 40


def test_a_pacs_that_comes_back_is_asked_again(orthanc: Orthanc) -> None:
    send(orthanc)
    client = DicomWeb(pacs(orthanc), replace(LIMITS, attempts=8))
    orthanc.kill()
    later = threading.Timer(0.4, orthanc.start)
    later.start()
    series = fetch_series(client, STUDY, SERIES, expected=12)
    later.join()
    assert len(series.slices) == 12
    client.close()


def test_a_pacs_that_freezes_is_left_in_time(orthanc: Orthanc) -> None:
    send(orthanc)
    client = DicomWeb(pacs(orthanc), replace(LIMITS, idle_s=0.5))
    orthanc.freeze()
    with pytest.raises(Unusable) as raised:
        fetch_series(client, STUDY, SERIES)
    assert raised.value.reason is Reason.PACS_TIMEOUT
    client.close()
