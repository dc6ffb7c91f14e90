"""No outlook on survival reaches a patient's own eyes, and the ledger says that this is why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from story_house import TODAY, House, opened, untold

from hooks import stories

HOOKS = ("order-select", "order-sign")
DRAFTED = [story for story in stories.STORIES if story.drafts]
OUTLOOKS = ("pancreas-survival", "pancreas-survival-none", "pancreas-adjuvant-outlook")
"""Topics; what the ledger remembers of the second is the first."""


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A client whose users may be patients, whoever a call says they are."""
    with opened(tmp_path_factory.mktemp("portal"), patient_facing=True) as house:
        yield house


Ask = Callable[..., set[str]]


def topics(cards: dict[str, list[dict[str, Any]]]) -> set[str]:
    return {card["source"]["topic"]["code"] for found in cards.values() for card in found}


@pytest.fixture(params=["Patient/x", "RelatedPerson/x", "portal"])
def as_layman(request: pytest.FixtureRequest, house: House, portal: House) -> tuple[House, Ask]:
    by: str = request.param
    asked = portal if by == "portal" else house
    user = "Practitioner/gp" if by == "portal" else by
    untold(asked)

    def ask(story: stories.Story, hook: str, **changes: Any) -> set[str]:
        return topics(asked.ask(story, hook, userId=user, **changes))

    return asked, ask


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("story", DRAFTED, ids=lambda s: s.id)
def test_what_a_clinician_is_told_of_survival_a_patient_is_not(
    house: House, as_layman: tuple[House, Ask], story: stories.Story, hook: str
) -> None:
    told = topics(house.ask(story, hook))
    asked, ask = as_layman
    untold(asked)
    assert not ask(story, hook) & {*OUTLOOKS, "pancreas-first-line-data"}
    reasons = untold(asked)
    for topic in told & {*OUTLOOKS, "pancreas-first-line-data"}:
        assert (topic.removesuffix("-none"), "patient-facing") in reasons


def test_the_stories_have_outlooks_to_keep_back(house: House) -> None:
    """Without them the test above would prove nothing."""
    told = {topic for story in DRAFTED for hook in HOOKS for topic in topics(house.ask(story, hook))}
    assert {"pancreas-survival", "pancreas-adjuvant-outlook", "pancreas-first-line-data"} <= told


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("only", [True, False], ids=["nothing readable", "one of two lost"])
def test_orders_that_could_not_be_read_change_nothing(as_layman: tuple[House, Ask], hook: str, only: bool) -> None:
    story = stories.story("gemnab-rising")
    bundle = stories.draft_orders(story, TODAY)
    for entry in bundle["entry"] if only else bundle["entry"][-1:]:
        entry["resource"]["doNotPerform"] = "false"  # no boolean: the order is lost
    asked, ask = as_layman
    assert not ask(story, hook, draftOrders=bundle) & {*OUTLOOKS, "pancreas-first-line-data"}
    topic = "pancreas-survival" if hook == "order-sign" else "pancreas-first-line-data"
    assert (topic, "patient-facing") in untold(asked)
