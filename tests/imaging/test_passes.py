"""Several passes over the body in one series: told apart and separated, or dropped, and never mixed into one volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ct_series import phantom, put_hu, slices_of
from pydicom.dataset import Dataset
from series_reading import notes, reason_for, same, series_of, volume_of, volumes_of
from test_pitfalls import at, good

from cds.imaging.frames import Frame
from cds.imaging.geometry import places
from cds.imaging.reasons import Note, Reason, Remark
from cds.imaging.stacks import stacks
from cds.imaging.volume import Volume, build


@pytest.fixture(scope="module")
def plain() -> Volume:
    return volume_of(good())


@pytest.mark.parametrize(
    ("keyword", "values"),
    [
        ("TemporalPositionIdentifier", (1, 2)),
        ("AcquisitionNumber", (3, 4)),
        ("AcquisitionTime", ("100035", "100110")),
    ],
)
@pytest.mark.parametrize("shift_mm", [0.0, 1.4])
def test_two_phases_in_one_series_are_split(keyword: str, values: tuple[Any, Any], shift_mm: float) -> None:
    arterial, portal = phantom(12, 48, "arterial"), phantom(12, 48, "portal")
    first = slices_of(arterial, study_uid="1.2.3", series_uid="1.2.3.4", **{keyword: values[0]})
    second = slices_of(
        portal,
        study_uid="1.2.3",
        series_uid="1.2.3.4",
        positions=at([3.0 * k + shift_mm for k in range(12)]),
        **{keyword: values[1]},
    )
    mixed = [ds for pair in zip(first, second, strict=True) for ds in pair]
    volumes = volumes_of(mixed)
    assert len(volumes) == 2
    assert all(Remark(Note.SPLIT, "2") in v.remarks for v in volumes)
    assert any(np.array_equal(v.hu, arterial) for v in volumes)
    assert any(np.array_equal(v.hu, portal) for v in volumes)


def a_pass(phase: str, shift_mm: float = 0.0, **elements: Any) -> list[Dataset]:
    """One of several in the same series."""
    where = at([3.0 * k + shift_mm for k in range(12)])
    return slices_of(phantom(12, 48, phase), study_uid="1.2.3", series_uid="1.2.3.4", positions=where, **elements)


def without(lost: list[int], datasets: list[Dataset]) -> list[Dataset]:
    return [ds for k, ds in enumerate(datasets) if k not in lost]


def each_at(datasets: list[Dataset], times: list[str]) -> list[Dataset]:
    """With a time of its own for every slice, as helical scanners write it."""
    for ds, time in zip(datasets, times, strict=True):
        ds.AcquisitionTime = time
    return datasets


PASSES: dict[str, list[dict[str, Any]]] = {
    "temporal": [{"TemporalPositionIdentifier": 1}, {"TemporalPositionIdentifier": 2}],
    "acquisition": [{"AcquisitionNumber": 1}, {"AcquisitionNumber": 3}],
    "time": [{"AcquisitionTime": "100035"}, {"AcquisitionTime": "100110"}],
}


@pytest.mark.parametrize("shift_mm", [0.0, 1.5])
@pytest.mark.parametrize("told_by", list(PASSES))
@pytest.mark.parametrize("lost", [[5], [5, 6]])
def test_a_pass_that_lost_a_slice_or_two_is_whole_and_they_are_filled_in(
    lost: list[int], told_by: str, shift_mm: float
) -> None:
    arterial, portal = PASSES[told_by]
    first, second = a_pass("arterial", shift_mm, **arterial), a_pass("portal", **portal)
    whole, repaired = volumes_of([*without(lost, first), *second])
    assert np.array_equal(whole.hu, phantom(12, 48, "portal"))
    kept = [k for k in range(12) if k not in lost]
    assert np.array_equal(repaired.hu[kept], phantom(12, 48, "arterial")[kept])
    assert notes(whole) == {Note.SPLIT}
    assert (notes(repaired), repaired.filled) == ({Note.SPLIT, Note.INTERPOLATED}, tuple(lost))
    both = volumes_of([*without(lost, first), *without([7], second)])
    assert [volume.filled for volume in both] in ([tuple(lost), (7,)], [(7,), tuple(lost)])


@pytest.mark.parametrize("shift_mm", [0.0, 1.5])
@pytest.mark.parametrize("told_by", list(PASSES))
@pytest.mark.parametrize("lost", [[4, 5, 6], [2, 4, 7]])
def test_a_pass_that_lost_more_is_dropped_and_said_and_never_mixed_into_the_whole_one(
    lost: list[int], told_by: str, shift_mm: float
) -> None:
    arterial, portal = PASSES[told_by]
    first, second = a_pass("arterial", shift_mm, **arterial), a_pass("portal", **portal)
    whole, dropped = stacks(series_of([*without(lost, first), *second]).slices)
    volume = build(whole)
    assert np.array_equal(volume.hu, phantom(12, 48, "portal"))
    assert Remark(Note.NOT_WHOLE, "1") in volume.remarks
    assert (dropped.refused, len(dropped.slices)) == (Reason.MISSING_SLICES, 9)
    assert reason_for([*without(lost, first), *without([4, 5, 6], second)]) is Reason.AMBIGUOUS


def test_what_one_number_holds_is_told_apart_by_its_times() -> None:
    """Two passes whose slices alternate evenly look like one whole stack."""
    several = [
        *a_pass("arterial", 1.5, AcquisitionNumber=1, AcquisitionTime="100035"),
        *a_pass("portal", AcquisitionNumber=1, AcquisitionTime="100110"),
        *a_pass("delayed", AcquisitionNumber=2, AcquisitionTime="100500"),
    ]
    assert sorted(len(volume.hu) for volume in volumes_of(several)) == [12, 12, 12]


@pytest.mark.parametrize("lost", [[], [5]])
def test_passes_whose_slices_each_have_their_own_time_are_told_apart_by_the_pause_between_them(lost: list[int]) -> None:
    first = each_at(a_pass("arterial", 1.5), [f"1000{35 + 0.3 * k:05.2f}" for k in range(12)])
    second = each_at(a_pass("portal"), [f"1001{10 + 0.3 * k:05.2f}" for k in range(12)])
    volumes = volumes_of([*without(lost, first), *second])
    assert sorted(volume.filled for volume in volumes) == [(), tuple(lost)]
    assert any(np.array_equal(volume.hu, phantom(12, 48, "portal")) for volume in volumes)


@pytest.mark.parametrize("places", [[13.2], [13.2, 14.2], [13.2] * 5, [15.0], [33.0]])
def test_images_that_time_the_contrast_are_no_anatomy_between_the_slices(places: list[float]) -> None:
    """Taken before the scan, at one place or two, and left in its series."""
    timing = slices_of(
        phantom(len(places), 48, "native", noise=60.0),
        study_uid="1.2.3",
        series_uid="1.2.3.4",
        positions=at(places),
        AcquisitionNumber=1,
        SliceThickness=10.0,
    )
    volume = volume_of([*timing, *a_pass("portal", AcquisitionNumber=3)])
    assert np.array_equal(volume.hu, phantom(12, 48, "portal"))
    assert Remark(Note.STRAYS, str(len(places))) in volume.remarks


@pytest.mark.parametrize("pause_s", [0.4, 20.0])
@pytest.mark.parametrize("each", [1, 2, 5])
def test_blocks_one_after_the_other_are_one_pass_however_many_numbers_and_times_they_have(
    each: int, pause_s: float, plain: Volume
) -> None:
    """Breath holds, step and shoot; the last block is shorter than the others."""
    blocks = good()
    for k, ds in enumerate(blocks):
        ds.AcquisitionNumber = 1 + k // each
        ds.AcquisitionTime = f"10{(minute := int(k // each * pause_s)) // 60:02d}{minute % 60 + k * 0.01:05.2f}"
    volume = volume_of(blocks)
    assert same(volume, plain)
    assert volume.remarks == ()
    lacking = volume_of([ds for k, ds in enumerate(blocks) if k != 6])
    assert notes(lacking) == {Note.INTERPOLATED}


def test_times_at_which_images_were_made_tell_no_passes_apart(plain: Volume) -> None:
    """A computer that makes them side by side finishes them in any order."""
    made = good()
    for k, ds in enumerate(made):
        del ds.AcquisitionTime
        ds.ContentTime = ("100110", "100120")[k in (1, 2, 3, 8)]
    assert same(volume_of(made), plain)


def test_consecutive_blocks_of_one_pass_stay_together(plain: Volume) -> None:
    blocks = good()
    for k, ds in enumerate(blocks):
        ds.AcquisitionNumber = 1 + k // 4
    assert same(volume_of(blocks), plain)


def halves(*bounds: tuple[int, int], phase: str = "portal", first: int = 1) -> list[Dataset]:
    """A pass in several breath holds, each with an acquisition number and noise of its own."""
    return [
        ds
        for number, (start, end) in enumerate(bounds, start=first)
        for ds in slices_of(
            phantom(12, 48, phase)[start:end] + np.int16(number),
            study_uid="1.2.3",
            series_uid="1.2.3.4",
            positions=at([3.0 * k for k in range(start, end)]),
            AcquisitionNumber=number,
            AcquisitionTime=f"10{number:02d}00",
        )
    ]


def test_half_a_scan_is_never_taken_for_the_scan() -> None:
    assert reason_for(halves((0, 7), (6, 12))) is Reason.AMBIGUOUS
    lacking = [ds for k, ds in enumerate(halves((0, 7), (6, 12))) if k != 9]
    assert reason_for(lacking) is Reason.AMBIGUOUS
    both = [*halves((0, 6), (6, 12), phase="arterial"), *halves((0, 6), (6, 12), first=3)]
    portal = phantom(12, 48) + np.repeat([3, 4], 6)[:, None, None]
    volumes = volumes_of(both)
    assert len(volumes) == 2
    assert any(np.array_equal(volume.hu, portal) for volume in volumes)
    for ds in both:
        ds.AcquisitionTime = ""
    assert reason_for(both) is Reason.AMBIGUOUS


def test_blocks_that_share_a_border_are_one_volume_when_its_slice_is_a_copy() -> None:
    blocks = halves((0, 7), (6, 12))
    blocks[6].PixelData = blocks[7].PixelData
    volume = volume_of(blocks)
    assert len(volume.hu) == 12
    assert Remark(Note.DUPLICATES, "1") in volume.remarks


def test_a_pass_over_the_liver_alone_stands_beside_one_over_all_of_the_abdomen() -> None:
    volumes = volumes_of([*halves((6, 12), phase="arterial"), *halves((0, 12), first=2)])
    assert sorted(len(volume.hu) for volume in volumes) == [6, 12]


@pytest.mark.parametrize("keyword", ["AcquisitionTime", "AcquisitionNumber", "TemporalPositionIdentifier"])
@pytest.mark.parametrize("silent", [[5], [0, 3, 7, 8], [10, 11]])
def test_slices_that_do_not_say_belong_to_the_pass_around_them(keyword: str, silent: list[int], plain: Volume) -> None:
    some = good()
    for k, ds in enumerate(some):
        setattr(ds, keyword, None if k in silent else "100100" if keyword == "AcquisitionTime" else 1)
    volume = volume_of(some)
    assert same(volume, plain)
    assert volume.remarks == ()


@pytest.mark.parametrize("shift_mm", [0.0, 1.5])
def test_a_pass_that_does_not_say_is_not_mixed_into_one_that_does(shift_mm: float) -> None:
    first, second = a_pass("arterial", shift_mm, AcquisitionNumber=None), a_pass("portal", AcquisitionNumber=1)
    for ds in (*first, *second):
        ds.AcquisitionTime = "100035"
    for lost in ([], [5]):
        found = volumes_of([*without(lost, first), *second])
        assert sorted(volume.filled for volume in found) == [(), tuple(lost)]
        assert any(np.array_equal(volume.hu, phantom(12, 48, "portal")) for volume in found)


def test_images_made_side_by_side_are_one_pass_and_tell_two_at_one_place_apart(plain: Volume) -> None:
    made = good(AcquisitionTime="100100")
    for k, ds in enumerate(made):
        ds.ContentTime = ("100200", "100201")[k % 2]
    assert same(volume_of(made), plain)
    phases = [a_pass(name, ContentTime=at_s) for name, at_s in (("arterial", "100200"), ("portal", "100300"))]
    both = [ds for one in phases for ds in one]
    for ds in both:
        ds.AcquisitionTime = "100035"
    assert len(volumes_of(both)) == 2


def test_two_blocks_in_turns_are_no_two_passes_with_slices_lost() -> None:
    """Each lacks half of what it covers, two slices in a row at most."""
    turns = good()
    for k, ds in enumerate(turns):
        ds.AcquisitionTime = ("100100", "100101")[k // 2 % 2]
    assert len(volume_of(turns).hu) == 12


def running(
    datasets: list[Dataset], start_s: float, step_s: float = 0.1, keyword: str = "AcquisitionTime"
) -> list[Dataset]:
    """With times that run on from slice to slice, in seconds after ten."""
    for k, ds in enumerate(datasets):
        setattr(ds, keyword, f"10{int(start_s // 60):02d}{start_s % 60 + step_s * k:05.2f}")
    return datasets


@pytest.mark.parametrize("each_its_own", [False, True])
def test_where_the_acquisition_time_is_a_copy_the_time_the_images_were_made_tells(each_its_own: bool) -> None:
    first, second = (
        a_pass(name, shift, AcquisitionTime="100000") for name, shift in (("arterial", 1.5), ("portal", 0.0))
    )
    step = 0.5 if each_its_own else 0.0
    both = [*running(first, 60.0, step, "ContentTime"), *running(second, 150.0, step, "ContentTime")]
    volumes = volumes_of(both)
    assert len(volumes) == 2
    assert any(np.array_equal(volume.hu, phantom(12, 48, "portal")) for volume in volumes)


@pytest.mark.parametrize("shift_mm", [0.0, 1.5])
@pytest.mark.parametrize("there_and_back", [False, True])
def test_a_shuttle_that_goes_back_without_a_pause_makes_two_passes(there_and_back: bool, shift_mm: float) -> None:
    first, second = running(a_pass("arterial", shift_mm), 30.0), a_pass("portal")
    running(second[::-1] if there_and_back else second, 33.0)
    volumes = volumes_of([*first, *second])
    assert len(volumes) == 2
    assert any(np.array_equal(volume.hu, phantom(12, 48, "portal")) for volume in volumes)


def test_what_a_long_scan_costs_grows_with_its_slices_and_not_with_their_square(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each slice has a time of its own, as helical scanners write it."""
    [first, *_] = series_of(good()).slices
    x, y, _ = first.frame.position
    located: list[int] = []

    def counted(frames: Sequence[Frame]) -> Any:
        located.append(len(frames))
        return places(frames)

    for module in ("geometry", "stacks", "telling"):
        monkeypatch.setattr(f"cds.imaging.{module}.places", counted)
    frames = [replace(first.frame, position=(x, y, 0.5 * k), time=f"1000{30 + 0.01 * k:05.2f}") for k in range(500)]
    # turns of the gantry with a number each, of which every other gave a single slice
    turns = [replace(frame, acquisition=f"{k // 4}{'ab'[k % 4 > 0]}") for k, frame in enumerate(frames)]
    for several in (frames, turns):
        located.clear()
        [stack] = stacks([replace(first, frame=frame) for frame in several])
        assert len(stack.slices) == 500
        assert sum(located) < 100 * 500


