"""Brier scores, Kaplan-Meier and calibration are what scikit-learn, lifelines and scikit-survival say."""

from __future__ import annotations

import cohorts
import numpy as np
import pytest
from lifelines import KaplanMeierFitter
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss
from sksurv.metrics import brier_score, integrated_brier_score
from sksurv.util import Surv

from cds.measures.accuracy import brier, integrated_brier, scaled_brier
from cds.measures.calibration import CalibrationCurve, curve, groups, intercept, observed_expected, slope
from cds.measures.censoring import at_horizon, followed, free_of_event, kaplan_meier
from cds.measures.estimate import Estimate, Minimum, NotEnough, NotEstimable
from cds.measures.scored import scored
from cds.measures.survival_calibration import milestone, pseudo_values

ANY = Minimum()


def test_the_brier_score_is_scikit_learns() -> None:
    cohort = cohorts.risks(1500)
    found = brier(scored(cohort.risk, cohort.event))
    assert isinstance(found, Estimate)
    assert found.value == pytest.approx(brier_score_loss(cohort.event, cohort.risk), abs=1e-12)


def test_a_scaled_brier_score_of_0_is_that_of_the_share_of_events() -> None:
    cohort = cohorts.risks(1500)
    constant = scaled_brier(scored(np.full(1500, cohort.event.mean()), cohort.event))
    assert isinstance(constant, Estimate)
    assert constant.value == pytest.approx(0, abs=1e-12)
    better = scaled_brier(scored(cohort.risk, cohort.event))
    assert isinstance(better, Estimate)
    assert 0 < better.lower < better.value < better.upper < 1


def test_brier_scores_over_time_are_scikit_survivals() -> None:
    cohort, times = cohorts.lives(1200), np.arange(3.0, 25.0, 3.0)
    outcome = Surv.from_arrays(cohort.event, cohort.months)
    alive = np.column_stack([cohort.alive(t) for t in times])
    people = followed(cohort.months, cohort.event)
    _, each = brier_score(outcome, outcome, alive, times)
    for column, months in enumerate(times):
        found = brier(at_horizon(1 - alive[:, column], people, float(months)))
        assert isinstance(found, Estimate)
        assert found.value == pytest.approx(each[column], abs=1e-9)
    whole = integrated_brier(1 - alive, times, people)
    assert isinstance(whole, Estimate)
    assert whole.value == pytest.approx(integrated_brier_score(outcome, outcome, alive, times), abs=1e-9)


def test_kaplan_meier_and_its_interval_are_lifelines() -> None:
    cohort = cohorts.lives(300)
    months = np.round(cohort.months)  # ties of deaths and of people lost
    fitter = KaplanMeierFitter().fit(months, cohort.event)
    people = followed(months, cohort.event)
    assert np.allclose(kaplan_meier(people)([0, 3, 12, 40]), fitter.survival_function_at_times([0, 3, 12, 40]))
    found = free_of_event(people, 12)
    assert isinstance(found, Estimate)
    bounds = fitter.confidence_interval_.loc[12].to_numpy()
    assert [found.lower, found.upper] == pytest.approx(bounds, abs=1e-9)


def test_the_tail_of_a_curve_that_rests_on_few_people_is_not_told() -> None:
    people = followed([1, 2, 3, 30, 31], [True, True, True, False, True])
    assert free_of_event(people, 24) == NotEnough("people under observation at 24 months", 2, 10)


def test_before_the_first_event_survival_is_one_and_not_certain() -> None:
    found = free_of_event(followed([30.0] * 50, [False] * 50), 24)
    assert isinstance(found, Estimate)
    assert (found.value, found.upper) == (1.0, 1.0)
    assert found.lower == pytest.approx(0.025 ** (1 / 50))


def test_slope_and_intercept_are_those_of_a_logistic_regression() -> None:
    cohort = cohorts.risks(2000, slope=0.7, intercept=0.4)
    logits = logit(cohort.risk)
    oracle = LogisticRegression(C=np.inf, tol=1e-10).fit(logits[:, None], cohort.event)
    found = slope(scored(cohort.risk, cohort.event))
    assert isinstance(found, Estimate)
    assert found.value == pytest.approx(oracle.coef_[0, 0], abs=1e-5)
    assert found.upper < 1

    def unlikely(a: np.ndarray) -> float:
        fitted = expit(a[0] + logits)
        return float(-np.log(np.where(cohort.event, fitted, 1 - fitted)).sum())

    large = intercept(scored(cohort.risk, cohort.event))
    assert isinstance(large, Estimate)
    assert large.value == pytest.approx(minimize(unlikely, [0.0]).x[0], abs=1e-4)


def test_observed_over_expected_says_how_far_risks_are_off() -> None:
    cohort = cohorts.risks(4000)
    right = observed_expected(scored(cohort.risk, cohort.event))
    halved = observed_expected(scored(cohort.risk / 2, cohort.event))
    assert isinstance(right, Estimate) and isinstance(halved, Estimate)
    assert right.lower < 1 < right.upper
    assert halved.value == pytest.approx(2 * right.value)
    assert halved.lower > 1.5


