"""What thresholds mean, where drift begins, whom a model serves worse, and what looking only at some does to it."""

from __future__ import annotations

import math

import cohorts
import numpy as np
import pytest
from scipy.stats import binomtest, chi2_contingency
from sklearn.metrics import precision_score, recall_score

from cds.measures import fairness
from cds.measures.drift import Drift, counts_in, drift, edges_of, holm
from cds.measures.estimate import Estimate, Minimum, NotEnough, NotEstimable
from cds.measures.inputs import Change, change, input_state
from cds.measures.proportions import difference, ratio, wilson, wilson_counts
from cds.measures.scored import scored
from cds.measures.usefulness import at_threshold, needed_to_evaluate, net_benefit
from cds.measures.verification import verification

ANY = Minimum()


@pytest.mark.parametrize(("count", "n"), [(0, 30), (1, 30), (15, 30), (30, 30), (7, 1000)])
def test_a_share_has_wilsons_interval(count: int, n: int) -> None:
    expected = binomtest(count, n).proportion_ci(method="wilson")
    found = wilson_counts(count, n)
    assert [found.value, found.lower, found.upper] == pytest.approx([count / n, expected.low, expected.high], abs=1e-9)


def test_a_difference_of_shares_has_newcombes_interval() -> None:
    """Newcombe 1998, table II: 56/70 - 48/80 by method 10; and 10/10 - 0/10."""
    found = difference(wilson_counts(56, 70), wilson_counts(48, 80))
    assert [found.value, found.lower, found.upper] == pytest.approx([0.2, 0.0524, 0.3339], abs=5e-5)
    edge = difference(wilson_counts(10, 10), wilson_counts(0, 10))
    assert [edge.value, edge.lower, edge.upper] == pytest.approx([1.0, 0.6075, 1.0], abs=5e-5)


def test_at_a_threshold_everything_is_scikit_learns() -> None:
    cohort = cohorts.risks(2000)
    flag = cohort.risk >= 0.3
    found = at_threshold(scored(cohort.risk, cohort.event), 0.3)
    for estimate, expected in (
        (found.ppv, precision_score(cohort.event, flag)),
        (found.npv, precision_score(~cohort.event, ~flag)),
        (found.sensitivity, recall_score(cohort.event, flag)),
        (found.specificity, recall_score(~cohort.event, ~flag)),
        (found.flagged, flag.mean()),
    ):
        assert isinstance(estimate, Estimate)
        assert estimate.value == pytest.approx(expected, abs=1e-12)
        assert estimate.lower < expected < estimate.upper
    assert found.missed == int((cohort.event & ~flag).sum())


def test_the_number_needed_to_evaluate_is_one_over_the_ppv_and_may_have_no_upper_limit() -> None:
    found = needed_to_evaluate(wilson_counts(5, 100))
    assert isinstance(found, Estimate)
    assert found.value == pytest.approx(20)
    assert found.lower < 20 < found.upper
    none = needed_to_evaluate(wilson_counts(0, 100))
    assert isinstance(none, Estimate)
    assert math.isinf(none.upper)


def test_net_benefit_is_the_paper_s_and_flagging_everybody_is_its_reference() -> None:
    """Vickers 2006: true positives / n - false positives / n x odds of the threshold."""
    cohort = cohorts.risks(2000)
    people, flag = scored(cohort.risk, cohort.event), cohort.risk >= 0.2
    expected = (flag & cohort.event).mean() - (flag & ~cohort.event).mean() * 0.2 / 0.8
    found = net_benefit(people, 0.2)
    assert isinstance(found, Estimate)
    assert found.value == pytest.approx(expected)
    at_all = net_benefit(scored(np.ones(2000), cohort.event), 0.2)
    everybody = cohort.event.mean() - (1 - cohort.event.mean()) * 0.2 / 0.8
    assert isinstance(at_all, Estimate)
    assert at_all.value == pytest.approx(everybody)
    over = at_threshold(people, 0.2).over_all
    assert isinstance(over, Estimate)
    assert over.value == pytest.approx(expected - everybody)


def test_a_weight_stands_for_people_at_a_threshold_too() -> None:
    cohort = cohorts.risks(600)
    twice = np.concatenate([np.arange(600), np.arange(200)])
    weighted = at_threshold(scored(cohort.risk, cohort.event, np.where(np.arange(600) < 200, 2.0, 1.0)), 0.3)
    doubled = at_threshold(scored(cohort.risk[twice], cohort.event[twice]), 0.3)
    for name in ("ppv", "sensitivity", "benefit", "over_all", "flagged"):
        one, other = getattr(weighted, name), getattr(doubled, name)
        assert one.value == pytest.approx(other.value), name