def test_images_at_one_place_are_compared_whole_only_where_they_may_be_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """As CT fluoroscopy leaves them, by the hundred."""
    still = slices_of(phantom(1, 48).repeat(60, axis=0), positions=at([0.0] * 60))
    for ds in still:
        put_hu(ds, np.random.default_rng().integers(-1000, 1000, (48, 48)).astype(np.int16))
    put_hu(still[9], hu := phantom(1, 48)[0])
    put_hu(still[50], hu)
    compared: list[object] = []
    whole = np.array_equal
    slices = series_of(still).slices
    monkeypatch.setattr(np, "array_equal", lambda a, b: compared.append(a) or whole(a, b))
    [stack] = stacks(slices)
    assert (len(stack.slices), stack.remarks) == (59, (Remark(Note.DUPLICATES, "1"),))
    assert len(compared) == 1


@pytest.mark.parametrize("told_by", ["made", "turn"])
def test_a_pass_with_a_long_hole_is_not_mixed_into_the_one_it_goes_before(told_by: str) -> None:
    whole, dropped = stacks(series_of(two_passes(told_by, [8, 9, 10])).slices)
    assert np.array_equal(build(whole).hu, phantom(20, 48, "portal"))
    assert (dropped.refused, len(dropped.slices)) == (Reason.MISSING_SLICES, 17)


