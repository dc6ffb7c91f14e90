"""An EHR asks every service of a hook, and the clinician sees the sum: it has to be as short as one service's answer.

Each service keeps the policy's limits by itself; nothing limits them together but what each of them speaks of.
"""

from __future__ import annotations

from typing import Any

import pytest
from story_house import House

from hooks import stories

MOST, MOST_WARNINGS = 3, 1


def together(house: House, story: stories.Story, hook: str) -> list[dict[str, Any]]:
    return [card for cards in house.ask(story, hook).values() for card in cards]


@pytest.fixture(scope="module")
def hooks(house: House) -> list[str]:
    return sorted({service["hook"] for service in house.services})


@pytest.mark.parametrize("story", stories.STORIES, ids=lambda s: s.id)
def test_all_services_of_a_hook_say_no_more_than_one_may(house: House, hooks: list[str], story: stories.Story) -> None:
    for hook in hooks:
        cards = together(house, story, hook)
        assert len(cards) <= MOST, hook
        assert sum(card["indicator"] == "warning" for card in cards) <= MOST_WARNINGS, hook
        topics = [card["source"]["topic"]["code"] for card in cards]
        assert len(topics) == len(set(topics)), hook  # nothing is said twice by two of them


def test_some_hook_is_answered_by_several_services_at_once(house: House) -> None:
    """Else the sum would be one service's answer, which its own limit holds."""
    answers = house.ask(stories.story("dpyd-variant"), "order-sign")
    assert sum(bool(cards) for cards in answers.values()) >= 2
    assert sum(len(cards) for cards in answers.values()) == MOST


def test_the_limit_meant_is_the_packaged_policys(house: House) -> None:
    limits = house.engine.policies.current().cards
    assert (limits.most, limits.most_warnings) == (MOST, MOST_WARNINGS)


@pytest.mark.parametrize(
    ("language", "named"),
    [
        ("en", " Also a warning, on a card of its own: UGT1A1 ∗28/∗28: start irinotecan at 70% of the usual dose."),
        ("nl", " Ook een waarschuwing, op een eigen kaart: UGT1A1 ∗28/∗28: begin irinotecan met 70% van de"),
    ],
)
def test_the_warning_that_the_limit_quiets_is_named_on_the_one_that_is_left(
    house: House, language: str, named: str
) -> None:
    first, second = house.ask(stories.story("dpyd-variant"), "order-sign", language)["pancreas-dosing"]
    assert (first["indicator"], second["indicator"]) == ("warning", "info")
    head, _, rest = first["detail"].partition("\n\n")  # an EHR may show the first paragraph alone
    assert head.startswith("**") and named in head and second["summary"] in head
    assert "UGT1A1" not in rest and "DPYD" not in second["detail"]
