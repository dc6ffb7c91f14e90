"""People lost from view are represented by those who stayed; lifelines is the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from lifelines import KaplanMeierFitter

from cds.validation.observed import known_by


def drawn(seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    # rounded, so that deaths and losses share days
    until, lost = random.exponential(12, 800).round(1), random.exponential(25, 800).round(1)
    return np.minimum(until, lost), until <= lost


@pytest.mark.parametrize("at", [6.0, 12.0, 24.0])
def test_kaplan_meier_and_its_error_are_those_of_lifelines(at: float) -> None:
    months, events = drawn()
    fitted = KaplanMeierFitter().fit(months, events)
    had, error = known_by(int(at), events, months).share(np.ones(len(months), dtype=bool))
    alive = 1 - had
    assert alive == pytest.approx(float(fitted.predict(at)), abs=1e-9)
    # lifelines keeps Greenwood's sum, its error is that times the survival
    steps = fitted._cumulative_sq_
    assert error == pytest.approx(alive * float(np.sqrt(steps[steps.index <= at].iloc[-1])), abs=1e-9)


def test_weights_of_the_known_speak_for_everybody_and_agree_with_kaplan_meier() -> None:
    months, events = drawn()
    known = known_by(12, events, months)
    assert known.weights.sum() == pytest.approx(len(months), rel=0.02)
    share = known.weights[known.events].sum() / len(months)
    assert share == pytest.approx(known.share(np.ones(len(months), dtype=bool))[0], abs=0.005)
    assert not known.weights[~known.known].any()


def test_without_losses_a_weight_is_a_person() -> None:
    months, events = np.array([3.0, 30.0, 8.0, 24.0]), np.array([True, True, True, False])
    known = known_by(12, events, months)
    assert known.weights.tolist() == [1, 1, 1, 1]
    assert known.events.tolist() == [True, False, True, False]


def test_whoever_is_lost_before_the_horizon_is_not_known() -> None:
    known = known_by(12, np.array([False, False, True]), np.array([5.0, 12.0, 20.0]))
    assert known.known.tolist() == [False, True, True]


def test_of_nobody_the_share_is_0_without_an_error() -> None:
    months, events = drawn()
    assert known_by(12, events, months).share(np.zeros(len(months), dtype=bool)) == (0.0, 0.0)
