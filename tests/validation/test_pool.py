"""Three hospitals' counts against what one file of all their people would have said."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pytest
from hospitals import Hospital, asked, exact_auc, hospital
from lifelines import KaplanMeierFitter

from cds.errors import ValidationRoundError
from cds.validation.cases import Case
from cds.validation.pooling.measures import TooFew
from cds.validation.pooling.pool import Interval, RoundResult, pooled
from cds.validation.pooling.report import page, plain, text
from cds.validation.result import Result, counted
from cds.validation.rounds import Round

TODAY = date(2026, 11, 28)
SITES = {"North": (9000, 0.0), "South": (4000, 0.2), "West": (2500, -0.2)}


def hospitals(seed: int = 0) -> dict[str, Hospital]:
    return {name: hospital(n, seed * 10 + i, shift=shift) for i, (name, (n, shift)) in enumerate(SITES.items())}


def result(name: str, one: Hospital, question: Round | None = None) -> Result:
    return counted(question or asked(), one.cases(), name, TODAY)


def together(found: RoundResult, measure: str, group: str = "all") -> Interval:
    figure = found.figure(measure, None, group)  # type: ignore[arg-type]
    assert figure is not None and isinstance(figure.together, Interval)
    return figure.together


@pytest.mark.parametrize("seed", range(3))
def test_pooled_counts_lose_at_most_three_thousandths_of_the_auc(seed: int) -> None:
    three = hospitals(seed)
    found = pooled(asked(), [result(name, one) for name, one in three.items()])
    scores = np.concatenate([one.scores for one in three.values()])
    events = np.concatenate([one.events for one in three.values()])
    assert together(found, "auc").value == pytest.approx(exact_auc(scores, events), abs=0.003)
    assert together(found, "oe").value == pytest.approx(events.sum() / scores.sum(), abs=1e-4)
    female = np.concatenate([one.female for one in three.values()])
    assert together(found, "auc", "sex=female").value == pytest.approx(
        exact_auc(scores[female], events[female]), abs=0.006
    )


def test_the_slope_is_that_of_a_regression_on_every_person() -> None:
    from scipy.optimize import minimize

    three = hospitals()
    scores = np.concatenate([one.scores for one in three.values()])
    events = np.concatenate([one.events for one in three.values()])
    x = np.log(scores / (1 - scores))

    def loss(beta: np.ndarray) -> float:
        z = beta[0] + beta[1] * x
        return float(np.sum(np.logaddexp(0, z) - events * z))

    intercept, slope = minimize(loss, [0.0, 1.0]).x
    found = pooled(asked(), [result(name, one) for name, one in three.items()])
    assert together(found, "slope").value == pytest.approx(slope, abs=0.02)
    assert together(found, "intercept").value == pytest.approx(intercept, abs=0.06)


def test_each_hospital_has_its_interval_and_the_next_one_a_wider() -> None:
    found = pooled(asked(), [result(name, one) for name, one in hospitals().items()])
    figure = found.figure("auc")
    assert figure is not None and isinstance(figure.mean, Interval) and figure.following is not None
    assert [site.site for site in figure.sites] == sorted(SITES)
    assert figure.following[0] <= figure.mean.low < figure.mean.value < figure.mean.high <= figure.following[1]
    for site in figure.sites:
        assert isinstance(site.figure, Interval)
        assert (
            site.figure.low < exact_auc(hospitals()[site.site].scores, hospitals()[site.site].events) < site.figure.high
        )


def test_a_hospital_whose_people_fare_worse_than_predicted_stands_out() -> None:
    worse = {"North": hospital(9000, 1), "South": hospital(4000, 2), "East": hospital(6000, 3, shift=0.9)}
    found = pooled(asked(), [result(name, one) for name, one in worse.items()])
    figure = found.figure("oe")
    assert figure is not None and figure.meta is not None
    of = {site.site: site.figure for site in figure.sites}
    assert isinstance(of["East"], Interval) and isinstance(of["North"], Interval)
    assert of["East"].low > 1.5 > of["North"].high
    assert figure.meta.i2 > 0.8 and figure.meta.p < 0.001


def test_survival_is_compared_with_kaplan_meier_at_each_horizon() -> None:
    question = asked(horizons=(12, 24), low=0.05, high=0.95, subgroups={})
    results, everybody = [], []
    for number, name in enumerate(SITES):
        random = np.random.default_rng(number)
        rate = np.exp(random.normal(-2.5, 0.6, 900))
        until, lost = random.exponential(1 / rate), random.uniform(6, 60, 900)
        months, died = np.minimum(until, lost), until <= lost
        cases = [
            Case({12: 1 - math.exp(-12 * r), 24: 1 - math.exp(-24 * r)}, bool(d), float(m), {})
            for r, m, d in zip(rate, months, died, strict=True)
        ]
        everybody.append((months, died, rate))
        results.append(counted(question, cases, name, TODAY))
    found = pooled(question, results)
    for horizon in (12, 24):
        observed, expected = 0.0, 0.0
        for months, died, rate in everybody:
            observed += 900 * (1 - float(KaplanMeierFitter().fit(months, died).predict(horizon)))
            expected += float(np.sum(1 - np.exp(-horizon * rate)))
        figure = found.figure("oe", horizon)
        assert figure is not None and isinstance(figure.together, Interval)
        assert figure.together.value == pytest.approx(observed / expected, abs=1e-3)
        assert figure.together.low < 1 < figure.together.high, "the model is right here"
        slope = found.figure("slope", horizon)
        assert slope is not None and isinstance(slope.together, Interval)
        assert slope.together.low < 1.1 and slope.together.high > 0.9


def test_too_few_events_give_words_and_no_figure() -> None:
    small = [result(name, hospital(700, 40 + i)) for i, name in enumerate(("A hospital", "B hospital"))]
    found = pooled(asked(), small)
    figure = found.figure("auc")
    assert figure is not None and isinstance(figure.together, TooFew)
    assert str(figure.together) == f"not enough data: {found.events[0]} events, 100 needed"
    assert f"{found.events[0]} events, 100 needed" in text(found)
    assert figure.mean == figure.together


def test_one_hospital_is_told_and_not_pooled() -> None:
    found = pooled(asked(), [result("North", hospital(9000, 1))])
    assert "nothing to pool across hospitals" in text(found)
    figure = found.figure("auc")
    assert figure is not None and figure.mean is None and figure.following is None


def test_results_that_do_not_fit_are_refused_by_name() -> None:
    north = result("North", hospital(9000, 1))
    other = asked(title="Another question")
    with pytest.raises(ValidationRoundError, match="North answers another round"):
        pooled(other, [north])
    with pytest.raises(ValidationRoundError, match="North sent two results"):
        pooled(asked(), [north, north])
    with pytest.raises(ValidationRoundError, match="no result to pool"):
        pooled(asked(), [])
    with pytest.raises(ValidationRoundError, match="North has cells of 4"):
        pooled(asked(), [north.model_copy(update={"minimum_cell": 4})])


def test_bins_that_are_not_the_rounds_are_refused() -> None:
    north = result("North", hospital(9000, 1))
    [whole, *rest] = north.tables
    shifted = whole.bins[0].model_copy(update={"high": 0.000123})
    for table in (
        whole.model_copy(update={"bins": (shifted, *whole.bins[1:])}),
        whole.model_copy(update={"bins": whole.bins[1:]}),
    ):
        with pytest.raises(ValidationRoundError, match="bins that are not the round's"):
            pooled(asked(), [north.model_copy(update={"tables": (table, *rest)})])
    wrong = whole.bins[0].model_copy(update={"score_sum": 1e6})
    spoiled = whole.model_copy(update={"bins": (wrong, *whole.bins[1:])})
    with pytest.raises(ValidationRoundError, match="scores outside their bin"):
        pooled(asked(), [north.model_copy(update={"tables": (spoiled, *rest)})])
    with pytest.raises(ValidationRoundError, match="lacks the table of all people"):
        pooled(asked(), [north.model_copy(update={"tables": tuple(rest)})])
    with pytest.raises(ValidationRoundError, match="twice"):
        pooled(asked(), [north.model_copy(update={"tables": (whole, whole)})])


def test_the_page_has_a_forest_and_a_funnel_for_all_people_and_says_what_it_is_not() -> None:
    found = pooled(asked(), [result(name, one) for name, one in hospitals().items()])
    html = page(found)
    assert html.count("<svg") >= 12
    assert "the next hospital" in html and "not that acting on it helps" in html
    assert "North" in html and "<script" not in html
    assert plain(found)["sites"] == sorted(SITES)
