"""QCancer 2013 and END-PAC give the published answers, to the last border."""

from __future__ import annotations

import numpy as np
import pytest
from published_vectors import ENDPAC_AGE, ENDPAC_GLUCOSE, ENDPAC_WEIGHT, QCANCER


@pytest.mark.parametrize("vector", QCANCER, ids=lambda v: f"{'men' if v.inputs['male'] else 'women'}-{v.risk:.4f}")
def test_qcancer_equals_the_exact_multinomial(ask, vector) -> None:
    assert ask("qcancer-2013-pancreas", vector.inputs)["risk"][0] == pytest.approx(vector.risk, abs=1e-9)


def test_qcancer_reference_is_the_same_person_with_nothing_else(ask) -> None:
    ill = QCANCER[3].inputs
    well = {"age": ill["age"], "male": ill["male"], "bmi": 26.0, "smoking": 0.0}
    answer = ask("qcancer-2013-pancreas", ill, well)
    assert answer["reference_risk"][0] == answer["reference_risk"][1] == pytest.approx(answer["risk"][1], abs=1e-12)
    assert np.abs(answer["contributions"][1]).max() < 1e-12


def test_qcancer_contributions_are_the_pancreas_equation_term_by_term(ask, registry) -> None:
    names = [i.name for i in registry["qcancer-2013-pancreas"].manifest.inputs]
    contributions = ask("qcancer-2013-pancreas", QCANCER[3].inputs)["contributions"][0]
    of = dict(zip(names, contributions, strict=True))
    assert of["weight_loss"] == pytest.approx(2.0466064239967046, abs=1e-12)
    assert of["smoking"] == pytest.approx(0.7765125427126867, abs=1e-12)
    assert of["constipation"] == pytest.approx(0.6240548033048214, abs=1e-12)
    assert of["age"] == of["male"] == of["dysphagia"] == 0.0
    # score of the published vector = intercept and age at reference weight + contributions
    body = of["bmi"]
    expected = 1.781957499473682 * (2.4**-2 - 2.6**-2) - 0.024960006489569975 * (2.4 - 2.6)
    assert body == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("outside", "end"), [(15.0, 20.0), (55.0, 40.0)])
def test_qcancer_takes_an_extreme_body_mass_index_as_the_nearer_end(ask, outside, end) -> None:
    person = {"age": 70.0, "male": 0.0, "smoking": 0.0}
    risk = ask("qcancer-2013-pancreas", {**person, "bmi": outside}, {**person, "bmi": end})["risk"]
    assert risk[0] == risk[1]


@pytest.mark.parametrize("male", [0.0, 1.0])
def test_qcancer_risk_rises_with_each_symptom(ask, male) -> None:
    person = {"age": 66.0, "male": male, "bmi": 26.0, "smoking": 0.0}
    base = ask("qcancer-2013-pancreas", person)["risk"][0]
    for symptom in ("abdominal_pain", "weight_loss", "appetite_loss", "type_2_diabetes", "chronic_pancreatitis"):
        assert ask("qcancer-2013-pancreas", {**person, symptom: 1.0})["risk"][0] > base


def _endpac(ask, **inputs: float) -> dict[str, np.ndarray]:
    start = {"age_at_onset": 65.0, "glucose_onset": 126.0, "glucose_before": 120.0, "weight_change": 0.0}
    return ask("endpac", {**start, **inputs})


@pytest.mark.parametrize(("age", "points"), ENDPAC_AGE)
def test_endpac_age_points(ask, age, points) -> None:
    assert _endpac(ask, age_at_onset=age)["contributions"][0][0] == points


@pytest.mark.parametrize(("change", "points"), ENDPAC_WEIGHT)
def test_endpac_weight_loss_adds_and_gain_takes_away(ask, change, points) -> None:
    assert _endpac(ask, weight_change=change)["contributions"][0][3] == points


@pytest.mark.parametrize(("before", "category"), [v for v in ENDPAC_GLUCOSE if v[0] < 126])
@pytest.mark.parametrize(("onset", "reached"), [v for v in ENDPAC_GLUCOSE if v[0] >= 126])
def test_endpac_glucose_counts_categories_not_milligrams(ask, onset, reached, before, category) -> None:
    answer = _endpac(ask, glucose_onset=onset, glucose_before=before)
    assert answer["score"][0] == reached - category
    assert 1 <= answer["score"][0] <= 4


@pytest.mark.parametrize(
    ("change", "score", "band"),
    [(2.0, -1, 0), (0.0, 1, 1), (-1.9, 1, 1), (-2.0, 3, 2), (-6.0, 7, 2)],
)
def test_endpac_bands(ask, change, score, band) -> None:
    """0 or less is very low, 1 and 2 intermediate, 3 or more high."""
    answer = _endpac(ask, weight_change=change)
    assert (answer["score"][0], answer["band"][0]) == (score, band)


@pytest.mark.parametrize(("age", "band"), [(65, 0), (75, 1)])
def test_endpac_band_borders_at_nought_and_one(ask, age, band) -> None:
    # glucose +2, weight gain -2: the age points decide
    answer = _endpac(ask, age_at_onset=age, glucose_before=105.0, weight_change=2.5)
    assert answer["score"][0] == band
    assert answer["band"][0] == band


def test_endpac_score_two_is_intermediate_and_three_is_high(ask) -> None:
    assert _endpac(ask, glucose_before=105.0)["band"][0] == 1
    assert _endpac(ask, glucose_before=95.0)["band"][0] == 2
    assert _endpac(ask, glucose_before=95.0)["score"][0] == 3
