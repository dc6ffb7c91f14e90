"""Charts of a report: plain data in, one small accessible ``<svg>`` out that a page can take in as it is.

Drawn by matplotlib, which is imported when the first chart is drawn and not before. Colours are classes of
``charts.css``, so one drawing serves light, dark and paper; the markup has no style of its own, and ids that don't meet
those of another chart. Every chart lays itself out for a page or, ``narrow``, for a phone. Pure functions, safe for
threads; they know nothing of a ledger, of FHIR or of Flask, and no words but those given.

All of them raise ChartsUnavailable where matplotlib is not installed.
"""

from __future__ import annotations

from cds.charts.bars import Bar, BarWords, RiskRow, comparison, contributions
from cds.charts.calibration import CalibrationWords, Observed, calibration
from cds.charts.intervals import IntervalRow, IntervalWords, intervals
from cds.charts.pictograph import PictographWords, pictograph
from cds.charts.png import as_png
from cds.charts.survival import CurveLine, CurveWords, Marks, TrialPoint, survival
from cds.charts.svg import Svg, available, load, prepare, stylesheet
from cds.charts.timeline import EventLane, Lane, TimelineWords, timeline
from cds.charts.tradeoff import Line, Mark, TradeoffWords, benefit, tradeoff
from cds.charts.trend import Limit, Point, Series, TrendWords, trend

__all__ = [
    "Bar",
    "BarWords",
    "CalibrationWords",
    "CurveLine",
    "CurveWords",
    "EventLane",
    "IntervalRow",
    "IntervalWords",
    "Lane",
    "Limit",
    "Line",
    "Mark",
    "Marks",
    "Observed",
    "PictographWords",
    "Point",
    "RiskRow",
    "Series",
    "Svg",
    "TimelineWords",
    "TradeoffWords",
    "TrendWords",
    "TrialPoint",
    "as_png",
    "available",
    "benefit",
    "calibration",
    "comparison",
    "contributions",
    "intervals",
    "load",
    "pictograph",
    "prepare",
    "stylesheet",
    "survival",
    "timeline",
    "tradeoff",
    "trend",
]
