"""Headers that place the images nowhere: the series has its reason, costs no memory, and the next one is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ct_series import phantom, slices_of, stored
from dicomweb_answers import pages, row, sends_series
from pydicom.dataset import Dataset
from series_reading import reason_for, series_of, volume_of
from servers import FhirServer

from cds.imaging.dicomweb import DicomWeb
from cds.imaging.pacs import Pacs
from cds.imaging.reasons import Reason
from cds.imaging.series import Wanted
from cds.imaging.study import choose_volume

HU = phantom(26, 40)
STUDY = "1.2.3"


def made(series: int = 1, **elements: Any) -> list[Dataset]:
    spacing = elements.pop("spacing", (4.0, 10.0, 10.0))
    return slices_of(HU, study_uid=STUDY, series_uid=f"{STUDY}.{series}", spacing=spacing, **elements)


@pytest.fixture
def web(fhir: FhirServer) -> Iterator[DicomWeb]:
    found = DicomWeb(Pacs(fhir.base, (fhir.base,)))
    yield found
    found.close()


PARALLEL = [1, 0, 0, 1, 0, 0]


@pytest.mark.parametrize(
    "directions",
    [PARALLEL, [0] * 6, [1, 0, 0, 0, 0, 0], [2, 0, 0, 0, 2, 0], [1, 0, 0, 0.6, 0.8, 0], [1, 0, 0, 0.02, 0.9998, 0]],
)
def test_directions_that_are_no_right_angle_of_unit_vectors_are_refused(directions: list[float]) -> None:
    assert reason_for(made(ImageOrientationPatient=directions)) is Reason.NO_GEOMETRY


def test_directions_that_were_rounded_are_not_refused() -> None:
    tilted = made(ImageOrientationPatient=[0.999, 0.035, 0, -0.034, 0.98, -0.197])
    assert len(volume_of(tilted).hu) == len(HU)


@pytest.mark.parametrize(
    ("spacing", "reason"),
    [
        ((0.0, 10.0), Reason.NO_GEOMETRY),
        ((10.0, -1.0), Reason.NO_GEOMETRY),
        ((25.1, 10.0), Reason.NO_GEOMETRY),
        ((10.0, 25.1), Reason.NO_GEOMETRY),
        ((700.0, 700.0), Reason.NO_GEOMETRY),
        ((float("nan"), 10.0), Reason.NOT_FINITE),
    ],
)
def test_a_field_wider_than_any_scanner_or_of_no_width_is_refused(spacing: tuple[float, float], reason: Reason) -> None:
    assert reason_for(made(PixelSpacing=list(spacing))) is reason


def test_a_field_as_wide_as_a_scanner_may_be_is_read() -> None:
    assert len(series_of(made(PixelSpacing=[25.0, 25.0])).slices) == len(HU)


@pytest.mark.parametrize(
    ("along", "reason"),
    [
        ([1e6 + 4.0 * k for k in range(26)], Reason.NO_GEOMETRY),
        ([1e300 * (k == 25) + 4.0 * k for k in range(26)], None),
        ([200.0 * k for k in range(26)], Reason.NO_GEOMETRY),
        ([10.0 * (k // 3) + 0.06 * (k % 3) for k in range(26)], Reason.GAP),
    ],
)
def test_slices_farther_away_or_apart_than_a_table_moves_are_refused(along: list[float], reason: Reason | None) -> None:
    """None: the one slice that lies nowhere is left out."""
    images = made()
    for ds, place in zip(images, along, strict=True):
        ds.ImagePositionPatient = [-160.0, -170.0, place]
    if reason is None:
        assert len(volume_of(images).hu) == len(HU) - 1
    else:
        assert reason_for(images) is reason


def test_images_of_another_thickness_that_creep_on_by_less_than_any_step_have_their_reason() -> None:
    """As those that time the contrast, on a table that is not quite still."""
    timing = slices_of(
        HU[:8] // 2,
        study_uid=STUDY,
        series_uid=f"{STUDY}.1",
        spacing=(0.03, 10.0, 10.0),
        origin=(-160.0, -170.0, -50.0),
        SliceThickness=10.0,
    )
    assert reason_for([*timing, *made()]) is Reason.AMBIGUOUS


@pytest.mark.parametrize("damaged", [{"ImageOrientationPatient": PARALLEL}, {"PixelSpacing": [700.0, 700.0]}])
def test_beside_a_series_that_lies_nowhere_the_good_one_is_read(
    damaged: dict[str, Any], web: DicomWeb, fhir: FhirServer
) -> None:
    several = [made(1, **damaged), made(2)]
    rows = [
        row(t0020000D=STUDY, t0020000E=f"{STUDY}.{k}", t00080060="CT", t0008103E="portal venous", t00201209=len(HU))
        for k in (1, 2)
    ]
    fhir.on("studies", pages(rows), pages(rows), *(sends_series(list(map(stored, one))) for one in several))
    choice = choose_volume(web, STUDY, Wanted(), threads=1)
    assert choice.chosen is not None
    assert choice.chosen.series_uid == f"{STUDY}.2"
    assert [v.refused for v in choice.considered] == [None, Reason.NO_GEOMETRY]
