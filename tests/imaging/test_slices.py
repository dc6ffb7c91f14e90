"""A slice as a picture: the right way round, in the window asked for, outlined beside the finding and silent."""

from __future__ import annotations

import io
from typing import Any

import highdicom as hd
import numpy as np
import pytest
from ct_series import slices_of, stored
from dicomweb_answers import sends_series
from highdicom.sr.coding import CodedConcept
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid
from servers import fhir_server

from cds.imaging.dicomweb import DicomWeb
from cds.imaging.instance import read
from cds.imaging.pacs import Pacs
from cds.imaging.pixels import hounsfield
from cds.imaging.reasons import Reason, Unusable
from cds.imaging.slices import COLOURS, WINDOWS, Slice, Window, around, outlines, picture, read_slices

SOFT = WINDOWS["soft"]
AMBER = COLOURS["finding"]
STUDY, SERIES = "1.2.826.0.1.3680043.10.5.1", "1.2.826.0.1.3680043.10.5.1.1"


def body(count: int = 5, size: int = 60) -> NDArray[np.int16]:
    """Air, a body of 0 HU, a dense mark at the patient's right front (low column, low row)."""
    hu = np.full((count, size, size), -1000, np.int16)
    hu[:, 8:-8, 8:-8] = 0
    hu[:, 12:18, 12:18] = 1000
    return hu


