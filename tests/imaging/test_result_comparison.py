"""Therapy response over time: what changed, what is new, and the thresholds of RECIST 1.1 at their edges."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cds.imaging.results.comparison import Comparison, Response, WhyNot, compared
from cds.imaging.results.findings import Findings, Lesion, restored

SHA = "cd" * 32


def lesion(number: int, longest: float, offset: tuple[float, float, float] = (20.0, 0.0, 0.0), **more: Any) -> Lesion:
    values = {
        "likelihood": 0.9,
        "category": "high",
        "position": offset,
        "volume_ml": longest**3 / 2000,
        "slice_uid": "1.2",
        "frame": 1,
        "tracking_uid": more.pop("uid", f"2.25.{number}{int(longest * 10)}"),
        "tracking_id": f"L{number}",
    } | more
    return Lesion(number=number, longest_mm=longest, offset=offset, **values)


def findings(study: str, *lesions: Lesion, **more: Any) -> Findings:
    values = {"model": "m", "version": "1", "sha256": SHA, "category": "high", "likelihood": 0.9} | more
    return Findings(f"1.2.{study}", f"1.2.{study}.1", f"2026010{study}", lesions=lesions, **values)


def followed(*longest: float, **more: Any) -> Comparison:
    """One lesion through several scans, each compared and tracked as the product does."""
    past: list[Findings] = []
    last: Comparison | None = None
    for index, size in enumerate(longest, start=1):
        now = findings(str(index), lesion(1, size), **more)
        last = compared(past, now, "low")
        past.append(last.findings if last is not None else now)
    assert last is not None
    return last


@pytest.mark.parametrize(
    ("sizes", "response"),
    [
        ((30.0, 30.0), Response.STABLE),
        ((30.0, 35.9), Response.STABLE),
        ((30.0, 36.0), Response.PROGRESSION),
        ((20.0, 24.9), Response.STABLE),  # 24.5 % but less than 5 mm
        ((20.0, 25.0), Response.PROGRESSION),
        ((30.0, 21.1), Response.STABLE),
        ((30.0, 21.0), Response.RESPONSE),
        ((40.0, 20.0, 24.9), Response.RESPONSE),  # 5 mm short of the smallest, still 30 % below the first
        ((40.0, 20.0, 25.0), Response.PROGRESSION),  # against the smallest, not the first
        ((40.0, 30.0, 29.0), Response.STABLE),
    ],
)
def test_thresholds_hold_to_the_tenth_of_a_millimetre(sizes: tuple[float, ...], response: Response) -> None:
    assert followed(*sizes).response is response


def test_volume_and_diameter_change_are_against_the_last_scan() -> None:
    found = followed(40.0, 20.0, 24.0)
    (change,) = found.changes
    assert change.longest_mm == pytest.approx(4.0)
    assert change.longest_share == pytest.approx(0.2)
    assert change.volume_share == pytest.approx(1.2**3 - 1)
    assert (found.first_mm, found.smallest_mm, found.sum_mm) == (40.0, 20.0, 24.0)
    assert found.since == "20260102"


def test_organ_and_duct_are_compared() -> None:
    before = findings("1", lesion(1, 20.0), organ_ml=80.0, duct_mm=3.0)
    found = compared([before], findings("2", lesion(1, 20.0), organ_ml=72.5, duct_mm=6.0), "low")
    assert found is not None
    assert (found.organ_ml, found.duct_mm) == (-7.5, 3.0)


def test_a_lesion_is_followed_by_its_place_in_the_organ_not_by_its_number() -> None:
    a, b = (20.0, 0.0, 0.0), (-40.0, 5.0, 10.0)
    before = findings("1", lesion(1, 20.0, a, uid="2.25.1"), lesion(2, 15.0, b, uid="2.25.2"))
    now = findings("2", lesion(1, 16.0, (-38.0, 4.0, 13.0)), lesion(2, 21.0, (24.0, 1.0, -3.0)))
    found = compared([before], now, "low")
    assert found is not None
    assert [one.tracking_uid for one in found.findings.lesions] == ["2.25.2", "2.25.1"]
    assert (found.new, found.gone) == ((), ())


def test_a_new_lesion_is_progression_and_one_of_the_lowest_category_is_none() -> None:
    before = findings("1", lesion(1, 20.0))
    far = (-50.0, 10.0, 0.0)
    found = compared([before], findings("2", lesion(1, 20.0), lesion(2, 8.0, far)), "low")
    assert found is not None
    assert (found.new, found.response) == ((2,), Response.PROGRESSION)
    faint = compared([before], findings("2", lesion(1, 20.0), lesion(2, 8.0, far, category="low")), "low")
    assert faint is not None
    assert (faint.new, faint.response) == ((), Response.STABLE)


def test_a_lesion_not_found_again_is_never_called_a_response() -> None:
    found = compared([findings("1", lesion(1, 20.0, uid="2.25.7"))], findings("2"), "low")
    assert found is not None
    assert (found.response, found.why_not) == (Response.NOT_EVALUABLE, WhyNot.NOT_FOUND)
    assert found.gone == ("2.25.7",)
    assert "complete" not in {response.value for response in Response}


@pytest.mark.parametrize(("longest", "slices"), [(9.9, 3.0), (13.9, 7.0)])
def test_what_is_too_small_for_the_slices_is_no_target(longest: float, slices: float) -> None:
    found = followed(longest, longest + 10, slice_mm=slices)
    assert (found.response, found.why_not) == (Response.NOT_EVALUABLE, WhyNot.NO_TARGET)


def test_two_lesions_of_one_organ_are_summed_and_a_third_is_not() -> None:
    places = [(0.0, 0.0, 0.0), (60.0, 0.0, 0.0), (-60.0, 0.0, 0.0)]
    before = findings("1", *(lesion(n, s, p) for n, s, p in zip((1, 2, 3), (30.0, 20.0, 12.0), places, strict=True)))
    now = findings("2", *(lesion(n, s, p) for n, s, p in zip((1, 2, 3), (31.0, 21.0, 40.0), places, strict=True)))
    found = compared([before], now, "low")
    assert found is not None
    assert (found.first_mm, found.sum_mm) == (50.0, 52.0)


def test_another_version_of_the_model_is_no_time_point() -> None:
    before = findings("1", lesion(1, 20.0), version="0.9")
    found = compared([before], findings("2", lesion(1, 40.0)), "low")
    assert found is not None
    assert (found.response, found.why_not, found.changes) == (Response.NOT_EVALUABLE, WhyNot.OTHER_MODEL, ())


@pytest.mark.parametrize("cut", ["this", "before"])
def test_a_scan_that_ends_inside_the_organ_is_compared_with_none(cut: str) -> None:
    """18 mm of 30 in view are no response, nor 30 after 18 a progression, and the organ's centre is elsewhere."""
    sizes, far = {"this": (30.0, 18.0), "before": (18.0, 30.0)}[cut], (-50.0, 10.0, 0.0)
    before = findings("1", lesion(1, sizes[0]), organ_ml=80.0, duct_mm=3.0, cut_off=cut == "before")
    now = findings("2", lesion(1, sizes[1]), lesion(2, 12.0, far), organ_ml=40.0, duct_mm=6.0, cut_off=cut == "this")
    found = compared([before], now, "low")
    assert found is not None
    assert (found.response, found.why_not) == (Response.NOT_EVALUABLE, WhyNot.CUT_OFF)
    assert (found.changes, found.new, found.gone, found.organ_ml, found.duct_mm) == ((), (), (), None, None)
    assert found.since == "20260101"
    gone = compared([replace(before, lesions=now.lesions)], replace(now, lesions=()), "low")
    assert gone is not None
    assert gone.gone == ()


@pytest.mark.parametrize("cut", [1, 2])
def test_a_scan_that_ends_inside_the_organ_is_no_time_point_of_those_after_it(cut: int) -> None:
    past: list[Findings] = []
    for number in (1, 2):
        one = findings(str(number), lesion(1, 12.0 if number == cut else 30.0), cut_off=number == cut)
        found = compared(past, one, "low")
        past.append(found.findings if found is not None else one)
    found = compared(past, findings("3", lesion(1, 30.0)), "low")
    assert found is not None
    assert (found.response, found.first_mm, found.smallest_mm) == (Response.STABLE, 30.0, 30.0)
    assert found.since == ("20260102" if cut == 1 else "20260101")


def test_findings_of_an_earlier_version_are_restored_as_whole() -> None:
    stored = findings("1", lesion(1, 20.0)).stored()
    del stored["cut_off"]
    assert restored(stored) == findings("1", lesion(1, 20.0))


def test_the_same_study_again_and_a_first_study_have_nothing_to_compare() -> None:
    assert compared([], findings("1", lesion(1, 20.0)), "low") is None
    assert compared([findings("1", lesion(1, 20.0))], findings("1", lesion(1, 40.0)), "low") is None