def test_weights_stand_for_people() -> None:
    """Whoever counts twice is two people: the estimates are the same, whatever their intervals."""
    cohort = cohorts.risks(600)
    twice = np.concatenate([np.arange(600), np.arange(200)])
    weight = np.where(np.arange(600) < 200, 2.0, 1.0)
    for measure in (brier, scaled_brier, observed_expected, intercept, slope):
        one = measure(scored(cohort.risk, cohort.event, weight), ANY)
        other = measure(scored(cohort.risk[twice], cohort.event[twice]), ANY)
        assert isinstance(one, Estimate) and isinstance(other, Estimate)
        assert one.value == pytest.approx(other.value, abs=1e-9), measure.__name__


def test_a_right_model_lies_on_the_diagonal_and_a_wrong_one_does_not() -> None:
    right, wrong = cohorts.risks(3000), cohorts.risks(3000, slope=0.4, intercept=-0.8)
    good, bad = (curve(scored(c.risk, c.event)) for c in (right, wrong))
    assert isinstance(good, CalibrationCurve) and isinstance(bad, CalibrationCurve)
    assert ((good.lower <= good.predicted) & (good.predicted <= good.upper)).mean() > 0.9
    assert good.index.value < good.index_if_perfect < bad.index.lower
    truth = expit(-0.8 + 0.4 * logit(bad.predicted))
    assert np.abs(bad.observed - truth).max() < 0.06
    assert sum(g.observed.n for g in groups(scored(right.risk, right.event))) == 3000


def test_what_has_no_calibration_says_why() -> None:
    event = np.arange(500) < 250
    assert slope(scored(np.full(500, 0.3), event)) == NotEstimable("all predictions are equal")
    separated = slope(scored(np.where(event, 0.9, 0.1), event))
    assert isinstance(separated, NotEstimable) and "separate" in separated.told
    nobody = observed_expected(scored(np.full(500, 0.3), np.zeros(500)), ANY)
    assert nobody == NotEstimable("no event happened or none was predicted")


@pytest.mark.parametrize("measure", [slope, intercept, observed_expected, brier, scaled_brier])
def test_intervals_of_calibration_hold_the_truth(measure: object) -> None:
    """300 cohorts of a right model; what it tends to is that of one of 100,000 people."""
    assert callable(measure)
    large = cohorts.risks(100_000, 77)
    truth = measure(scored(large.risk, large.event)).value
    small = (cohorts.risks(400, seed) for seed in range(300))
    held = [f.lower <= truth <= f.upper for f in (measure(scored(c.risk, c.event), ANY) for c in small)]
    assert 0.915 <= np.mean(held) <= 0.985


def test_pseudo_values_are_the_jackknifes() -> None:
    cohort = cohorts.lives(120)
    months = np.round(cohort.months)
    people = followed(months, cohort.event)
    whole = float(kaplan_meier(people)(12))
    for i, found in enumerate(pseudo_values(people, 12)):
        others = np.arange(120) != i
        without = float(kaplan_meier(people.where(others))(12))
        assert found == pytest.approx(1 - (120 * whole - 119 * without), abs=1e-9)


def test_without_anybody_lost_a_pseudo_value_is_the_outcome() -> None:
    cohort = cohorts.lives(200, lost=0.0)
    dead = cohort.event & (cohort.months <= 12)
    assert np.allclose(pseudo_values(followed(cohort.months, cohort.event), 12), dead)


def test_survival_is_calibrated_at_6_12_and_24_months_when_it_is_and_not_otherwise() -> None:
    cohort = cohorts.lives(3000)
    people = followed(cohort.months, cohort.event)
    for months in (6.0, 12.0, 24.0):
        right = milestone(cohort.alive(months), people, months)
        hopeful = milestone(cohort.alive(months) ** 0.5, people, months)
        for found in (right.observed, right.ratio, right.slope, right.index, hopeful.ratio, hopeful.index):
            assert isinstance(found, Estimate), found
        assert isinstance(right.ratio, Estimate) and isinstance(right.slope, Estimate)
        assert isinstance(hopeful.ratio, Estimate) and isinstance(right.index, Estimate)
        assert isinstance(hopeful.index, Estimate)
        assert right.ratio.lower < 1 < right.ratio.upper
        assert right.slope.lower < 1 < right.slope.upper
        assert hopeful.ratio.lower > 1.2
        assert hopeful.index.lower > right.index.upper
        near = [abs(observed.value - predicted) for predicted, observed in right.groups]
        # at two years too few of the worst fifth are left to tell
        assert len(near) == (4 if months == 24 else 5) and max(near) < 0.06


def test_a_score_that_exaggerates_has_a_slope_below_one() -> None:
    cohort = cohorts.lives(3000)
    twice = np.exp(-cohort.rate * np.exp(2 * cohort.score) * 12)
    found = milestone(twice, followed(cohort.months, cohort.event), 12).slope
    assert isinstance(found, Estimate)
    assert found.lower < 0.5 < found.upper < 0.7


def test_survival_of_few_people_is_not_judged() -> None:
    cohort = cohorts.lives(60)
    found = milestone(cohort.alive(12), followed(cohort.months, cohort.event), 12)
    assert isinstance(found.slope, NotEnough) and isinstance(found.ratio, NotEnough)
    assert isinstance(found.observed, Estimate)  # how many live is known, if not how well that was foretold
    assert found.groups == ()
