"""Against what is published of the thirteen trials of the BCG vaccine (Colditz 1994), the textbook example."""

from __future__ import annotations

import math

import pytest

from cds.validation.pooling.measures import Estimate
from cds.validation.pooling.meta import analysed

# cases and people, vaccinated and not
BCG = (
    (4, 123, 11, 139), (6, 306, 29, 303), (3, 231, 11, 220), (62, 13598, 248, 12867), (33, 5069, 47, 5808),
    (180, 1541, 372, 1451), (8, 2545, 10, 629), (505, 88391, 499, 88391), (29, 7499, 45, 7277),
    (17, 1716, 65, 1665), (186, 50634, 141, 27338), (5, 2498, 3, 2341), (27, 16913, 29, 17854),
)  # fmt: skip
ESTIMATES = tuple(
    Estimate(math.log((a / n1) / (c / n2)), math.sqrt(1 / a - 1 / n1 + 1 / c - 1 / n2)) for a, n1, c, n2 in BCG
)


def test_the_vaccine_trials_come_out_as_published() -> None:
    found = analysed(ESTIMATES)
    assert found is not None
    assert found.q == pytest.approx(152.233, abs=0.01)
    # Paule-Mandel: tau2 0.3181, log relative risk -0.7150
    assert found.tau**2 == pytest.approx(0.3181, abs=0.0005)
    assert found.value == pytest.approx(-0.7150, abs=0.0005)
    assert found.i2 == pytest.approx(0.923, abs=0.002)
    assert found.next_low is not None and found.next_high is not None
    assert found.next_low < found.low < found.value < found.high < found.next_high
    assert found.p < 1e-20


def test_hospitals_that_agree_have_no_variance_between_them() -> None:
    found = analysed([Estimate(0.7, 0.1), Estimate(0.71, 0.1), Estimate(0.69, 0.1)])
    assert found is not None
    assert (found.tau, found.i2) == (0.0, 0.0)
    # never narrower than if the hospitals were one
    assert found.high - found.low >= 2 * 1.96 * 0.1 / math.sqrt(3)


def test_two_hospitals_say_nothing_of_the_next_one_and_one_is_not_pooled() -> None:
    found = analysed([Estimate(0.7, 0.1), Estimate(0.5, 0.1)])
    assert found is not None and found.next_low is None
    assert analysed([Estimate(0.7, 0.1)]) is None
