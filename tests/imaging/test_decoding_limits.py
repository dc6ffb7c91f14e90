"""What a few kilobytes may unpack to, and how much of one study is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import yaml
from ct_series import compressed, phantom, slices_of, stored
from dicomweb_answers import pages, row, sends_series
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless
from series_reading import series_of
from servers import Behaviour, Exchange, FhirServer

from cds.imaging.codecs import Layout, stored_values
from cds.imaging.dicomweb import DicomWeb
from cds.imaging.pacs import Limits, Pacs
from cds.imaging.reasons import Reason, Unusable
from cds.imaging.series import Choice, Wanted
from cds.imaging.slices import read_slices
from cds.imaging.study import choose_volume
from cds.imaging_settings import PacsSettings

STUDY = "1.2.3"
SMALL, LARGE = np.zeros((40, 40), np.uint16), np.zeros((80, 80), np.uint16)
LIMITS = Limits(connect_s=1.0, idle_s=2.0, total_s=5.0, attempts=1)
SIDE = 4096
OTHERS = ["2", "3", "4"]
NAMES = {"1": "Abdomen portal venous"} | dict.fromkeys(OTHERS, "Abdomen")
PORTAL = phantom(28, 24)
PARTS = {
    k: [stored(ds) for ds in slices_of(PORTAL, study_uid=STUDY, series_uid=f"1.2.3.{k}", SeriesDescription=name)]
    for k, name in NAMES.items()
}


def decoded_size(frames: int) -> int:
    return frames * SIDE * SIDE * 2


def vast(count: int, **uids: str) -> list[Dataset]:
    """Slices of nothing, as large as an image may be, and very small as sent."""
    made = slices_of(np.zeros((count, 8, 8), np.int16), **uids)
    frame = encapsulate([bytes(imagecodecs.jpegls_encode(np.zeros((SIDE, SIDE), np.uint16)))])
    for ds in made:
        compressed(ds, JPEGLSLossless)
        ds.Rows = ds.Columns = SIDE
        ds.PixelSpacing = [0.1, 0.1]
        ds.PixelData = frame
    return made


@pytest.mark.threat("zip-bomb")
def test_a_series_that_would_unpack_to_more_than_the_limit_is_refused_before_it_is_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bomb = vast(3)
    assert sum(len(stored(ds)) for ds in bomb) < 30_000
    decoded: list[Any] = []
    monkeypatch.setattr("cds.imaging.fetch._slice", lambda *given: decoded.append(given))
    with pytest.raises(Unusable) as raised:
        series_of(bomb, Limits(max_decoded_bytes=decoded_size(2)))
    assert raised.value.reason is Reason.TOO_LARGE
    assert len(decoded) <= 2
    assert len(series_of(bomb, Limits(max_decoded_bytes=decoded_size(3))).slices) == 3


def test_a_series_of_as_many_slices_as_are_allowed_may_be_of_1024_pixels_a_side_and_sent_as_it_is() -> None:
    of_a_site = PacsSettings(url="https://pacs.hospital.example/dicom-web")
    for limits in (of_a_site, Limits()):
        assert limits.max_slices * 1024 * 1024 * 2 <= limits.max_decoded_bytes < limits.max_bytes
    assert of_a_site.max_decoded_bytes == Limits().max_decoded_bytes


@pytest.mark.parametrize("values", ["values.yaml", "values/gpu-node.yaml", "values/three-zones.yaml"])
def test_a_worker_in_a_cluster_has_memory_for_the_largest_series(values: str) -> None:
    chart = yaml.safe_load((Path(__file__).parents[2] / "helm" / values).read_text(encoding="utf-8"))
    limit = chart["worker"]["resources"]["limits"]["memory"]
    assert int(limit.removesuffix("Gi")) * 2**30 > 3 * Limits().max_decoded_bytes


@pytest.fixture
def web(fhir: FhirServer) -> Iterator[DicomWeb]:
    client = DicomWeb(Pacs(fhir.base, (fhir.base,)), LIMITS)
    yield client
    client.close()


@pytest.mark.threat("zip-bomb")
def test_the_pages_of_a_report_unpack_no_more_than_a_reading_does(web: DicomWeb, fhir: FhirServer) -> None:
    web.limits = replace(LIMITS, max_decoded_bytes=decoded_size(1))
    fhir.on("studies", sends_series(map(stored, vast(2, study_uid=STUDY, series_uid="1.2.3.4"))))
    with pytest.raises(Unusable) as raised:
        read_slices(web, STUDY, "1.2.3.4")
    assert raised.value.reason is Reason.TOO_LARGE


def jpeg_2000(values: Any, wrapped: bool = False) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(values, codecformat="jp2" if wrapped else "j2k", level=0, reversible=True))


def jpeg_ls(values: Any) -> bytes:
    return bytes(imagecodecs.jpegls_encode(values))


def in_a_comment(said: bytes, frame: bytes) -> bytes:
    return frame[:2] + b"\xff\xfe" + (len(said) + 2).to_bytes(2) + said + frame[2:]


def in_a_box_before(said: bytes, wrapped: bytes) -> bytes:
    """Among the boxes of a JP2 file, before the one of its frame."""
    at = wrapped.index(b"jp2c") - 4
    return wrapped[:at] + (len(said) + 24).to_bytes(4) + b"uuid" + bytes(16) + said + wrapped[at:]


def after_a_marker_alone(said: bytes, frame: bytes) -> bytes:
    """A marker without a length; who reads one skips the frame's own header, up to another."""
    return (frame[:2] + b"\xff\x01" + frame[2:]).ljust(4 + int.from_bytes(frame[2:4]), b"\0") + said[2:]