@pytest.mark.parametrize("shift_mm", [0.7, 1.0, 1.5, 2.2])
@pytest.mark.parametrize("lost", [range(8, 13), (2, 5, 7, 8, 11, 14, 15), range(2, 18)])
@pytest.mark.parametrize("told_by", ["made", "turn"])
def test_a_pass_that_lacks_more_than_a_fifth_is_not_mixed_into_another(
    told_by: str, lost: Sequence[int], shift_mm: float
) -> None:
    """What may tell them apart tells no whole passes, and together they are no row of slices of one."""
    assert reason_for(two_passes(told_by, list(lost), shift_mm)) is Reason.AMBIGUOUS


def two_passes(told_by: str, lost: list[int], shift_mm: float = 1.5) -> list[Dataset]:
    """Only when the images were made tells them apart, or the table's way back."""
    first, second = (
        slices_of(
            phantom(20, 48, phase),
            study_uid="1.2.3",
            series_uid="1.2.3.4",
            positions=at([3.0 * k + shift for k in range(20)]),
            AcquisitionTime="100000",
        )
        for phase, shift in (("arterial", shift_mm), ("portal", 0.0))
    )
    step, keyword = (0.0, "ContentTime") if told_by == "made" else (0.1, "AcquisitionTime")
    running(first, 30.0, step, keyword)
    running(second, 33.0, step, keyword)
    return [*without(lost, first), *second]


