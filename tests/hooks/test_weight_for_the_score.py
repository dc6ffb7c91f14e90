"""A weight that can't be used, where fasting glucose has risen: the score's silence is no low score."""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House
from test_diabetes_known_before import PATIENT, SCORED, THIN, WEIGHT, problem, result, told

PAIN = "21522001"
ROSE = SCORED[:3]
WEIGHED = SCORED[3:]


def odd(weight: dict[str, Any], unit: str | None) -> dict[str, Any]:
    quantity = {"value": weight["valueQuantity"]["value"]} | ({"unit": unit} if unit else {})
    return weight | {"valueQuantity": quantity}


@pytest.mark.parametrize(
    ("unit", "said"),
    [
        ("yd", "body weight (sent as 72 yd, which is not a unit for it)"),
        (None, "body weight (sent as 72, without a unit)"),
    ],
)
def test_it_is_told_where_nothing_else_lacks(house: House, unit: str | None, said: str) -> None:
    (card,) = house.cards_for("pancreas-risk", PATIENT, *ROSE, WEIGHED[0], odd(WEIGHED[1], unit))
    assert card["summary"].startswith("Pancreatic cancer risk could not be fully assessed")
    assert f"- Sent and could not be used: {said}.\n" in card["detail"]


@pytest.mark.parametrize(
    "chart",
    [
        pytest.param(ROSE, id="nobody weighed her"),
        pytest.param((*ROSE[:2], WEIGHED[0], odd(WEIGHED[1], "yd")), id="no rise"),
        pytest.param((odd(WEIGHED[1], "yd"),), id="no glucose"),
    ],
)
def test_it_is_not_where_the_score_would_not_speak(house: House, chart: tuple[dict[str, Any], ...]) -> None:
    assert told(house, *chart) == ([], set())


def test_another_card_says_why_the_score_is_lacking_and_says_it_once(house: House) -> None:
    chart = (problem(THIN, "2026-10-20"), problem(PAIN, "2026-10-20"), *ROSE)
    (card,) = house.cards_for("pancreas-risk", PATIENT, *chart)
    assert (
        "END-PAC could not be worked out: change in weight over the year before onset (not recorded)." in card["detail"]
    )
    (card,) = house.cards_for("pancreas-risk", PATIENT, *chart, WEIGHED[0], odd(WEIGHED[1], "yd"))
    assert card["detail"].count("72 yd") == 1


def test_a_weight_in_stones_is_a_weight(house: House) -> None:
    weights = (result(WEIGHT, v, d) for v, d in ((12.6, "2025-09-28"), (11.3, "2026-09-28")))
    (card,) = house.cards_for("pancreas-risk", PATIENT, *ROSE, *(odd(one, "[stone_av]") for one in weights))
    assert "END-PAC score" in card["summary"]