@pytest.mark.threat("zip-bomb")
@pytest.mark.parametrize(
    ("frame", "allocated"),
    [
        pytest.param(imagecodecs.jpeg2k_encode(np.zeros((40, 40, 3), np.uint8), codecformat="j2k"), 16, id="colour"),
        pytest.param(imagecodecs.jpeg2k_encode(np.zeros((40, 40), np.uint16), codecformat="j2k"), 8, id="deeper"),
        pytest.param(imagecodecs.jpegls_encode(np.zeros((40, 40, 3), np.uint8)), 16, id="JPEG-LS colour"),
        pytest.param(in_a_comment(jpeg_2000(SMALL)[:60], jpeg_ls(LARGE)), 16, id="JPEG-LS said to be smaller"),
        pytest.param(in_a_box_before(jpeg_2000(SMALL)[:60], jpeg_2000(LARGE, True)), 16, id="JP2 said to be smaller"),
        pytest.param(after_a_marker_alone(jpeg_ls(SMALL), jpeg_ls(LARGE)), 16, id="a marker without a length"),
    ],
)
def test_a_frame_of_more_samples_or_bits_than_its_image_is_refused_unread(
    frame: Any, allocated: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = slices_of(phantom(1, 40))
    for ds in made:
        compressed(ds, JPEGLSLossless if frame[:2] == b"\xff\xd8" else JPEG2000Lossless)
        ds.PixelData = encapsulate([bytes(frame)])
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = allocated, 8, 7

    def never() -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr("cds.imaging.codecs.codecs", never)
    with pytest.raises(Unusable) as raised:
        series_of(made)
    assert raised.value.reason is Reason.BOMB


@pytest.mark.parametrize("wrapped", [False, True])
def test_of_a_jp2_file_the_frame_alone_is_decoded(wrapped: bool) -> None:
    values = np.arange(1600, dtype=np.uint16).reshape(40, 40)
    frame = in_a_box_before(b"other", jpeg_2000(values, True)) if wrapped else jpeg_2000(values)
    layout = Layout(str(JPEG2000Lossless), 40, 40, 16, 16, False)
    assert (stored_values(frame, layout) == values).all()
    with pytest.raises(Unusable) as raised:
        stored_values(frame[1:], layout)
    assert raised.value.reason is Reason.PIXELS_CORRUPT


def chosen(web: DicomWeb, fhir: FhirServer, slow_s: float = 0.0, **limits: float) -> Choice:
    """From a study of four series: the portal one, likeliest, and three that say nothing of themselves. The archive
    takes ``slow_s`` for each."""
    web.limits = replace(LIMITS, **limits)  # type: ignore[arg-type]
    rows = [
        row(t0020000D=STUDY, t0020000E=f"1.2.3.{k}", t00080060="CT", t0008103E=name, t00201209=len(PORTAL))
        for k, name in NAMES.items()
    ]
    listed = pages(rows)

    def slowly(send: Behaviour) -> Behaviour:
        def behave(exchange: Exchange) -> None:
            exchange.pause(slow_s)
            send(exchange)

        return behave

    fhir.on("studies", listed, listed, *(slowly(sends_series(parts)) for parts in PARTS.values()))
    return choose_volume(web, STUDY, Wanted(thickest_mm=5.0), threads=1)


def unread(choice: Choice) -> list[str]:
    return [v.series_uid[-1] for v in choice.considered if v.refused is Reason.STUDY_LIMIT]


@pytest.mark.threat("oversized")
@pytest.mark.parametrize(
    ("limits", "left"), [({}, []), ({"study_series": 2}, OTHERS[1:]), ({"study_bytes": 1_000}, OTHERS)]
)
def test_of_an_endless_study_the_likeliest_series_are_read_and_the_others_are_said_to_be_unread(
    limits: dict[str, float], left: list[str], web: DicomWeb, fhir: FhirServer
) -> None:
    choice = chosen(web, fhir, **limits)
    assert choice.chosen is not None
    assert choice.chosen.series_uid == "1.2.3.1"
    assert unread(choice) == left
    assert len(fhir.hits) == 2 + 4 - len(left)


@pytest.mark.threat("oversized")
def test_a_study_that_takes_too_long_is_read_no_further(web: DicomWeb, fhir: FhirServer) -> None:
    assert unread(chosen(web, fhir, slow_s=0.6, study_s=0.5)) == OTHERS