@pytest.mark.parametrize("lost", [[], [5], [12, 13]])
def test_images_of_one_pass_made_in_any_order_are_one_pass_though_it_lost_a_slice(lost: list[int]) -> None:
    made = slices_of(phantom(60, 48), study_uid="1.2.3", series_uid="1.2.3.4", AcquisitionTime="100000")
    for k, ds in enumerate(made):
        ds.ContentTime = f"1001{10 + (k * 7 % 5):02d}"
    assert volume_of(without(lost, made)).filled == tuple(lost)


@pytest.mark.parametrize("lost", [[], [5]])
@pytest.mark.parametrize("told_by", ["number", "pause", "turn"])
def test_slices_taken_in_turns_are_one_pass(told_by: str, lost: list[int], plain: Volume) -> None:
    """Interspaced axial scans: each run has holes as wide as its slices."""
    turns = good()
    for k, ds in enumerate(turns):
        if told_by == "number":
            ds.AcquisitionNumber = 1 + k % 2
        else:
            ds.AcquisitionTime = f"1000{30 + (8 if told_by == 'pause' else 3) * (k % 2) + 0.1 * k:05.2f}"
    volume = volume_of(without(lost, turns))
    assert len(volume.hu) == 12
    assert volume.filled == tuple(lost)
    if not lost:
        assert same(volume, plain)


