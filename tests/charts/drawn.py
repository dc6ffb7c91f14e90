"""One of each chart, as a report would have it."""

from __future__ import annotations

import math
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from cds.charts import (
    Bar,
    BarWords,
    CalibrationWords,
    CurveLine,
    CurveWords,
    EventLane,
    IntervalRow,
    IntervalWords,
    Lane,
    Limit,
    Line,
    Mark,
    Marks,
    Observed,
    PictographWords,
    Point,
    RiskRow,
    Series,
    Svg,
    TimelineWords,
    TradeoffWords,
    TrendWords,
    TrialPoint,
    benefit,
    calibration,
    comparison,
    contributions,
    intervals,
    pictograph,
    survival,
    timeline,
    tradeoff,
    trend,
)

TIMES = tuple(float(month) for month in range(37))
ALIVE = tuple(math.exp(-month / 13) for month in TIMES)
LOWER = tuple(max(0.0, share - 0.1 * (1 - share)) for share in ALIVE)
UPPER = tuple(min(1.0, share + 0.1 * (1 - share)) for share in ALIVE)
CURVE_WORDS = CurveWords("Months from the first dose", "Alive, of 100 people", "{n} of 100", "95 % interval")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WORDS = TimelineWords(MONTHS, "nothing measured", "limit", ZoneInfo("Europe/Amsterdam"))
DAY = date(2025, 9, 1)


def day(number: int) -> date:
    return DAY + timedelta(days=number)


def curve(*, narrow: bool = False) -> Svg:
    marks = Marks(1.4, 3.7, 18.0, None, "Worst: under 1.4 months", "Half: 4 to 18 months", "Best: beyond the curve")
    return survival(
        (
            CurveLine("This patient", TIMES, ALIVE, LOWER, UPPER),
            CurveLine("Cohort", TIMES, tuple(s**1.3 for s in ALIVE), tone="second"),
        ),
        marks,
        (TrialPoint("Trial arm", 6, 75.9), TrialPoint("Trial arm", 12, 48.4), TrialPoint("Other arm", 12, 20.6)),
        CURVE_WORDS,
        "Survival",
        "How many of 100 people live how long.",
        narrow=narrow,
    )


def people(*, narrow: bool = False) -> Svg:
    words = PictographWords("After 12 months", "40 of 100 alive", "60 of 100 have died", "could be either (30 to 49)")
    return pictograph(40, 30, 49, words, "After 12 months", "40 of 100 people are alive.", narrow=narrow)


def bars(*, narrow: bool = False) -> Svg:
    rows = (Bar("HbA1c 62 mmol/mol", 1.2, "risk x 3.3"), Bar("Never smoked", -0.4, "risk x 0.7"))
    return contributions(rows, BarWords("Against peers", "lowers", "raises"), "Weights", "What weighs.", narrow=narrow)


def peers(*, narrow: bool = False) -> Svg:
    rows = (RiskRow("This patient", 3.4, 2.1, 5.2, "3.4 in 100"), RiskRow("Same age and sex", 0.4, 0.3, 0.5, "0.4"))
    return comparison(rows, BarWords("of 100 people within 2 years"), "Risk", "Beside peers.", narrow=narrow)


def lanes(*, narrow: bool = False) -> Svg:
    marker = tuple((day(n), float(v), str(v)) for n, v in ((0, 2400), (14, 5200), (70, 900), (130, 140), (220, 260)))
    return timeline(
        (
            Lane(
                "Marker",
                "U/mL",
                marker,
                True,
                (None, 37),
                ((day(2), day(30), "bile obstructed"),),
                ((day(70), "halved"),),
            ),
            Lane("Weight", "kg", tuple((day(n), 82 - n * 0.02, f"{82 - n * 0.02:.0f}") for n in range(-200, 221, 30))),
            Lane("Bilirubin", "µmol/L", ()),
        ),
        (
            EventLane("Treatment", ((day(30), day(150), "Scheme A"), (day(165), None, "Scheme B"))),
            EventLane("Scans", (), ((day(-3), "CT abdomen"), (day(90), "CT abdomen"))),
        ),
        day(-215),
        day(230),
        WORDS,
        "Timeline",
        "What was measured and done.",
        narrow=narrow,
    )


POINTS = tuple((95.0 - 5 * n, 160.0 / (n + 1)) for n in range(12))
"""(percent found, cards a week) by threshold."""


def work(*, narrow: bool = False) -> Svg:
    words = TradeoffWords("alerted, of those who have it (%)", "cards a week", most=100.0)
    return tradeoff(POINTS, (Mark(6, "in force"), Mark(2, "this")), words, "Work", "By threshold.", narrow=narrow)


THRESHOLDS = tuple(0.01 * n for n in range(1, 20))
BENEFIT = tuple(8.0 - 0.3 * n for n in range(19))
OF_ALL = tuple(8.0 - 1.0 * n for n in range(19))


def decision(*, narrow: bool = False) -> Svg:
    lines = (Line("this policy", BENEFIT), Line("all", OF_ALL, "second"), Line("none", (0.0,) * 19, "soft", True))
    words = TradeoffWords("threshold", "net benefit per 1,000")
    return benefit(THRESHOLDS, lines, words, "Net benefit", "By threshold.", narrow=narrow)


def right_or_wrong(*, narrow: bool = False) -> Svg:
    shares = [n / 40 for n in range(1, 30)]
    line = (shares, [x**1.2 for x in shares], [x**1.4 for x in shares], [min(1.0, x**0.9) for x in shares])
    groups = [Observed(x, x**1.1, max(0.0, x - 0.1), min(1.0, x + 0.1)) for x in (0.05, 0.2, 0.35, 0.5, 0.7)]
    words = CalibrationWords("Predicted", "Happened", "as predicted")
    return calibration(groups, line, words, "Calibration", "Five groups lie near the diagonal.", narrow=narrow)


def over_weeks(*, narrow: bool = False) -> Svg:
    points = tuple(Point(day(7 * n), 0.05 + 0.02 * n, 0.03 + 0.02 * n, 0.08 + 0.02 * n) for n in range(9))
    other = tuple(Point(day(7 * n), 0.04) for n in range(0, 9, 2))
    return trend(
        (Series("age", points), Series("weight", other, "third")),
        (Limit("act", 0.25), Limit("watch", 0.1, "mark")),
        TrendWords("Stability index", "nothing measured yet"),
        "Drift",
        "The index of age rises over nine weeks.",
        narrow=narrow,
    )


def by_site(*, narrow: bool = False) -> Svg:
    rows = (
        IntervalRow("north", 0.81, 0.76, 0.86, "0.81 (0.76 to 0.86)"),
        IntervalRow("a hospital with a long name indeed", 0.7, 0.61, 0.78, "0.70 (0.61 to 0.78)"),
        IntervalRow("south", None, None, None, "not enough data: 14 events, 100 needed"),
    )
    words = IntervalWords("Area under the ROC curve", "limit", "no site yet")
    return intervals(rows, 0.65, words, "By site", "Two sites measured, one not.", narrow=narrow)


ALL = {
    "curve": curve,
    "people": people,
    "bars": bars,
    "peers": peers,
    "lanes": lanes,
    "work": work,
    "decision": decision,
    "calibration": right_or_wrong,
    "trend": over_weeks,
    "intervals": by_site,
}
