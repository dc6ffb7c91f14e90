"""AUC, time-dependent AUC and C-indices are what scikit-learn, lifelines and scikit-survival say, with honest
intervals."""

from __future__ import annotations

import cohorts
import numpy as np
import pytest
from lifelines.utils import concordance_index
from scipy.stats import norm
from sklearn.metrics import roc_auc_score
from sksurv.metrics import concordance_index_ipcw, cumulative_dynamic_auc
from sksurv.util import Surv

from cds.measures.censoring import at_horizon, followed
from cds.measures.concordance import auc_at, harrell_c, uno_c
from cds.measures.discrimination import auc, placements
from cds.measures.estimate import Estimate, Minimum, NotEnough
from cds.measures.scored import scored

ANY = Minimum()


def value(found: object) -> float:
    assert isinstance(found, Estimate), found
    return found.value


@pytest.mark.parametrize("decimals", [15, 1], ids=["all different", "many ties"])
def test_the_auc_is_scikit_learns(decimals: int) -> None:
    cohort = cohorts.risks(1500)
    risk = np.round(cohort.risk, decimals)
    assert value(auc(scored(risk, cohort.event))) == pytest.approx(roc_auc_score(cohort.event, risk), abs=1e-12)


def test_a_weighted_auc_is_scikit_learns_too() -> None:
    cohort, weight = cohorts.risks(1500), np.random.default_rng(0).uniform(0.2, 5, 1500)
    found = auc(scored(cohort.risk, cohort.event, weight))
    expected = roc_auc_score(cohort.event, cohort.risk, sample_weight=weight)
    assert value(found) == pytest.approx(expected, abs=1e-12)


def test_the_variance_is_delongs_as_the_paper_writes_it() -> None:
    """S10/m + S01/n from the kernel itself, pair by pair, against the fast way by ranks."""
    cohort = cohorts.risks(300)
    risk = np.round(cohort.risk, 2)
    cases, others = risk[cohort.event], risk[~cohort.event]
    kernel = np.sign(cases[:, None] - others[None, :]) / 2 + 0.5
    v10, v01 = kernel.mean(axis=1), kernel.mean(axis=0)
    above, below = placements(scored(risk, cohort.event))
    assert np.allclose(above, v10) and np.allclose(below, v01)
    error = np.sqrt(v10.var(ddof=1) / len(cases) + v01.var(ddof=1) / len(others))
    found = auc(scored(risk, cohort.event), ANY)
    assert isinstance(found, Estimate)
    area = kernel.mean()
    half = norm.ppf(0.975) * error / (area * (1 - area))
    assert np.log(found.upper / (1 - found.upper)) - np.log(area / (1 - area)) == pytest.approx(half)


def test_perfect_separation_is_not_told_as_certain() -> None:
    found = auc(scored(np.arange(30.0), np.arange(30) >= 20), ANY)
    assert isinstance(found, Estimate)
    assert (found.value, found.upper) == (1.0, 1.0)
    assert 0.6 < found.lower < 0.75  # ten pairs at most: 0.025 ** (1 / 10)


def test_of_too_few_events_nothing_is_told() -> None:
    event = np.zeros(1000, dtype=bool)
    event[:14] = True
    found = auc(scored(np.linspace(0, 1, 1000), event))
    assert found == NotEnough("events", 14, 100)
    assert found.told == "not enough data: 14 events, 100 needed"
    assert auc(scored([], []), ANY) == NotEnough("events", 0, 1)


@pytest.mark.parametrize("decimals", [15, 1], ids=["all different", "many ties"])
def test_harrells_c_is_lifelines(decimals: int) -> None:
    cohort = cohorts.lives(800)
    months, score = np.round(cohort.months, decimals), np.round(cohort.score, decimals)
    expected = concordance_index(months, -score, cohort.event)
    assert value(harrell_c(score, followed(months, cohort.event))) == pytest.approx(expected, abs=1e-12)


def test_unos_c_is_scikit_survivals() -> None:
    cohort = cohorts.lives(800)
    outcome = Surv.from_arrays(cohort.event, cohort.months)
    expected = concordance_index_ipcw(outcome, outcome, cohort.score, tau=24)[0]
    assert value(uno_c(cohort.score, followed(cohort.months, cohort.event), 24)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("months", [6.0, 12.0, 24.0])
def test_the_auc_over_time_is_scikit_survivals(months: float) -> None:
    cohort = cohorts.lives(1500)
    outcome = Surv.from_arrays(cohort.event, cohort.months)
    [expected], _ = cumulative_dynamic_auc(outcome, outcome, cohort.score, [months])
    found = auc_at(cohort.score, followed(cohort.months, cohort.event), months)
    assert value(found) == pytest.approx(expected, abs=1e-9)


def test_who_is_lost_at_the_horizon_was_seen_up_to_it() -> None:
    """As at an administrative end of follow-up: they are known to be free of the event."""
    people = at_horizon([0.1, 0.2, 0.3, 0.4], followed([24, 24, 10, 5], [False, False, True, False]), 24)
    assert (people.weight > 0).tolist() == [True, True, True, False]
    assert people.weight.sum() == pytest.approx(4)


def test_follow_up_shorter_than_the_horizon_is_said_and_not_stretched() -> None:
    cohort = cohorts.lives(800, lost=0.0, end=12.0)
    found = auc_at(cohort.score, followed(cohort.months, cohort.event), 24)
    assert found == NotEnough("people without the event", 0, 100)


@pytest.mark.parametrize("measure", ["auc", "harrell", "uno", "auc at 12"])
def test_nineteen_of_twenty_intervals_hold_the_truth(measure: str) -> None:
    """300 small cohorts; the truth is that of 20,000 people. Monte Carlo error of the coverage: 1.3 points."""

    def measured(n: int, seed: int) -> Estimate:
        cohort = cohorts.lives(n, seed)
        people = followed(cohort.months, cohort.event)
        if measure == "auc":
            binary = cohorts.risks(n, seed)
            found = auc(scored(binary.risk, binary.event), ANY)
        elif measure == "harrell":
            found = harrell_c(cohort.score, people, ANY)
        elif measure == "uno":
            found = uno_c(cohort.score, people, 24, ANY)
        else:
            found = auc_at(cohort.score, people, 12, ANY)
        assert isinstance(found, Estimate)
        return found

    truth = np.mean([measured(4000, seed).value for seed in range(900, 905)])
    held = [found.lower <= truth <= found.upper for found in (measured(150, seed) for seed in range(300))]
    assert 0.91 <= np.mean(held) <= 0.985