def test_two_phases_of_widely_spaced_slices_are_no_slices_taken_in_turns() -> None:
    first = a_pass("arterial", 1.5, SliceThickness=1.5, AcquisitionTime="100035")
    volumes = volumes_of([*first, *a_pass("portal", SliceThickness=1.5, AcquisitionTime="100110")])
    assert len(volumes) == 2


@pytest.mark.parametrize("time", ["100035", ""])
@pytest.mark.parametrize(("step_mm", "shift_mm"), [(5.0, 1.5), (5.0, 2.5), (6.0, 2.8)])
def test_two_phases_whose_slices_leave_holes_are_no_slices_taken_in_turns(
    step_mm: float, shift_mm: float, time: str
) -> None:
    """Slices of 3 mm, two passes with one time for both or none: together they would be one alternating volume."""
    both = [
        slices_of(
            phantom(12, 48, phase),
            study_uid="1.2.3",
            series_uid="1.2.3.4",
            positions=at([step_mm * k + shift for k in range(12)]),
            SliceThickness=3.0,
            AcquisitionNumber=number,
            AcquisitionTime=time,
        )
        for phase, shift, number in (("arterial", shift_mm, 1), ("portal", 0.0, 2))
    ]
    found = stacks(series_of([ds for one in both for ds in one]).slices)
    assert [len(stack.slices) for stack in found] == [12, 12]
    assert all(len({one.frame.acquisition for one in stack.slices}) == 1 for stack in found)


@pytest.mark.parametrize("said", [4.0, None])
def test_a_few_slices_of_each_pass_that_say_another_thickness_or_none_are_no_reconstruction(said: float | None) -> None:
    phases = ("arterial", "portal")
    passes = [a_pass(name, AcquisitionNumber=number) for number, name in enumerate(phases, start=1)]
    for ds in (one[k] for one in passes for k in (1, 4, 8)):
        ds.SliceThickness = said
    volumes = volumes_of([ds for one in passes for ds in one])
    assert len(volumes) == 2
    for name in phases:
        assert any(np.array_equal(volume.hu, phantom(12, 48, name)) for volume in volumes)


def test_slices_in_turns_with_and_without_a_thickness_are_one_pass(plain: Volume) -> None:
    some = good()
    for ds in some[::2]:
        ds.SliceThickness = None
    assert same(volume_of(some), plain)
