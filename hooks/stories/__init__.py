"""Authored patients: what the product is shown with, and what its tests read.

Built by code from ``table``, one row a story; every date is an offset from ``today``.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from hooks.stories.build import build, bundle, draft_orders
from hooks.stories.codes import LOCAL_LABS
from hooks.stories.orderables import ORDERABLES, Orderable, orders
from hooks.stories.story import REASONS, TOPICS, Expect, Story
from hooks.stories.table import STORIES

__all__ = [
    "LOCAL_LABS",
    "ORDERABLES",
    "REASONS",
    "STORIES",
    "TOPICS",
    "Expect",
    "Orderable",
    "Story",
    "all_resources",
    "build",
    "bundle",
    "draft_orders",
    "orders",
    "story",
]

_BY_ID = {row.id: row for row in STORIES}


def story(story_id: str) -> Story:
    """Raises KeyError listing the stories there are."""
    if story_id not in _BY_ID:
        raise KeyError(f"no story '{story_id}'; there are: {', '.join(sorted(_BY_ID))}")
    return _BY_ID[story_id]


def all_resources(today: date) -> list[dict[str, Any]]:
    """Every resource of every story."""
    return [resource for row in STORIES for resource in build(row, today)]
