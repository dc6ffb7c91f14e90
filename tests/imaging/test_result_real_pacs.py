"""The whole way back with a real PACS: fetched, outlined, stored, read back by readers who had no part in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.policy import HTTP
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
import urllib3
from ct_findings import AT, AUTHOR, DEMO, LESION, Scan, bundle, feet_first_prone, leaning, places, scan, turned, upright
from ct_series import stored
from dicom_checks import complaints
from dicom_standard import faults
from orthanc import Orthanc
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO

from cds.imaging.dicomweb import DicomWeb
from cds.imaging.fetch import fetch_series
from cds.imaging.pacs import Limits, Pacs, Transient
from cds.imaging.results.geometry import segments
from cds.imaging.results.measure import measured
from cds.imaging.results.seg import segmentation
from cds.imaging.results.source import headers, source
from cds.imaging.results.sr import report
from cds.imaging.results.store import store
from cds.imaging.stacks import stacks
from cds.imaging.volume import build

pytestmark = pytest.mark.system
LIMITS = Limits(connect_s=2.0, idle_s=10.0, total_s=60.0, attempts=2)


@pytest.fixture
def web(orthanc: Orthanc) -> Iterator[DicomWeb]:
    client = DicomWeb(Pacs(orthanc.base, (orthanc.base,), user=orthanc.user, password=orthanc.password), LIMITS)
    yield client
    client.close()


def objects_of(web: DicomWeb, one: Scan, *, label_map: bool = False) -> list[Dataset]:
    """As a worker does it: the volume from the archive, the headers from the archive."""
    series = fetch_series(web, one.study_uid, one.series_uid, expected=len(one.datasets))
    volume = build(stacks(series.slices)[0])
    assert np.allclose(volume.affine, one.volume.affine)
    legend, frames = bundle().legend, volume.frames
    labelled = segments(one.assessed, volume, legend)
    findings = measured(one.assessed, volume, bundle(), AUTHOR, study_uid=one.study_uid, series_uid=one.series_uid)
    own = source(headers(web, one.study_uid, one.series_uid), frames, one.study_uid, one.series_uid)
    seg = segmentation(labelled, findings, own, frames, legend, AUTHOR, DEMO, AT, label_map=label_map)
    assert seg is not None
    return [seg, report(findings, labelled, seg, own, frames, legend, AUTHOR, DEMO, AT)]


def fetched(orthanc: Orthanc, ds: Dataset) -> bytes:
    """One instance as the archive has it now, by a client of its own."""
    path = f"/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}"
    answer = urllib3.request(
        "GET",
        orthanc.base + path,
        headers={
            "Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*',
            **urllib3.make_headers(basic_auth=f"{orthanc.user}:{orthanc.password}"),
        },
    )
    kind = answer.headers["Content-Type"].encode()
    (part,) = message_from_bytes(b"Content-Type: " + kind + b"\r\n\r\n" + answer.data, policy=HTTP).iter_parts()
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content


@pytest.mark.parametrize("series", [upright, turned, leaning, feet_first_prone])
def test_what_comes_back_is_valid_and_lies_on_the_lesion(
    series: Callable[[], list[Dataset]], orthanc: Orthanc, web: DicomWeb, tmp_path: Path
) -> None:
    one = scan(datasets=series())
    orthanc.store(one.files)
    made = objects_of(web, one)
    assert store(web, DEMO, made).sent == 2
    back = [fetched(orthanc, ds) for ds in made]
    assert [fault for content in back for fault in (*complaints(content, tmp_path), *faults(content, tmp_path))] == []
    seg = hd.seg.Segmentation.from_dataset(dcmread(DicomBytesIO(back[0])))
    last = max(seg.segment_numbers)
    own = []
    for item, layer in zip(seg.PerFrameFunctionalGroupsSequence, seg.pixel_array, strict=True):
        if item.SegmentIdentificationSequence[0].ReferencedSegmentNumber == last:
            image = item.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
            own.append(places(next(ds for ds in one.datasets if ds.SOPInstanceUID == image))[layer > 0])
    assert np.linalg.norm(np.concatenate(own).mean(axis=0) - LESION) < 0.5
    assert hd.sr.srread(DicomBytesIO(back[1])).content.get_volumetric_roi_measurement_groups()


def test_large_values_in_a_makers_own_sequence_are_left_where_they_are(orthanc: Orthanc, web: DicomWeb) -> None:
    one = scan()
    for ds in one.datasets:
        item = Dataset()
        item.private_block(0x0029, "MAKER", create=True).add_new(0x44, "OB", bytes(4096))
        ds.private_block(0x0029, "MAKER", create=True).add_new(0x40, "SQ", [item])
    orthanc.store(stored(ds) for ds in one.datasets)
    assert len(headers(web, one.study_uid, one.series_uid)) == len(one.datasets)


def test_a_study_has_each_result_once_however_often_it_is_written(orthanc: Orthanc, web: DicomWeb) -> None:
    one = scan()
    orthanc.store(one.files)
    for expected in (2, 0, 0):
        # made anew each time, as after a crash
        assert store(web, DEMO, objects_of(web, one)).sent == expected
    found = {row.modality: row.instances for row in web.series(one.study_uid)}
    assert found == {"CT": len(one.datasets), "SEG": 1, "SR": 1}


def test_a_label_map_is_taken_too(orthanc: Orthanc, web: DicomWeb) -> None:
    one = scan()
    orthanc.store(one.files)
    made = objects_of(web, one, label_map=True)
    assert store(web, DEMO, made).sent == 2
    assert dcmread(DicomBytesIO(fetched(orthanc, made[0]))).SegmentationType == "LABELMAP"


def test_an_archive_killed_between_the_two_has_both_in_the_end(orthanc: Orthanc, web: DicomWeb) -> None:
    one = scan()
    orthanc.store(one.files)
    made = objects_of(web, one)
    store(web, DEMO, made[:1])
    orthanc.kill()
    with pytest.raises(Transient):
        store(web, DEMO, made)
    orthanc.start()
    # a killed Orthanc answers before it has read its index back
    deadline = time.monotonic() + 10
    while not web.series(one.study_uid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert store(web, DEMO, made).sent == 1
    assert {row.modality for row in web.series(one.study_uid)} == {"CT", "SEG", "SR"}
