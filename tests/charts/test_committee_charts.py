"""The committee's plots say what they were given, and are pictures where a page is no use."""

from __future__ import annotations

import pytest
from drawn import ALL, by_site, day, over_weeks, right_or_wrong
from reading import texts

from cds.cards.phrasebook import Catalogues
from cds.charts import (
    CalibrationWords,
    IntervalRow,
    IntervalWords,
    Observed,
    Point,
    Series,
    TrendWords,
    as_png,
    calibration,
    intervals,
    trend,
)

NARROW = pytest.mark.parametrize("narrow", [False, True], ids=["page", "phone"])


@NARROW
def test_what_could_not_be_measured_is_said_on_its_row(narrow: bool) -> None:
    assert any("not enough data" in text for text in texts(by_site(narrow=narrow)))


@NARROW
def test_limits_are_named_on_a_trend(narrow: bool) -> None:
    found = texts(over_weeks(narrow=narrow))
    assert {"act", "watch", "age", "weight"} <= set(found)
    assert "2025-09-01" in found


def test_an_axis_is_marked_as_the_language_writes_numbers_with_a_minus() -> None:
    dutch = Catalogues([]).book("nl").figure
    row = IntervalRow("a", -0.25, -0.55, 0.05, "")
    said = texts(intervals((row,), 0.0, IntervalWords("x", figure=dutch), "t", "d"))
    assert "−0,3" in said
    assert not [text for text in said if "-" in text or "." in text]
    assert "−30%" in texts(intervals((row,), 0.0, IntervalWords("x"), "t", "d", percent=True))
    points = tuple(Point(day(n), 0.05 * n) for n in range(3))
    words = TrendWords("x", "", dutch, Catalogues([]).book("nl").day)
    assert {"0,05", "1 sep 2025"} <= set(texts(trend((Series("", points),), (), words, "t", "d")))


def test_nothing_measured_yet_is_said() -> None:
    words = TrendWords("Index", "nothing measured yet")
    assert "nothing measured yet" in texts(trend((Series("", ()),), (), words, "t", "d"))
    assert "no site" in texts(intervals((), None, IntervalWords("x", nothing="no site"), "t", "d"))
    with pytest.raises(ValueError, match="needs groups or a curve"):
        calibration((), None, CalibrationWords("p", "o", "x"), "t", "d")


def test_one_evaluation_alone_and_equal_values_are_drawn() -> None:
    one = trend((Series("", (Point(day(0), 0.0),)),), (), TrendWords("Index", ""), "t", "d")
    assert "2025-09-01" in texts(one)
    even = intervals((IntervalRow("a", 0.0, 0.0, 0.0, "0"),), 0.0, IntervalWords("x"), "t", "d")
    assert "a" in texts(even)
    with pytest.raises(ValueError, match="finite"):
        intervals((IntervalRow("a", float("inf"), 0.0, 0.0, "0"),), 0.0, IntervalWords("x"), "t", "d")


def test_where_nothing_is_measured_the_axis_of_an_auc_stays_below_one() -> None:
    for narrow in (False, True):
        drawn = intervals(
            (IntervalRow("a", None, None, None, "-"),), 0.6, IntervalWords("AUC"), "t", "d", narrow=narrow
        )
        marks = [float(text) for text in texts(drawn) if text.replace(".", "").isdigit()]
        assert marks and max(marks) < 1


def test_rare_events_get_axes_that_show_them() -> None:
    words = CalibrationWords("Predicted", "Happened", "as predicted")
    found = texts(calibration((Observed(0.004, 0.006, 0.001, 0.3),), None, words, "t", "d"))
    assert "1%" in found and "100%" not in found


@pytest.mark.parametrize("name", ALL)
def test_every_chart_is_a_picture_too_and_a_page_s_chart_stays_one(name: str) -> None:
    picture = as_png(ALL[name])
    assert picture[:8] == b"\x89PNG\r\n\x1a\n" and len(picture) > 4000
    assert ALL[name]().markup.startswith("<svg")


def test_a_picture_has_the_colours_of_daylight() -> None:
    from io import BytesIO

    from PIL import Image

    image = Image.open(BytesIO(as_png(right_or_wrong))).convert("RGB")
    assert image.getpixel((2, 2)) == (255, 255, 255)
    assert (0, 94, 184) in {colour for _, colour in image.getcolors(1 << 24)}


def test_a_long_name_of_a_group_is_whole_beside_its_figure() -> None:
    row = IntervalRow("taal van de patiënt: Nederlands", 0.0, -0.029, 0.06, "0% (−2,9% tot 6%)")
    wide = texts(intervals((row,), 0.0, IntervalWords("x", even="geen verschil"), "t", "d"))
    assert {"taal van de patiënt:", "Nederlands"} <= set(wide)
    narrow = texts(intervals((row,), 0.0, IntervalWords("x", even="geen verschil"), "t", "d", narrow=True))
    assert {row.label, row.text} <= set(narrow)
