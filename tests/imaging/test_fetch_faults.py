"""A PACS that behaves badly: every fault has its reason code, ends in time, and leaves nothing behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ct_series import compressed, deflate_bomb, phantom, slices_of, stored
from dicomweb_answers import (
    DICOM_JSON,
    RELATED,
    drops,
    endless,
    multipart,
    pages,
    row,
    sends_series,
    stalls_midway,
    truncates,
)
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGExtended12Bit, SegmentationStorage
from servers import Behaviour, Exchange, FhirServer, drips_headers, hangs, hangs_up, redirects, sends, status

from cds.errors import SettingsError
from cds.imaging.dicomweb import DicomWeb
from cds.imaging.fetch import Series, fetch_series
from cds.imaging.pacs import Limits, Pacs
from cds.imaging.reasons import Reason, Unusable

STUDY, SERIES = "1.2.3", "1.2.3.4"
HU = phantom(6, 32)
LIMITS = Limits(connect_s=1.0, idle_s=0.5, total_s=5.0, attempts=2)


def datasets(**elements: Any) -> list[Dataset]:
    return slices_of(HU, study_uid=STUDY, series_uid=SERIES, **elements)


GOOD = [stored(ds) for ds in datasets()]


@pytest.fixture(autouse=True)
def nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No thread that still decodes, no file half-written."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield
    assert [t.name for t in threading.enumerate() if t.name.startswith("decode")] == []
    assert list(tmp_path.rglob("*")) == []


@pytest.fixture
def fetch(fhir: FhirServer) -> Iterator[Callable[..., Series]]:
    """Fetch the series from a PACS that behaves so, one behaviour a request."""
    opened: list[DicomWeb] = []

    def run(*behaviours: Behaviour, limits: Limits = LIMITS, expected: int | None = None) -> Series:
        fhir.on("studies", *behaviours)
        opened.append(DicomWeb(Pacs(fhir.base, (fhir.base,)), limits))
        return fetch_series(opened[-1], STUDY, SERIES, expected=expected, threads=2)

    yield run
    for web in opened:
        web.close()


@pytest.fixture
def web(fhir: FhirServer) -> Iterator[DicomWeb]:
    client = DicomWeb(Pacs(fhir.base, (fhir.base,)), LIMITS)
    yield client
    client.close()


def refused(run: Callable[[], object]) -> Reason:
    with pytest.raises(Unusable) as raised:
        run()
    return raised.value.reason


# --- the connection


def test_a_series_is_one_get_for_what_is_stored(fetch: Callable[..., Series], fhir: FhirServer) -> None:
    series = fetch(sends_series(GOOD), expected=6)
    assert {tuple(s.hu.ravel()[:5]) for s in series.slices} == {tuple(one.ravel()[:5]) for one in HU}
    (hit,) = fhir.hits
    assert hit.path == f"/fhir/studies/{STUDY}/series/{SERIES}"
    assert hit.headers["accept"] == 'multipart/related; type="application/dicom"; transfer-syntax=*'
    assert hit.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("bad", [truncates(GOOD), drops(GOOD), hangs_up(), status(500), status(503), status(429)])
def test_what_may_pass_is_tried_again_from_the_start(
    bad: Behaviour, fetch: Callable[..., Series], fhir: FhirServer
) -> None:
    series = fetch(bad, sends_series(GOOD))
    assert len(series.slices) == 6
    assert len(fhir.hits) == 2


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (truncates(GOOD), Reason.TRUNCATED),
        (truncates(GOOD, 0.999), Reason.TRUNCATED),
        (drops(GOOD), Reason.PACS_UNREACHABLE),
        (hangs_up(), Reason.PACS_UNREACHABLE),
        (status(500), Reason.PACS_FAILED),
        (status(503), Reason.PACS_FAILED),
    ],
)
def test_a_fault_that_stays_ends_after_the_set_attempts(
    bad: Behaviour, reason: Reason, fetch: Callable[..., Series], fhir: FhirServer
) -> None:
    assert refused(lambda: fetch(bad)) is reason
    assert len(fhir.hits) == LIMITS.attempts


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (status(401), Reason.PACS_REFUSED),
        (status(403), Reason.PACS_REFUSED),
        (status(406), Reason.PACS_REFUSED),
        (status(404), Reason.NOT_FOUND),
        (status(501), Reason.PACS_FAILED),
        (sends(b"", 204, RELATED), Reason.NOT_FOUND),
        (sends(b"<html>log in</html>", 200, "text/html"), Reason.PACS_MALFORMED),
        (sends(b"no delimiter" * 2000, 200, RELATED), Reason.PACS_MALFORMED),
        (sends(multipart([]), 200, RELATED), Reason.NOT_FOUND),
        (sends_series(GOOD, {"Content-Encoding": "gzip"}), Reason.PACS_MALFORMED),
    ],
)
def test_what_will_not_pass_is_not_tried_again(
    bad: Behaviour, reason: Reason, fetch: Callable[..., Series], fhir: FhirServer
) -> None:
    assert refused(lambda: fetch(bad)) is reason
    assert len(fhir.hits) == 1


@pytest.mark.parametrize("bad", [hangs(), stalls_midway(GOOD)])
def test_a_pacs_that_hangs_is_left_within_the_idle_limit(bad: Behaviour, fetch: Callable[..., Series]) -> None:
    start = time.monotonic()
    assert refused(lambda: fetch(bad)) is Reason.PACS_TIMEOUT
    assert time.monotonic() - start < 3.0


@pytest.mark.threat("slow")
def test_a_pacs_that_drips_is_left_at_the_time_limit(fetch: Callable[..., Series]) -> None:
    start = time.monotonic()
    dripping = stalls_midway(GOOD, every=0.1)
    assert refused(lambda: fetch(dripping, limits=replace(LIMITS, total_s=1.0))) is Reason.PACS_TIMEOUT
    assert time.monotonic() - start < 4.0


def test_a_pacs_that_drips_its_head_is_left_at_the_time_limit(fetch: Callable[..., Series]) -> None:
    """Each byte comes in time, and the line of the head never ends."""
    start = time.monotonic()
    assert refused(lambda: fetch(drips_headers(0.1), limits=replace(LIMITS, total_s=1.0))) is Reason.PACS_TIMEOUT
    assert time.monotonic() - start < 4.0


def test_a_pacs_that_is_not_there_is_unreachable(fhir: FhirServer) -> None:
    nobody = "http://127.0.0.1:9/dicom-web"
    client = DicomWeb(Pacs(nobody, (nobody,)), LIMITS)
    assert refused(lambda: fetch_series(client, STUDY, SERIES)) is Reason.PACS_UNREACHABLE


@pytest.mark.threat("ssrf-redirect")
def test_a_redirect_is_not_followed(fetch: Callable[..., Series], stranger: FhirServer) -> None:
    assert refused(lambda: fetch(redirects(f"{stranger.base}/studies"))) is Reason.PACS_REDIRECTED
    assert stranger.hits == []


@pytest.mark.threat("ssrf-fhir-server")
def test_an_address_that_is_not_listed_is_never_called(fhir: FhirServer, stranger: FhirServer) -> None:
    assert refused(lambda: DicomWeb(Pacs(stranger.base, (fhir.base,)))) is Reason.PACS_NOT_LISTED
    assert stranger.hits == []


@pytest.mark.parametrize("uid", ["../../secrets", "1.2/../3", "", "1.2.3?x=1", "1" * 65])
@pytest.mark.threat("path-traversal")
def test_what_is_no_uid_never_gets_into_an_address(uid: str, web: DicomWeb, fhir: FhirServer) -> None:
    assert refused(lambda: fetch_series(web, uid, SERIES)) is Reason.PACS_MALFORMED
    assert refused(lambda: web.series(uid)) is Reason.PACS_MALFORMED
    assert fhir.hits == []


# --- size


def test_five_thousand_slices_are_refused_from_the_count_alone(fetch: Callable[..., Series], fhir: FhirServer) -> None:
    assert refused(lambda: fetch(sends_series(GOOD), expected=5000)) is Reason.TOO_MANY_SLICES
    assert fhir.hits == []


@pytest.mark.threat("oversized")
def test_five_thousand_slices_that_nobody_announced_are_refused_on_the_way(fetch: Callable[..., Series]) -> None:
    tiny = slices_of(HU[:1, :4, :4], study_uid=STUDY, series_uid=SERIES)[0]
    tiny.SOPInstanceUID = tiny.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.10000"
    one = stored(tiny)
    sent = [one.replace(b"1.2.3.4.10000", b"1.2.3.4.%d" % (10_000 + k)) for k in range(5000)]
    assert refused(lambda: fetch(sends_series(sent), limits=replace(LIMITS, total_s=60.0))) is Reason.TOO_MANY_SLICES


@pytest.mark.threat("oversized")
def test_a_series_over_the_byte_limit_is_refused_on_the_way(fetch: Callable[..., Series]) -> None:
    limits = replace(LIMITS, max_bytes=1_000_000)
    assert refused(lambda: fetch(endless(GOOD[0], 100_000), limits=limits)) is Reason.TOO_LARGE


@pytest.mark.threat("oversized")
def test_one_instance_over_its_limit_is_refused(fetch: Callable[..., Series]) -> None:
    limits = replace(LIMITS, max_instance_bytes=len(GOOD[0]) - 1)
    assert refused(lambda: fetch(sends_series(GOOD), limits=limits)) is Reason.TOO_LARGE


@pytest.mark.threat("zip-bomb")
def test_a_deflated_instance_that_would_fill_the_memory_is_refused(fetch: Callable[..., Series]) -> None:
    bomb = deflate_bomb(datasets()[0], 1 << 28)
    assert len(bomb) < 1_000_000
    assert refused(lambda: fetch(sends_series([bomb]))) is Reason.BOMB


@pytest.mark.threat("zip-bomb")
def test_a_compressed_frame_that_claims_to_be_larger_than_its_image_is_refused(fetch: Callable[..., Series]) -> None:
    large = compressed(slices_of(phantom(1, 256), study_uid=STUDY, series_uid=SERIES)[0], JPEG2000Lossless)
    large.Rows = large.Columns = 32
    assert refused(lambda: fetch(sends_series([*GOOD, stored(large)]))) is Reason.BOMB


@pytest.mark.threat("dicom-script")
def test_an_image_of_impossible_size_is_refused(fetch: Callable[..., Series]) -> None:
    vast = datasets()[0]
    vast.Rows = vast.Columns = 65535
    vast.PixelSpacing = [0.01, 0.01]
    assert refused(lambda: fetch(sends_series([stored(vast)]))) is Reason.PIXEL_FORMAT


# --- what is in it


@pytest.mark.threat("dicom-script")
def test_two_patients_in_one_series_are_refused(fetch: Callable[..., Series]) -> None:
    other = stored(datasets(PatientID="GENERATED-2")[3])
    assert refused(lambda: fetch(sends_series([*GOOD[:3], other]))) is Reason.SEVERAL_PATIENTS


@pytest.mark.parametrize("wrong", [{"study_uid": "1.2.9"}, {"series_uid": "1.2.3.9"}])
def test_an_instance_of_another_series_is_refused(wrong: dict[str, str], fetch: Callable[..., Series]) -> None:
    uids = {"study_uid": STUDY, "series_uid": SERIES} | wrong
    assert refused(lambda: fetch(sends_series([*GOOD, stored(slices_of(HU, **uids)[0])]))) is Reason.FOREIGN_INSTANCE


def test_the_wrong_sop_class_is_refused(fetch: Callable[..., Series]) -> None:
    sent = [stored(ds) for ds in datasets(SOPClassUID=SegmentationStorage)]
    assert refused(lambda: fetch(sends_series(sent))) is Reason.SOP_CLASS


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEGExtended12Bit])
def test_lossy_jpeg_is_refused(syntax: str, fetch: Callable[..., Series]) -> None:
    sent = [stored(compressed(ds, syntax)) for ds in datasets()]
    assert refused(lambda: fetch(sends_series(sent))) is Reason.LOSSY_JPEG


def test_fewer_instances_than_the_pacs_lists_are_refused(fetch: Callable[..., Series]) -> None:
    assert refused(lambda: fetch(sends_series(GOOD[:5]), expected=6)) is Reason.INCOMPLETE


@pytest.mark.parametrize("keyword", ["FloatPixelData", "DoubleFloatPixelData"])
def test_floating_point_pixels_that_are_no_numbers_are_refused(keyword: str, fetch: Callable[..., Series]) -> None:
    nan = datasets()[0]
    del nan.PixelData
    kind = np.float32 if keyword == "FloatPixelData" else np.float64
    setattr(nan, keyword, np.full((32, 32), np.nan, kind).tobytes())
    nan.BitsAllocated = 32 if keyword == "FloatPixelData" else 64
    assert refused(lambda: fetch(sends_series([*GOOD, stored(nan)]))) is Reason.FLOAT_PIXELS


@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept"])
def test_a_rescale_that_is_no_number_is_refused(keyword: str, fetch: Callable[..., Series]) -> None:
    sent = stored(datasets(**{keyword: "1"})[0])
    tag = {"RescaleSlope": b"\x28\x00\x53\x10DS\x02\x00", "RescaleIntercept": b"\x28\x00\x52\x10DS\x02\x00"}[keyword]
    assert tag in sent
    head = sent.index(tag)
    nan = sent[:head] + tag[:-2] + b"\x04\x00nan " + sent[head + len(tag) + 2 :]
    assert refused(lambda: fetch(sends_series([nan]))) is Reason.NOT_FINITE


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda raw: b"", Reason.NOT_DICOM),
        (lambda raw: b"not dicom at all" * 50, Reason.NOT_DICOM),
        (lambda raw: raw[:300], Reason.NOT_DICOM),
        (lambda raw: raw[:-500], Reason.PIXELS_CORRUPT),
    ],
)
@pytest.mark.threat("dicom-script")
def test_a_damaged_instance_is_refused(
    spoil: Callable[[bytes], bytes], reason: Reason, fetch: Callable[..., Series]
) -> None:
    assert refused(lambda: fetch(sends_series([*GOOD[:2], spoil(GOOD[2])]))) is reason


@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_a_damaged_compressed_frame_is_refused(cut: float, fetch: Callable[..., Series]) -> None:
    broken = compressed(datasets()[0], JPEG2000Lossless)
    broken.PixelData = broken.PixelData[: int(len(broken.PixelData) * cut) // 2 * 2] + b"\0" * 8
    assert refused(lambda: fetch(sends_series([stored(broken)]))) is Reason.PIXELS_CORRUPT


def test_an_unknown_transfer_syntax_is_refused(fetch: Callable[..., Series]) -> None:
    video = stored(datasets()[0]).replace(b"1.2.840.10008.1.2.1\x00", b"1.2.840.10008.1.9.9\x00")
    assert refused(lambda: fetch(sends_series([video]))) is Reason.TRANSFER_SYNTAX


# --- searching


ROWS = [row(t0020000E=f"1.2.3.{k}", t00080060="CT", t00201209=k, t0008103E=f"Series {k}") for k in range(1, 8)]


@pytest.mark.parametrize("most", [1000, 3, 1])
def test_all_pages_of_a_search_come_back_however_small_the_server_makes_them(
    most: int, web: DicomWeb, fhir: FhirServer
) -> None:
    fhir.on("studies", pages(ROWS, most))
    found = web.series(STUDY)
    assert [s.uid for s in found] == [f"1.2.3.{k}" for k in range(1, 8)]
    assert found[2].instances == 3


def test_a_server_that_repeats_its_page_for_ever_ends_the_search(web: DicomWeb, fhir: FhirServer) -> None:
    fhir.on("studies", lambda exchange: pages(ROWS)(_without_query(exchange)))
    assert len(web.series(STUDY)) == 7
    assert len(fhir.hits) == 2


def _without_query(exchange: Exchange) -> Exchange:
    exchange.hit = replace(exchange.hit, path=exchange.hit.path.partition("?")[0])
    return exchange


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        (hangs_up(), Reason.PACS_UNREACHABLE),
        (status(500), Reason.PACS_FAILED),
        (hangs(), Reason.PACS_TIMEOUT),
        (status(404), Reason.NOT_FOUND),
        (redirects("http://127.0.0.1:9/"), Reason.PACS_REDIRECTED),
    ],
)
def test_a_pacs_that_disappears_between_pages_gives_no_half_list(
    then: Behaviour, reason: Reason, web: DicomWeb, fhir: FhirServer
) -> None:
    fhir.on("studies", pages(ROWS, 3), then)
    assert refused(lambda: web.series(STUDY)) is reason


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[1]", b'[{"0020000E": {"Value": ["../x"]}}]', b"[{}]"])
def test_a_search_answered_with_something_else_is_malformed(body: bytes, web: DicomWeb, fhir: FhirServer) -> None:
    fhir.on("studies", sends(body, 200, DICOM_JSON))
    assert refused(lambda: web.series(STUDY)) is Reason.PACS_MALFORMED


def test_no_content_is_an_empty_list(web: DicomWeb, fhir: FhirServer) -> None:
    fhir.on("studies", sends(b"", 204, DICOM_JSON))
    assert web.studies(PatientID="nobody") == []


@pytest.mark.threat("oversized")
def test_a_search_without_end_is_refused(fhir: FhirServer) -> None:
    client = DicomWeb(Pacs(fhir.base, (fhir.base,)), replace(LIMITS, max_rows=5))
    fhir.on("studies", pages(ROWS))
    assert refused(lambda: client.series(STUDY)) is Reason.TOO_LARGE
    client.close()


@pytest.mark.threat("oversized")
def test_a_page_over_its_limit_is_refused(fhir: FhirServer) -> None:
    client = DicomWeb(Pacs(fhir.base, (fhir.base,)), replace(LIMITS, max_answer_bytes=200))
    fhir.on("studies", pages(ROWS))
    assert refused(lambda: client.series(STUDY)) is Reason.TOO_LARGE
    client.close()


# --- who we are


@pytest.mark.parametrize(
    ("credentials", "sent"),
    [
        ({"user": "cds", "password": "secret-é"}, "Basic Y2RzOnNlY3JldC3DqQ=="),
        ({"token": "abc.def"}, "Bearer abc.def"),
        ({}, None),
    ],
)
def test_credentials_go_along_with_every_request(
    credentials: dict[str, str], sent: str | None, fhir: FhirServer
) -> None:
    fhir.on("studies", pages(ROWS))
    client = DicomWeb(Pacs(fhir.base, (fhir.base,), **credentials), LIMITS)
    client.series(STUDY)
    assert {hit.headers.get("authorization") for hit in fhir.hits} == {sent}
    client.close()


def test_secrets_are_never_shown() -> None:
    shown = repr(Pacs("https://pacs.example", ("https://pacs.example",), user="cds", password="hush"))
    assert "hush" not in shown
    assert "hush" not in repr(Pacs("https://pacs.example", ("https://pacs.example",), token="hush"))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"user": "a", "password": "b", "token": "c"}, "not both"),
        ({"user": "a"}, "belong together"),
        ({"certificate": Path("a.pem")}, "belong together"),
        ({"token": "c"}, "unencrypted"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        Pacs("http://pacs.example/dicom-web", ("http://pacs.example/dicom-web",), **wrong)


def test_plain_http_with_credentials_can_be_allowed_by_name() -> None:
    assert Pacs("http://pacs.example", ("http://pacs.example",), token="c", allow_plain_credentials=True)
