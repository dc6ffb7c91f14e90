"""Calls about the authored patients as of today, since a real server keeps real time."""

from __future__ import annotations

import uuid
from datetime import date
from typing import Any

from hook_context import hook_context
from servers import prefetch_of

from hooks import stories
from hooks.stories.story import Story

ALARMING = stories.story("new-diabetes")


def body(hook: str, patient_id: str, drafts: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    context = hook_context(hook, patient_id, drafts)
    return {"hook": hook, "hookInstance": str(uuid.uuid4()), "context": context, **members}


def patient_view(story: Story = ALARMING, **members: Any) -> dict[str, Any]:
    """With everything as prefetch."""
    return body("patient-view", story.id, prefetch=prefetch_of(stories.build(story, date.today())), **members)