def one(hu: NDArray[np.int16] | None = None, **more: Any) -> Slice:
    """The middle slice, read as from a PACS."""
    made = slices_of(body() if hu is None else hu, spacing=more.pop("spacing", (3.0, 5.0, 5.0)), **more)
    instance = read(stored(made[len(made) // 2]))
    ((frame, payload),) = instance.payloads()
    assert instance.layout is not None
    return Slice(frame, hounsfield(payload, instance.layout, frame.slope, frame.intercept))


def seen(png: bytes) -> NDArray[np.uint8]:
    """[rows, columns, 3]"""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def coloured(png: bytes, colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (seen(png) == colour).all(axis=2)
    return found


def corner_of(shown: NDArray[np.uint8]) -> tuple[bool, bool]:
    """(mark is in the upper half, in the left half)"""
    rows, columns = np.nonzero(shown[..., 0] > 250)
    return bool(rows.mean() < shown.shape[0] / 2), bool(columns.mean() < shown.shape[1] / 2)


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        ((1, 0, 0, 0, 1, 0), lambda a: a),
        ((-1, 0, 0, 0, -1, 0), lambda a: a[:, ::-1, ::-1]),
        ((-1, 0, 0, 0, 1, 0), lambda a: a[:, :, ::-1]),
        ((0, 1, 0, 1, 0, 0), lambda a: a.transpose(0, 2, 1)),
        ((0, -1, 0, 1, 0, 0), lambda a: a[:, ::-1].transpose(0, 2, 1)),
    ],
    ids=["as usual", "prone", "mirrored", "rows run across", "rows run across, from behind"],
)
def test_the_patients_right_front_is_at_the_upper_left_however_it_was_stored(orientation: Any, turned: Any) -> None:
    shown = seen(picture(one(np.ascontiguousarray(turned(body())), orientation=orientation), SOFT))
    assert corner_of(shown) == (True, True)


def test_a_millimetre_is_as_high_as_it_is_wide() -> None:
    shown = Image.open(io.BytesIO(picture(one(spacing=(3.0, 2.0, 4.0)), SOFT, side=480)))
    assert shown.size == (480, 240)


def test_the_window_maps_its_ends_to_black_and_white() -> None:
    hu = np.zeros((3, 60, 60), np.int16)
    hu[:, :20], hu[:, 20:40], hu[:, 40:] = -150, 50, 250
    shown = seen(picture(one(hu), Window(50, 400), side=60))[..., 0]
    assert (shown[5, 30], shown[55, 30]) == (0, 255)
    assert abs(int(shown[30, 30]) - 128) <= 1


def test_the_outline_lies_around_the_finding_and_covers_nothing_of_it() -> None:
    mask = np.zeros((60, 60), bool)
    mask[30:40, 25:35] = True
    plain, outlined = (picture(one(), SOFT, finding=m, side=600) for m in (None, mask))
    line = coloured(outlined, AMBER)
    inside = np.kron(mask, np.ones((10, 10), bool))
    assert not coloured(plain, AMBER).any()
    rows, columns = np.nonzero(line)
    assert (rows.min() // 10, rows.max() // 10, columns.min() // 10, columns.max() // 10) == (29, 40, 24, 35)
    core = inside.copy()
    core[300:306], core[394:400] = False, False
    core[:, 250:256], core[:, 344:350] = False, False
    assert not (line & core).any()
    assert np.array_equal(seen(plain)[core], seen(outlined)[core])


def test_normal_anatomy_has_another_colour_than_a_finding() -> None:
    mask = np.zeros((60, 60), bool)
    mask[30:40, 25:35] = True
    shown = picture(one(), SOFT, organ=mask)
    assert coloured(shown, COLOURS["organ"]).any()
    assert not coloured(shown, AMBER).any()


def test_a_crop_shows_all_of_the_finding_with_a_margin() -> None:
    mask = np.zeros((60, 60), bool)
    mask[30:40, 25:35] = True
    crop = around([mask], one().frame, margin_mm=50)
    assert crop is not None
    assert all(isinstance(cut, slice) for cut in crop)
    rows, columns = crop
    assert rows.start <= 20
    assert rows.stop >= 50
    assert columns.start <= 15
    assert columns.stop >= 45
    assert coloured(picture(one(), SOFT, finding=mask, crop=crop), AMBER).any()
    assert around([], one().frame, 10) is None


def test_the_file_holds_pixels_and_a_palette_and_nothing_said() -> None:
    png = picture(one(), SOFT)
    kinds, at = set(), 8
    while at < len(png):
        size = int.from_bytes(png[at : at + 4], "big")
        kinds.add(png[at + 4 : at + 8].decode())
        at += size + 12
    assert kinds == {"IHDR", "PLTE", "IDAT", "IEND"}
    assert b"GENERATED" not in png


def segmentation(source: list[Dataset], labels: NDArray[np.uint8], label_map: bool) -> bytes:
    def described(number: int, label: str, category: tuple[str, str]) -> hd.seg.SegmentDescription:
        return hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=label,
            segmented_property_category=CodedConcept(category[0], "SCT", category[1]),
            segmented_property_type=CodedConcept("4147007", "SCT", "Mass"),
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
            tracking_uid=f"2.25.{number}",
            tracking_id=label,
        )

    kinds = hd.seg.SegmentationTypeValues
    made = hd.seg.Segmentation(
        source_images=source,
        pixel_array=labels,
        segmentation_type=kinds.LABELMAP if label_map else kinds.BINARY,
        segment_descriptions=[
            described(1, "Organ", ("123037004", "Anatomical Structure")),
            described(2, "Candidate", ("49755003", "Morphologically Altered Structure")),
        ],
        series_instance_uid=generate_uid(),
        series_number=9,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="Generator",
        manufacturer_model_name="1",
        software_versions="1",
        device_serial_number="1",
        transfer_syntax_uid=RLELossless if label_map else ExplicitVRLittleEndian,
    )
    return stored(made)


@pytest.mark.parametrize("label_map", [False, True], ids=["binary", "label map"])
def test_a_stored_segmentation_says_what_lies_where_on_which_slice(label_map: bool) -> None:
    source = slices_of(body(), series_uid=SERIES)
    labels = np.zeros((5, 60, 60), np.uint8)
    labels[1:4, 20:40, 20:40] = 1
    labels[2, 25:30, 25:31] = 2
    found = outlines(segmentation(source, labels, label_map))
    assert [(s.number, s.label, s.finding, s.tracking_uid) for s in found.segments] == [
        (1, "Organ", False, "2.25.1"),
        (2, "Candidate", True, "2.25.2"),
    ]
    assert found.series_uid == SERIES
    assert set(found.labels) == {str(ds.SOPInstanceUID) for ds in source[1:4]}
    middle = str(source[2].SOPInstanceUID)
    assert np.array_equal(found.of(middle, finding=True), labels[2] == 2)
    assert np.array_equal(found.of(middle, finding=False), labels[2] == 1)
    assert found.of(str(source[1].SOPInstanceUID), finding=True) is None
    assert (found.area(middle, 2), found.area(str(source[0].SOPInstanceUID), 1)) == (30, 0)


def test_what_is_no_segmentation_is_said_so() -> None:
    with pytest.raises(Unusable) as raised:
        outlines(b"nothing of the kind")
    assert raised.value.reason is Reason.NOT_DICOM


def fetched(parts: list[bytes]) -> tuple[Slice, ...]:
    with fhir_server() as server:
        server.on("*", sends_series(parts))
        web = DicomWeb(Pacs(server.base, (server.base,)))
        try:
            return read_slices(web, STUDY, SERIES)
        finally:
            web.close()


def test_slices_come_from_the_feet_to_the_head_whatever_order_they_were_sent_in() -> None:
    hu = body()
    hu += np.arange(5, dtype=np.int16)[:, None, None] * 10
    made = [stored(ds) for ds in slices_of(hu, study_uid=STUDY, series_uid=SERIES)]
    found = fetched([made[n] for n in (3, 0, 4, 1, 2)])
    assert [int(s.hu[30, 30]) for s in found] == [0, 10, 20, 30, 40]


def test_images_with_writing_burned_in_are_not_shown() -> None:
    made = slices_of(body(), study_uid=STUDY, series_uid=SERIES, BurnedInAnnotation="YES")
    with pytest.raises(Unusable, match="burned"):
        fetched([stored(ds) for ds in made])
