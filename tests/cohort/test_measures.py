"""The measures: against hand-worked answers, and against each other."""

from __future__ import annotations

import numpy as np
import pytest

from cds.cohort import measures as ms
from cds.cohort.unestimated import Unestimated

RNG = np.random.default_rng(11)


def test_a_drawn_c_index_is_the_c_index_of_the_drawn_rows() -> None:
    count = 80
    months, died = RNG.integers(1, 15, count).astype(float), RNG.integers(0, 2, count).astype(float)
    scores, groups = RNG.normal(size=(3, count)).round(1), RNG.integers(0, 3, count)
    for of in (None, groups):
        drawn = ms.concordance(months, died, scores, of)
        for _ in range(5):
            rows = RNG.integers(0, count, count)
            expected = ms.c_index(months[rows], died[rows], scores[:, rows], None if of is None else of[rows])
            assert drawn(rows) == pytest.approx(expected, abs=1e-12)


def test_a_large_cohort_is_compared_in_parts_with_the_same_answer() -> None:
    count = 4000
    months, died, score = RNG.exponential(10, count), RNG.integers(0, 2, count).astype(float), RNG.normal(size=count)
    good, total = ms.pairs(months, died, score)
    first = months[:, None] > months[None, :]
    expected = (first & (died == 1)[None, :] & (score[None, :] > score[:, None])).sum()
    assert (good, total) == (expected, (first & (died == 1)[None, :]).sum())


def test_auc_counts_ties_half() -> None:
    assert ms.auc(np.array([1.0, 2.0, 2.0, 3.0]), np.array([0.0, 0.0, 1.0, 1.0])) == pytest.approx(3.5 / 4)


@pytest.mark.parametrize(("shift", "factor"), [(0.0, 1.0), (0.7, 1.0), (0.0, 0.5)])
def test_recalibration_finds_the_shift_and_the_factor_that_were_put_in(shift: float, factor: float) -> None:
    odds = RNG.normal(-0.5, 1.2, 20_000)
    outcome = (RNG.random(len(odds)) < 1 / (1 + np.exp(-(shift + factor * odds)))).astype(float)
    found = ms.recalibration(1 / (1 + np.exp(-odds)), outcome)
    assert found.slope == pytest.approx(factor, abs=0.06)
    if factor == 1:
        assert found.intercept == pytest.approx(shift, abs=0.06)


def test_those_lost_before_the_horizon_are_weighted_out() -> None:
    """A third is lost at random; the weighted share of deaths is that of the whole."""
    dead, lost = RNG.exponential(20, 20_000), RNG.exponential(40, 20_000)
    months, died = np.minimum(dead, lost), (dead <= lost).astype(float)
    gone, weight = ms.known_by(months, died, 12.0)
    assert (gone * weight).sum() / weight.sum() == pytest.approx((dead <= 12).mean(), abs=0.015)


def test_the_range_of_a_true_curve_holds_as_often_as_it_says_and_of_a_false_one_does_not() -> None:
    times = tuple(float(t) for t in range(61))
    rate = RNG.uniform(0.02, 0.1, 800)
    alive = np.exp(-rate[:, None] * np.array(times))
    dead, lost = RNG.exponential(1 / rate), RNG.uniform(10, 80, 800)
    months, died = np.minimum(dead, lost), (dead <= lost).astype(float)
    found = ms.coverage(months, died, times, alive, draws=20, seed=1)
    assert found["worst to best case"]["within"] == pytest.approx(0.8, abs=0.05)
    assert found["typical"]["within"] == pytest.approx(0.5, abs=0.06)
    early = ms.coverage(months / 3, died, times, alive, draws=20, seed=1)
    assert early["worst to best case"]["before"] > 0.2


def test_what_a_cohort_does_not_tell_is_refused_with_its_reason() -> None:
    months, died = np.array([3.0, 5.0, 6.0]), np.array([1.0, 0.0, 0.0])
    with pytest.raises(Unestimated, match="nobody was followed for 12 months"):
        ms.kaplan_meier(months, died, 12.0)
    with pytest.raises(Unestimated, match="no two patients"):
        ms.c_index(months, np.zeros(3), np.zeros(3))
    with pytest.raises(Unestimated, match="no two groups"):
        ms.auc(months, np.ones(3))
    with pytest.raises(Unestimated, match="without fail"):
        ms.logistic(np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0.0, 0.0, 1.0, 1.0]))
    with pytest.raises(Unestimated, match="same prediction"):
        ms.recalibration(np.full(4, 0.3), np.array([0.0, 1.0, 0.0, 1.0]))
