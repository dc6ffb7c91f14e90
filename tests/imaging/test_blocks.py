"""Blocks of one scan that overlap, such as chest and abdomen: one that shows all of the abdomen's organs, or none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ct_series import HU, phantom, slices_of
from pydicom.dataset import Dataset
from series_reading import series_of
from test_passes import running

from cds.imaging.coverage import upper_abdomen
from cds.imaging.reasons import Note, Reason, Remark
from cds.imaging.series import Choice, Wanted, choose

STEP_MM = 5.0
DOME_MM, RECESS_MM = 330.0, 250.0
"""Above the lowest slice: where the lungs are full, and where they end."""


def trunk(phase: str = "portal") -> HU:
    """100 slices, 500 mm: pelvis to chest."""
    hu = phantom(100, 64, phase)
    y, x = np.mgrid[:64, :64] * (400.0 / 64) - 200.0
    for k, one in enumerate(hu):
        full = np.clip((k * STEP_MM - RECESS_MM) / (DOME_MM - RECESS_MM), 0.0, 1.0)
        for side in (-70, 70):
            one[((x - side) / (55 * full + 1e-6)) ** 2 + (y / (80 * full + 1e-6)) ** 2 < 1] = -850
    return hu


TRUNK = trunk()
CHEST, ABDOMEN = (300.0, 500.0), (0.0, 400.0)


def block(
    between: tuple[float, float], number: int | None, time: str, shift_mm: float = 0.0, **more: Any
) -> list[Dataset]:
    first, last = (int(z / STEP_MM) for z in between)
    hu = TRUNK[first:last] + np.int16(number or 0)  # of another breath hold: no copies
    return slices_of(
        hu,
        study_uid="1.2.3",
        series_uid="1.2.3.4",
        positions=[[-160.0, -170.0, k * STEP_MM + shift_mm] for k in range(first, last)],
        **{"SliceThickness": STEP_MM, "AcquisitionNumber": number, "AcquisitionTime": time, **more},
    )


def chosen(*blocks: list[Dataset]) -> Choice:
    return choose([series_of([ds for each in blocks for ds in each])], Wanted())


def is_the_abdomen(choice: Choice) -> bool:
    return choice.volume is not None and choice.volume.coverage_mm == pytest.approx(395.0)


@pytest.mark.parametrize("shift_mm", [0.0, 1.7, 2.5])
@pytest.mark.parametrize("told_by", ["number", "pause", "time", "turn"])
def test_of_overlapping_blocks_the_one_that_shows_the_abdomen_whole_is_chosen(told_by: str, shift_mm: float) -> None:
    second = 2 if told_by == "number" else 1
    chest = block(CHEST, 1, "100100", shift_mm)
    abdomen = block(ABDOMEN, second, {"number": "100110", "time": "100102"}.get(told_by, ""))
    for ds in abdomen:
        ds.RescaleIntercept += 1  # no copies where the number is one
    if told_by in ("pause", "turn"):
        # from the head to the feet, with a way back between
        running(chest[::-1], 60.0), running(abdomen[::-1], 70.0 if told_by == "pause" else 65.0)
    choice = chosen(chest, abdomen)
    assert is_the_abdomen(choice), choice.reason
    assert choice.volume is not None
    assert Remark(Note.SPLIT, "2") in choice.volume.remarks
    assert {frame.time for frame in choice.volume.frames} == {str(ds.AcquisitionTime) for ds in abdomen}
    assert [verdict.refused for verdict in choice.considered] == [None, Reason.AMBIGUOUS]


@pytest.mark.parametrize("shift_mm", [0.0, 1.7, 2.5])
def test_blocks_of_two_thicknesses_are_told_apart_by_them(shift_mm: float) -> None:
    start: dict[str, Any] = {"ContrastBolusStartTime": "100000"}
    chest = block(CHEST, 1, "100110", shift_mm, SliceThickness=3.0, **start)
    abdomen = block(ABDOMEN, 1, "100110", **start)
    for ds in abdomen:
        ds.RescaleIntercept += 1
    assert is_the_abdomen(chosen(chest, abdomen))


@pytest.mark.parametrize("shift_mm", [1.7, 2.5])
def test_blocks_of_two_thicknesses_of_which_one_has_a_hole_are_not_mixed(shift_mm: float) -> None:
    chest = block(CHEST, 1, "100100", shift_mm, SliceThickness=3.0)
    abdomen = block(ABDOMEN, 1, "100100")
    assert chosen([*chest[:8], *chest[14:]], abdomen).reason is Reason.AMBIGUOUS


def test_blocks_that_nothing_tells_apart_are_refused() -> None:
    untold = [block(CHEST, None, ""), block(ABDOMEN, None, "")]
    for ds in untold[1]:
        ds.RescaleIntercept += 1
    assert chosen(*untold).reason is Reason.AMBIGUOUS


@pytest.mark.parametrize(
    ("upper", "lower"),
    [
        ((220.0, 500.0), (0.0, 280.0)),  # the lower begins below the diaphragm, the upper ends above the pelvis
        ((250.0, 500.0), (0.0, 300.0)),
        ((150.0, 400.0), (0.0, 250.0)),
    ],
)
def test_half_of_the_abdomen_is_never_taken_for_it(upper: tuple[float, float], lower: tuple[float, float]) -> None:
    assert chosen(block(upper, 1, "100100"), block(lower, 2, "100110")).reason is Reason.AMBIGUOUS


def test_blocks_with_time_for_another_phase_between_are_not_of_one_phase_by_their_name() -> None:
    later = block(ABDOMEN, 2, "100145")
    assert chosen(block(CHEST, 1, "100100"), later).reason is Reason.PHASE_UNKNOWN
    start: dict[str, Any] = {"ContrastBolusStartTime": "100030"}
    assert is_the_abdomen(chosen(block(CHEST, 1, "100105", **start), block(ABDOMEN, 2, "100145", **start)))
    copied = [block(CHEST, 1, "100100"), block(ABDOMEN, 2, "100100")]
    assert chosen(*copied).reason is Reason.PHASE_UNKNOWN


def test_an_abdomen_scanned_a_phase_before_the_chest_is_not_portal_venous_by_the_name_of_both() -> None:
    """A pancreatic phase from 45 s on, then the chest in the portal venous one, from 66 s on."""
    abdomen, chest = block(ABDOMEN, 1, ""), block(CHEST, 2, "")
    running(abdomen[::-1], 45.0), running(chest[::-1], 66.0)
    assert chosen(abdomen, chest).reason is Reason.PHASE_UNKNOWN


def test_the_abdomen_is_known_by_the_lungs_above_it() -> None:
    places = np.arange(100) * STEP_MM
    whole = slice(0, 80)
    assert upper_abdomen(list(TRUNK[whole]), places[whole])
    assert not upper_abdomen(list(TRUNK[:64]), places[:64]), "it begins below the dome"
    assert not upper_abdomen(list(TRUNK[20:80]), places[20:80]), "it ends too near below the lungs"
    assert not upper_abdomen(list(TRUNK[60:]), places[60:]), "the chest alone"
    assert not upper_abdomen([np.full((64, 64), -1000, np.int16)] * 80, places[whole]), "nobody"