@pytest.mark.parametrize("measure", ["ppv", "sensitivity", "benefit", "over_all"])
def test_intervals_at_a_threshold_hold_the_truth(measure: str) -> None:
    large = cohorts.risks(100_000, 77)
    truth = getattr(at_threshold(scored(large.risk, large.event), 0.3), measure).value
    found = (at_threshold(scored(c.risk, c.event), 0.3, ANY, ANY) for c in (cohorts.risks(300, s) for s in range(300)))
    held = [getattr(f, measure).lower <= truth <= getattr(f, measure).upper for f in found]
    assert 0.915 <= np.mean(held) <= 0.985


def test_of_few_flagged_people_no_ppv_is_told() -> None:
    found = at_threshold(scored(np.concatenate([np.full(12, 0.9), np.full(500, 0.1)]), np.arange(512) < 6), 0.5)
    assert found.ppv == NotEnough("people", 12, 30)
    assert found.evaluate == found.ppv


# drift


@pytest.mark.parametrize(("n", "m"), [(200, 2000), (1000, 2000), (5000, 5000)])
def test_without_drift_one_of_twenty_is_called_one_however_many_people_there_are(n: int, m: int) -> None:
    random, called, beyond = np.random.default_rng(3), 0, 0
    for _ in range(600):
        baseline, now = random.normal(size=m), random.normal(size=n)
        edges = edges_of(baseline)
        found = drift(counts_in(baseline, edges), counts_in(now, edges))
        assert isinstance(found, Drift)
        called += found.significant
        beyond += found.index > 0.1
    assert 0.02 <= called / 600 <= 0.085
    if n == 200:
        assert beyond > 0  # the usual limit alone would have called these


def test_a_shift_is_found_and_a_large_sample_s_trifle_is_called_immaterial() -> None:
    random = np.random.default_rng(3)
    baseline = random.normal(size=5000)
    edges = edges_of(baseline)
    shifted = drift(counts_in(baseline, edges), counts_in(random.normal(0.5, 1, 400), edges))
    trifle = drift(counts_in(baseline, edges), counts_in(random.normal(0.12, 1, 50_000), edges))
    assert isinstance(shifted, Drift) and isinstance(trifle, Drift)
    assert shifted.significant and shifted.material and shifted.p < 1e-4
    assert trifle.significant and not trifle.material


def test_a_flag_and_a_thin_bin_have_an_honest_critical_value_too() -> None:
    """Few with the finding: the chi-square rule does not hold, so the distribution is drawn."""
    random = np.random.default_rng(5)
    called = 0
    for _ in range(100):
        before, now = (random.binomial(n, 0.008) for n in (400, 250))
        found = drift([400 - before, before], [250 - now, now])
        assert isinstance(found, Drift)
        called += found.significant
    assert called <= 12
    gone = drift([600, 200], [300, 0])
    assert isinstance(gone, Drift)
    assert gone.significant and math.isfinite(gone.index)


def test_drift_of_fewer_than_200_people_is_not_judged() -> None:
    assert drift([100, 100], [50, 49]) == NotEnough("people", 99, 200)
    assert drift([50, 49], [100, 100]) == NotEnough("people in the baseline", 99, 200)


def test_for_many_people_the_index_s_chance_is_that_of_a_chi_square_test() -> None:
    before, now = [2000, 3000, 5000], [1050, 1490, 2460]
    found = drift(before, now)
    assert isinstance(found, Drift)
    assert found.p == pytest.approx(chi2_contingency([before, now]).pvalue, rel=0.03)


def test_a_value_that_most_people_have_gets_a_bin_of_its_own() -> None:
    baseline = np.concatenate([np.zeros(900), np.arange(1, 101)])
    edges = edges_of(baseline)
    assert counts_in(baseline, edges)[0] == 900
    assert len(edges_of(np.zeros(50))) == 0


def test_holm_lets_no_more_through_than_one_test_alone() -> None:
    assert holm([0.001, 0.04, 0.3]) == (True, False, False)
    assert holm([0.04]) == (True,)
    random = np.random.default_rng(1)
    assert np.mean([any(holm(random.random(12).tolist())) for _ in range(2000)]) < 0.065


# inputs


def test_the_states_of_an_input_are_told_as_shares() -> None:
    found = input_state({"found": 70, "missing": 20, "unit-unknown": 5, "out-of-range": 3, "unread": 2})
    shares = [
        e.value for e in (found.missing, found.unusable, found.out_of_range, found.unread) if isinstance(e, Estimate)
    ]
    assert shares == [0.2, 0.05, 0.03, 0.02]
    assert input_state({"found": 5}).missing == NotEnough("people", 5, 30)


