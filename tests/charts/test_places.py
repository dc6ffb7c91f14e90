"""Points lie where the numbers say: read back from the drawing by the inverse of its axes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from drawn import (
    ALIVE,
    BENEFIT,
    CURVE_WORDS,
    MONTHS,
    OF_ALL,
    POINTS,
    TIMES,
    WORDS,
    bars,
    curve,
    day,
    decision,
    lanes,
    peers,
    people,
    work,
)
from reading import SVG, marks_of, named, path_of, text_at, texts

from cds.charts import (
    Bar,
    BarWords,
    CurveLine,
    EventLane,
    Lane,
    Marks,
    PictographWords,
    TimelineWords,
    TradeoffWords,
    contributions,
    pictograph,
    survival,
    timeline,
    tradeoff,
)

NARROW = pytest.mark.parametrize("narrow", [False, True], ids=["page", "phone"])


@NARROW
def test_the_curve_runs_through_its_values(narrow: bool) -> None:
    svg = curve(narrow=narrow)
    corners = path_of(svg, "curve-main")
    (x0, y0), last = corners[0], corners[-1]
    months = [(x - x0) / (last[0] - x0) * 36 for x, _y in corners]
    drop = (last[1] - y0) / (1 - ALIVE[-1])
    assert months == pytest.approx(TIMES, abs=0.02)
    assert [1 - (y - y0) / drop for _x, y in corners] == pytest.approx(ALIVE, abs=0.002)
    # the axis agrees: 36 months from its own labels
    assert text_at(svg, "12")[0] - text_at(svg, "6")[0] == pytest.approx((last[0] - x0) / 6, abs=0.2)


def test_milestones_stand_on_the_curve_and_say_their_figure() -> None:
    svg = curve()
    corners = path_of(svg, "curve-main")
    assert marks_of(svg, "milestones") == [pytest.approx(corners[m], abs=0.15) for m in (6, 12, 24)]
    assert {"63 of 100", "40 of 100", "16 of 100"} <= set(texts(svg))


def test_the_typical_range_is_as_long_as_it_says_and_a_best_case_beyond_the_curve_points_on() -> None:
    svg = curve()
    (begin, _), (end, _) = path_of(svg, "range-typical")
    pixels = text_at(svg, "24")[0] - text_at(svg, "12")[0]
    assert (end - begin) / pixels * 12 == pytest.approx(18.0 - 3.7, abs=0.05)
    assert marks_of(svg, "later-best")
    assert not marks_of(svg, "range-best")


def test_trial_points_lie_at_their_month_and_percentage() -> None:
    svg = curve()
    corners = path_of(svg, "curve-main")
    (x6, y6), (x12, y12) = marks_of(svg, "trial-0")
    assert (x6, x12) == pytest.approx((corners[6][0], corners[12][0]), abs=0.15)
    percent = (corners[-1][1] - corners[0][1]) / (100 * (1 - ALIVE[-1]))
    assert (y12 - y6) / percent == pytest.approx(75.9 - 48.4, abs=0.2)


def test_a_curve_of_one_point_is_a_point() -> None:
    svg = survival((CurveLine("One", (12.0,), (0.4,)),), None, (), CURVE_WORDS, "t", "d")
    assert marks_of(svg, "milestones")


def test_a_curve_of_weeks_and_one_of_decades_have_readable_axes() -> None:
    for last in (0.7, 3.0, 240.0):
        line = CurveLine("x", (0.0, last), (1.0, 0.5))
        marks = Marks(None, None, None, None, "a", "b", "c")
        svg = survival((line,), marks, (), CURVE_WORDS, "t", "d", narrow=True)
        assert "0" in texts(svg)
        assert len(texts(svg)) < 25


def test_a_curve_needs_its_bounds_in_pairs_and_as_many_values_as_times() -> None:
    with pytest.raises(ValueError, match="two bounds"):
        CurveLine("x", (0.0, 1.0), (1.0, 0.5), lower=(1.0, 0.4))
    with pytest.raises(ValueError, match="as many values"):
        CurveLine("x", (0.0, 1.0), (1.0,))
    with pytest.raises(ValueError, match="needs a curve"):
        survival((), None, (), CURVE_WORDS, "t", "d")


def test_a_hundred_people_are_a_hundred() -> None:
    svg = people()
    assert len(marks_of(svg, "alive")) == 40
    assert len(marks_of(svg, "died")) == 60
    assert "40 of 100 alive" in texts(svg)


def test_on_a_phone_a_long_finding_is_read_to_its_end() -> None:
    rows = (
        Bar("Change in weight over the year before onset: -6.84 kg/year", 6.0, "raises it by 6"),
        Bar("b", -1.0, ""),
    )
    said = texts(contributions(rows, BarWords(), "t", "d", narrow=True))
    assert [one for one in said if one.endswith("…")] == []
    assert "kg/year" in said and any(one.endswith(": -6.84") for one in said)


def test_on_a_phone_a_limit_is_not_written_over_the_newest_value() -> None:
    points = tuple((day(n), v, f"{v:g}") for n, v in ((0, 33.0), (300, 38.0), (690, 57.0)))
    lane, words = Lane("HbA1c", "mmol/mol", points, reference=(None, 48.0)), replace(WORDS, limit="limit")
    svg = timeline((lane,), (), day(-60), day(760), words, "t", "d", narrow=True)
    (x, y), (limit_x, limit_y) = text_at(svg, "57"), text_at(svg, "limit 48")
    assert abs(limit_y - y) > 10 or abs(limit_x - x) > 60


@pytest.mark.parametrize("alive", [0, 100])
def test_nobody_and_everybody_can_be_drawn(alive: int) -> None:
    svg = pictograph(alive, alive, alive, PictographWords("h", "a", "d", "o"), "t", "d")
    assert len(marks_of(svg, "alive")) == alive
    assert "o" not in texts(svg)


def test_a_tile_stands_under_each_who_could_be_either() -> None:
    svg = pictograph(40, 30, 49, PictographWords("h", "a", "d", "o"), "t", "d")
    (drawn,) = (e.get("d", "") for group in named(svg, "open") for e in group.iter(f"{SVG}path"))
    assert drawn.count("M") == 49 - 30
    assert drawn.startswith("M10.5 100.5")  # the first of the fourth row


def test_an_interval_that_does_not_hold_its_estimate_is_refused() -> None:
    with pytest.raises(ValueError, match="lower <= alive"):
        pictograph(40, 41, 50, PictographWords("h", "a", "d", "o"), "t", "d")


@NARROW
def test_bars_are_as_long_as_their_values(narrow: bool) -> None:
    svg = bars(narrow=narrow)
    lengths = [path_of(svg, f"bar-{n}") for n in (0, 1)]
    zero = lengths[0][0][0]
    up, down = (corners[1][0] - zero for corners in lengths)
    assert up / down == pytest.approx(1.2 / -0.4, rel=0.01)


def test_bars_of_nothing_say_so_and_bars_of_any_size_stay_on_the_sheet() -> None:
    words = BarWords("axis", "lowers", "raises", "nothing weighs")
    assert "nothing weighs" in texts(contributions((), words, "t", "d"))
    for value in (1e-9, 1e12, -1e12, 0.0):
        svg = contributions((Bar("a", value, "a long text at the end of the bar"),), words, "t", "d", narrow=True)
        assert all(0 <= x <= 360 for x, _y in path_of(svg, "bar-0"))
    with pytest.raises(ValueError, match="finite"):
        contributions((Bar("a", float("nan"), ""),), words, "t", "d")


@NARROW
def test_risks_share_an_axis_from_zero(narrow: bool) -> None:
    svg = peers(narrow=narrow)
    zero, three = text_at(svg, "0")[0], text_at(svg, "3")[0]
    (mine, _), (theirs, _) = marks_of(svg, "value-0")[0], marks_of(svg, "value-1")[0]
    assert (mine - zero) / (three - zero) * 3 == pytest.approx(3.4, abs=0.03)
    assert (theirs - zero) / (three - zero) * 3 == pytest.approx(0.4, abs=0.03)
    (begin, _), (end, _) = path_of(svg, "interval-0")
    assert ((begin - zero) / (three - zero) * 3, (end - zero) / (three - zero) * 3) == pytest.approx(
        (2.1, 5.2), abs=0.03
    )


@NARROW
def test_measurements_lie_at_their_day_and_on_a_logarithmic_scale(narrow: bool) -> None:
    svg = lanes(narrow=narrow)
    spots = marks_of(svg, "points-0")
    x = [spot[0] for spot in spots]
    assert (x[2] - x[0]) / (x[4] - x[0]) == pytest.approx(70 / 220, abs=0.002)
    decade = text_at(svg, "100")[1] - text_at(svg, "1 000")[1]
    assert (spots[2][1] - spots[1][1]) / decade == pytest.approx(0.7618, abs=0.01)  # log10(5200 / 900)


def test_a_treatment_that_goes_on_reaches_today_and_has_an_arrow() -> None:
    svg = lanes()
    assert len(named(svg, "span-0")) == 2
    ((x, _y),) = marks_of(svg, "goes-on-0")
    assert x == pytest.approx(960 - 24, abs=3)


def test_periods_to_be_careful_with_are_shaded_and_labelled() -> None:
    svg = lanes()
    assert len(named(svg, "shade")) == 1
    assert {"bile obstructed", "halved"} <= set(texts(svg))
    assert "nothing measured" in texts(svg)


def test_days_keep_their_length_when_the_clock_changes() -> None:
    """30 March 2025 has 23 hours in Amsterdam: its end lies 23 hours after its beginning on the axis."""
    zone = ZoneInfo("Europe/Amsterdam")
    days = tuple((date(2025, 3, n), 1.0, "1") for n in (29, 30, 31))
    exact = ((datetime(2025, 3, 29, 23, tzinfo=UTC), 1.0, "1"),)
    words = TimelineWords(MONTHS, "-", zone=zone)
    svg = timeline(
        (Lane("a", "", days), Lane("b", "", exact)), (), date(2025, 3, 28), date(2025, 4, 2), words, "t", "d"
    )
    first, second, third = (x for x, _y in marks_of(svg, "points-0"))
    assert (third - second) / (second - first) == pytest.approx(23 / 24, abs=0.002)
    assert marks_of(svg, "points-1")[0][0] == pytest.approx(second, abs=0.1)


@pytest.mark.parametrize("span", [3, 20, 200, 2000, 20000])
@NARROW
def test_the_axis_names_days_months_or_years_and_always_a_year(span: int, narrow: bool) -> None:
    begin = date(2024, 2, 27)
    lane = Lane("a", "", ((begin, 1.0, "1"),))
    svg = timeline((lane,), (), begin, begin + timedelta(days=span), WORDS, "t", "d", narrow=narrow)
    assert any("20" in text and len(text) >= 4 for text in texts(svg))
    assert 3 <= len(texts(svg)) < 30


def test_values_of_any_size_and_one_point_alone_are_drawn() -> None:
    for value in (0.0, 1e-12, 1e15, -5.0):
        for log in (False, True):
            lane = Lane("a", "u", ((day(0), value, f"{value:g}"),), log)
            svg = timeline((lane,), (), day(-1), day(1), WORDS, "t", "d")
            assert len(marks_of(svg, "points-0")) == 1
    with pytest.raises(ValueError, match="finite"):
        timeline((Lane("a", "u", ((day(0), float("inf"), ""),)),), (), day(-1), day(1), WORDS, "t", "d")


def test_what_lies_outside_the_axis_is_not_drawn() -> None:
    lane = Lane("a", "", ((day(-9), 1.0, "1"), (day(0), 2.0, "2"), (day(9), 3.0, "3")))
    events = EventLane("e", ((day(-9), day(-8), "over"),), ((day(9), "later"),))
    svg = timeline((lane,), (events,), day(-1), day(1), WORDS, "t", "d")
    assert len(marks_of(svg, "points-0")) == 1
    assert not {"over", "later"} & set(texts(svg))


def test_a_timeline_of_nothing_says_so() -> None:
    svg = timeline((), (EventLane("Scans"),), day(0), day(90), WORDS, "t", "d")
    assert "nothing measured" in texts(svg)
    with pytest.raises(ValueError, match="ends after"):
        timeline((), (), day(0), day(0), WORDS, "t", "d")


def test_many_events_at_once_get_rows_of_their_own() -> None:
    events = EventLane("e", (), tuple((day(n), f"CT {n}") for n in range(12)))
    svg = timeline((), (events,), day(0), day(90), WORDS, "t", "d")
    rows = [text_at(svg, f"CT {n}") for n in range(12)]
    assert len(set(rows)) == 12


@NARROW
def test_each_value_of_a_threshold_is_a_dot_where_its_figures_say(narrow: bool) -> None:
    svg = work(narrow=narrow)
    found = [marks_of(svg, f"point-{n}")[0] for n in range(len(POINTS))]
    (x0, y0), (x1, y1) = found[0], found[-1]
    across = [POINTS[0][0] + (x - x0) / (x1 - x0) * (POINTS[-1][0] - POINTS[0][0]) for x, _ in found]
    up = [POINTS[0][1] + (y - y0) / (y1 - y0) * (POINTS[-1][1] - POINTS[0][1]) for _, y in found]
    assert across == pytest.approx([x for x, _ in POINTS], abs=0.2)
    assert up == pytest.approx([y for _, y in POINTS], abs=0.8)
    assert marks_of(svg, "mark-0")[0] == pytest.approx(found[6], abs=0.1)
    assert {"in force", "this"} <= {text.strip() for text in texts(svg)}
    assert text_at(svg, "100")[0] <= svg.width


def test_a_strategy_that_does_far_more_harm_leaves_the_chart_and_bends_no_axis() -> None:
    svg = decision()
    policy, everybody = path_of(svg, "line-0"), path_of(svg, "line-1")
    assert len(policy) == len(BENEFIT)
    scale = (policy[-1][1] - policy[0][1]) / (BENEFIT[0] - BENEFIT[-1])
    floor = -0.4 * max(OF_ALL)
    assert everybody[-1][1] - everybody[0][1] == pytest.approx((OF_ALL[0] - floor) * scale, abs=0.5)


@pytest.mark.parametrize("points", [(), ((float("nan"), 1.0),), ((1.0, float("inf")),)])
def test_what_has_no_place_is_not_drawn(points: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        tradeoff(points, (), TradeoffWords("x", "y"), "t", "d")


def test_a_percentage_ends_at_100_only_where_it_comes_near_it() -> None:
    words = TradeoffWords("x", "y", most=100.0)
    svg = tradeoff(((16.0, 600.0), (54.0, 650.0), (56.0, 700.0)), (), words, "t", "d")
    assert "100" not in {text.strip() for text in texts(svg)}
    assert "100" in {text.strip() for text in texts(tradeoff(((16.0, 6.0), (99.0, 7.0)), (), words, "t", "d"))}


def test_one_value_alone_can_be_drawn() -> None:
    assert marks_of(tradeoff(((5.0, 3.0),), (), TradeoffWords("x", "y"), "t", "d"), "point-0")
