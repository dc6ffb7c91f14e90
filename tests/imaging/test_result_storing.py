"""Results into a PACS that fails in every way it can: a reason code each, and a retry that doubles nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ct_findings import AT, AUTHOR, DEMO, bundle, scan
from pydicom.dataset import Dataset
from small_pacs import SmallPacs, small_pacs

from cds.imaging.dicomweb import DicomWeb
from cds.imaging.pacs import Limits, Pacs, Transient
from cds.imaging.reasons import Reason, Unusable
from cds.imaging.results import store as storing
from cds.imaging.results.geometry import segments
from cds.imaging.results.measure import measured
from cds.imaging.results.seg import segmentation
from cds.imaging.results.source import source
from cds.imaging.results.sr import report
from cds.imaging.results.store import store

LIMITS = Limits(connect_s=1.0, idle_s=2.0, total_s=10.0, attempts=2)


@pytest.fixture(scope="module")
def objects() -> list[Dataset]:
    """SEG and SR of one scan, in the order in which they are stored."""
    one, legend = scan(), bundle().legend
    frames = one.volume.frames
    labelled = segments(one.assessed, one.volume, legend)
    findings = measured(one.assessed, one.volume, bundle(), AUTHOR, study_uid=one.study_uid, series_uid=one.series_uid)
    headers = source(one.datasets, frames, one.study_uid, one.series_uid)
    seg = segmentation(labelled, findings, headers, frames, legend, AUTHOR, DEMO, AT)
    assert seg is not None
    return [seg, report(findings, labelled, seg, headers, frames, legend, AUTHOR, DEMO, AT)]


@pytest.fixture(autouse=True)
def short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "_LOOKS", (0.0, 0.05))


@pytest.fixture
def pacs() -> Iterator[SmallPacs]:
    with small_pacs() as running:
        yield running


@pytest.fixture
def web(pacs: SmallPacs) -> Iterator[DicomWeb]:
    client = DicomWeb(Pacs(pacs.base, (pacs.base,)), LIMITS)
    yield client
    client.close()


def uids(objects: list[Dataset]) -> list[str]:
    return [str(ds.SOPInstanceUID) for ds in objects]


def test_both_are_stored_the_segmentation_first(pacs: SmallPacs, web: DicomWeb, objects: list[Dataset]) -> None:
    done = store(web, DEMO, objects)
    assert (list(done.uids), done.sent) == (uids(objects), 2)
    assert pacs.posts == uids(objects)


def test_a_retry_sends_nothing(pacs: SmallPacs, web: DicomWeb, objects: list[Dataset]) -> None:
    store(web, DEMO, objects)
    again = store(web, DEMO, objects)
    assert (list(again.uids), again.sent) == (uids(objects), 0)
    assert len(pacs.posts) == 2


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("507", Reason.PACS_FULL),
        ("full", Reason.PACS_FULL),
        ("refuse", Reason.STORE_REFUSED),
        ("404", Reason.STORE_REFUSED),
        ("413", Reason.STORE_REFUSED),
        ("401", Reason.PACS_REFUSED),
        ("forget", Reason.STORE_LOST),
        ("duplicate", Reason.STORE_LOST),
        ("html", Reason.PACS_MALFORMED),
    ],
)
def test_a_fault_has_its_reason_and_no_report_is_left_without_its_segmentation(
    fault: str, reason: Reason, pacs: SmallPacs, web: DicomWeb, objects: list[Dataset]
) -> None:
    pacs.faults = [fault]
    with pytest.raises(Unusable) as raised:
        store(web, DEMO, objects)
    assert raised.value.reason is reason
    assert pacs.posts == uids(objects)[:1]
    # and once the archive is well again, all is there once
    pacs.posts.clear()
    store(web, DEMO, objects)
    assert sorted(pacs.kept) == sorted(uids(objects))


def test_one_of_two_refused_leaves_the_other_and_is_sent_alone_next_time(
    pacs: SmallPacs, web: DicomWeb, objects: list[Dataset]
) -> None:
    pacs.faults = ["", "refuse"]
    with pytest.raises(Unusable) as raised:
        store(web, DEMO, objects)
    assert raised.value.reason is Reason.STORE_REFUSED
    assert raised.value.detail == "(failure reason A900H)"
    assert list(pacs.kept) == uids(objects)[:1]
    assert store(web, DEMO, objects).sent == 1
    assert pacs.posts == [*uids(objects), uids(objects)[1]]


@pytest.mark.parametrize("code", ["500", "503"])
def test_an_archive_that_stumbles_once_is_asked_again(
    code: str, pacs: SmallPacs, web: DicomWeb, objects: list[Dataset]
) -> None:
    pacs.faults = [code]
    assert store(web, DEMO, objects).sent == 2


def test_an_archive_that_goes_on_failing_is_a_passing_fault(
    pacs: SmallPacs, web: DicomWeb, objects: list[Dataset]
) -> None:
    pacs.faults = ["500"] * 5
    with pytest.raises(Transient) as raised:
        store(web, DEMO, objects)
    assert raised.value.reason is Reason.PACS_FAILED
    assert pacs.kept == {}


def test_stored_though_the_answer_was_lost_is_not_stored_twice(
    pacs: SmallPacs, web: DicomWeb, objects: list[Dataset]
) -> None:
    pacs.faults = ["take-and-drop"]
    store(web, DEMO, objects)
    assert pacs.posts == uids(objects)


def test_an_answer_without_a_body_is_believed_only_because_the_archive_shows_the_object(
    pacs: SmallPacs, web: DicomWeb, objects: list[Dataset]
) -> None:
    pacs.faults = ["empty", "empty"]
    assert store(web, DEMO, objects).sent == 2


def test_gone_after_storing_is_not_reported_as_done_and_found_later(
    pacs: SmallPacs, web: DicomWeb, objects: list[Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = pacs.take

    def take(body: bytes) -> tuple[int, bytes]:
        answer = taken(body)
        pacs.gone = True
        return answer

    monkeypatch.setattr(pacs, "take", take)
    with pytest.raises(Transient) as raised:
        store(web, DEMO, objects)
    assert raised.value.reason is Reason.PACS_FAILED
    pacs.gone = False
    monkeypatch.undo()
    assert store(web, DEMO, objects).sent == 1
    assert pacs.posts == uids(objects)


def test_a_pacs_that_is_away_is_unreachable(objects: list[Dataset]) -> None:
    nowhere = "http://127.0.0.1:9/dicom-web"
    client = DicomWeb(Pacs(nowhere, (nowhere,)), LIMITS)
    with pytest.raises(Transient) as raised:
        store(client, DEMO, objects)
    assert raised.value.reason is Reason.PACS_UNREACHABLE
