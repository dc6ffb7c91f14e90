"""What is read off a survival curve is that curve's own: also when it is averaged over what is not known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cds.inference import curves, marginal
from cds.inference.manifest import Output

TIMES = tuple(float(m) for m in range(61))
SHARES = {"worst": 0.9, "typical_from": 0.75, "median": 0.5, "typical_to": 0.25, "best": 0.1}
OUTPUTS = (
    Output(name="s", kind="survival", times=TIMES, lower="low", upper="high", interval=0.95),
    Output(name="low", kind="bound", times=TIMES),
    Output(name="high", kind="bound", times=TIMES),
    Output(name="alive_12", kind="probability", curve="s", horizon="12m", lower="low_12", upper="high_12"),
    Output(name="low_12", kind="bound", curve="low", horizon="1y"),
    Output(name="high_12", kind="bound", curve="high", horizon="12m"),
    *(Output(name=name, kind="score", curve="s", until=share) for name, share in SHARES.items()),
)
# a third die fast, two thirds slowly: the mean of the two medians (4.6 and 35 months) is the median of nobody
RATES, WEIGHTS = np.array([0.15, 0.02]), np.array([1 / 3, 2 / 3])


def exponential(rates: Any) -> dict[str, Any]:
    alive = np.exp(-np.asarray(rates)[:, None] * np.asarray(TIMES))
    results = {"s": alive, "low": alive**1.3, "high": alive ** (1 / 1.3)}
    return results | curves.reading(OUTPUTS)(results)


def until(share: float, times: tuple[float, ...], curve: Any) -> list[float]:
    found: list[float] = curves.until(curve, np.asarray(times), np.array([share]))[:, 0].tolist()
    return found


def mixed() -> dict[str, Any]:
    found = marginal.averaging(OUTPUTS)(exponential(RATES), WEIGHTS[None])
    return {name: values[0] for name, values in found.items()}


def test_times_by_which_shares_of_a_mixture_have_died_are_those_of_people_drawn_from_it() -> None:
    random = np.random.default_rng(20261128)
    lives = random.exponential(1 / RATES[random.choice(2, size=400_000, p=WEIGHTS)])
    found = mixed()
    for name in ("worst", "typical_from", "median", "typical_to"):
        assert found[name] == pytest.approx(np.quantile(lives, 1 - SHARES[name]), rel=0.01), name
    averaged = WEIGHTS @ exponential(RATES)["median"]
    assert abs(averaged - found["median"]) > 4, "the mean of medians was shown once, and is wrong by months"


def test_shares_at_a_time_and_their_bounds_are_the_points_of_the_averaged_curve_and_its_bounds() -> None:
    found = mixed()
    assert found["alive_12"] == pytest.approx(WEIGHTS @ np.exp(-12 * RATES))
    assert (found["alive_12"], found["low_12"], found["high_12"]) == (
        found["s"][12], found["low"][12], found["high"][12],
    )  # fmt: skip


def test_a_share_the_curve_never_falls_to_is_its_last_month() -> None:
    answer = exponential([0.02, 0.05])
    assert answer["best"].tolist() == [60.0, pytest.approx(np.log(10) / 0.05, rel=0.01)]
    assert until(0.9, TIMES, np.ones((2, 61))) == [60.0, 60.0]
    assert until(0.9, TIMES, np.concatenate([np.ones((1, 60)), [[0.9]]], axis=1)) == [60.0]


def test_between_two_times_lies_a_straight_line_also_where_the_curve_is_level_or_drops_at_once() -> None:
    curve = np.array([[1.0, 0.8, 0.8, 0.2], [1.0, 0.0, 0.0, 0.0]])
    times = (0.0, 6.0, 12.0, 24.0)
    assert until(0.8, times, curve) == pytest.approx([6.0, 1.2])
    assert until(0.5, times, curve) == pytest.approx([18.0, 3.0])
    assert until(1.0, times, curve) == [0.0, 0.0]
    answer = curves.alive_at(curve, *curves.place([0.0, 3.0, 18.0, 24.0], times))
    assert answer == pytest.approx(np.array([[1.0, 0.9, 0.5, 0.2], [1.0, 0.5, 0.0, 0.0]]))


def test_the_numbers_are_those_the_report_reads_off_the_same_curve() -> None:
    from cds.survival import Curve

    rates = [0.15, 0.05, 0.02]
    answer = exponential(rates)
    for row in range(len(rates)):
        curve = Curve(TIMES, *(tuple(answer[n][row].tolist()) for n in ("s", "low", "high")))
        point = curve.at(12)
        assert point is not None
        assert (point.alive, point.lower, point.upper) == pytest.approx(
            (answer["alive_12"][row], answer["low_12"][row], answer["high_12"][row])
        )
        for name, share in SHARES.items():
            assert answer[name][row] == pytest.approx(60.0 if curve.until(share) is None else curve.until(share))
