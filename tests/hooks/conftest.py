"""The stories, asked about once for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from story_house import Fire, House, opened

from hooks import stories


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with opened(tmp_path_factory.mktemp("stories")) as house:
        yield house


@pytest.fixture(scope="module")
def fire(house: House) -> Fire:
    """One hook for one story: the cards of all its services."""

    def fire(story: stories.Story, hook: str, language: str) -> dict[str, list[dict[str, object]]]:
        return {"cards": [card for cards in house.ask(story, hook, language).values() for card in cards]}

    return fire