def test_a_rise_in_missingness_is_told_with_its_chance() -> None:
    found = change(wilson_counts(60, 200), wilson_counts(100, 1000))
    assert isinstance(found, Change)
    assert found.by.lower > 0.1 and found.p < 1e-6
    same = change(wilson_counts(21, 200), wilson_counts(100, 1000))
    assert isinstance(same, Change) and same.p > 0.5
    assert isinstance(change(NotEnough("people", 3, 30), wilson_counts(1, 50)), NotEnough)


# fairness


def test_a_gap_has_an_interval_and_a_small_group_shows_nothing() -> None:
    fair, random = cohorts.risks(4000), np.random.default_rng(2)
    women = random.random(4000) < 0.5
    risk = np.where(women, fair.risk * 0.5, fair.risk)  # underestimated in women
    few = np.zeros(4000, dtype=bool)
    few[:4] = True
    found = {g.group: g for g in fairness.gaps(scored(risk, fair.event), {"women": women, "few": few}, 0.3)}
    gap = found["women"].gaps
    for measure in ("sensitivity", "alert-rate", "observed-expected"):
        assert isinstance(gap[measure], Estimate), measure
    assert isinstance(gap["sensitivity"], Estimate) and gap["sensitivity"].upper < -0.2
    assert isinstance(gap["observed-expected"], Estimate) and gap["observed-expected"].lower > 1.6
    assert isinstance(gap["auc"], Estimate) and gap["auc"].lower < 0 < gap["auc"].upper
    assert found["few"].n is None
    assert set(found["few"].measures.values()) == {NotEstimable("fewer than 5 people")}


def test_without_a_gap_one_of_twenty_is_called_one() -> None:
    called = 0
    for seed in range(200):
        cohort = cohorts.risks(800, seed)
        inside = np.random.default_rng(seed + 5000).random(800) < 0.4
        [found] = fairness.gaps(scored(cohort.risk, cohort.event), {"group": inside}, 0.3)
        gap = found.gaps["sensitivity"]
        assert isinstance(gap, Estimate)
        called += not gap.lower <= 0 <= gap.upper
    assert called / 200 <= 0.09


def test_ages_fall_into_bands_and_an_unknown_age_into_none() -> None:
    found = fairness.bands(np.array([39.0, 40.0, 64.9, 65.0, np.nan]), (40, 65), " y")
    assert {name: list(np.flatnonzero(who)) for name, who in found.items()} == {
        "<40 y": [0],
        "40 to <65 y": [1, 2],
        ">=65 y": [3],
    }


def test_a_ratio_with_nothing_to_divide_by_is_none() -> None:
    assert ratio(wilson_counts(5, 50), wilson_counts(0, 50)) is None


# verification


def test_looking_at_the_flagged_more_often_flatters_sensitivity_and_the_correction_undoes_it() -> None:
    cohort, random = cohorts.risks(20_000), np.random.default_rng(4)
    flag = cohort.risk >= 0.3
    looked = random.random(20_000) < np.where(flag, 0.9, 0.2)
    truth = float(flag[cohort.event].mean())
    naive = wilson(flag[cohort.event & looked], np.ones(int((cohort.event & looked).sum())))
    found = verification(flag, looked, cohort.event)
    assert isinstance(found.sensitivity, Estimate) and isinstance(found.gap, Estimate)
    assert naive.lower > truth + 0.1
    assert found.sensitivity.lower < truth < found.sensitivity.upper
    assert found.gap.lower > 0.65


def test_the_correction_s_intervals_hold_the_truth() -> None:
    large = cohorts.risks(200_000, 77)
    truth, held = float((large.risk >= 0.3)[large.event].mean()), []
    for seed in range(200):
        cohort, random = cohorts.risks(1500, seed), np.random.default_rng(seed)
        flag = cohort.risk >= 0.3
        looked = random.random(1500) < np.where(flag, 0.9, 0.3)
        found = verification(flag, looked, cohort.event).sensitivity
        assert isinstance(found, Estimate)
        held.append(found.lower <= truth <= found.upper)
    assert 0.91 <= np.mean(held) <= 0.99


def test_where_nobody_unflagged_was_looked_at_nothing_can_be_corrected() -> None:
    flag = np.arange(400) < 100
    found = verification(flag, flag, flag & (np.arange(400) < 50))
    assert found.sensitivity == NotEnough("people", 0, 30)
    every = verification(flag, np.ones(400, dtype=bool), np.zeros(400, dtype=bool))
    assert isinstance(every.sensitivity, NotEstimable)
