"""Ranges and milestones are read off the curve; nothing is said beyond its end."""

from __future__ import annotations

import math

import pytest

from cds.survival import Curve

TIMES = tuple(float(t) for t in range(37))


def exponential(mean: float) -> Curve:
    alive = tuple(math.exp(-t / mean) for t in TIMES)
    return Curve(TIMES, alive, tuple(a * 0.9 for a in alive), tuple(min(1.0, a * 1.1) for a in alive))


def test_scenarios_are_the_curves_own_percentiles() -> None:
    scenario = exponential(10).scenario
    assert scenario.worst == pytest.approx(10 * math.log(1 / 0.9), abs=0.05)
    assert scenario.typical_from == pytest.approx(10 * math.log(1 / 0.75), abs=0.05)
    assert scenario.typical_to == pytest.approx(10 * math.log(4), abs=0.05)
    assert scenario.best == pytest.approx(10 * math.log(10), abs=0.05)


def test_what_lies_beyond_the_data_is_not_invented() -> None:
    curve = exponential(60)
    assert curve.scenario.best is None
    assert curve.at(48) is None


def test_a_milestone_has_its_interval() -> None:
    point = exponential(10).at(12)
    assert point is not None
    assert point.lower < point.alive < point.upper
    assert point.alive == pytest.approx(math.exp(-1.2), abs=1e-3)


def test_a_plateau_is_crossed_at_its_end() -> None:
    curve = Curve((0, 1, 2, 3), (1.0, 0.5, 0.5, 0.2), (1.0, 0.5, 0.5, 0.2), (1.0, 0.5, 0.5, 0.2))
    assert curve.until(0.5) == 1.0


def test_a_curve_without_matching_bounds_is_refused() -> None:
    with pytest.raises(ValueError, match="as many values"):
        Curve((0, 1), (1.0, 0.5), (1.0,), (1.0, 0.6))
