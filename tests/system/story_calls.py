"""Calls about the authored patients as of today, since a real server keeps real time."""

from __future__ import annotations

import uuid
from datetime import date
from typing import Any

from servers import prefetch_of

from hooks import stories
from hooks.stories.story import Story

SERVICES = {"patient-view": "pancreas-risk", "order-sign": "pancreas-first-line"}
ALARMING = stories.story("new-diabetes")


def body(hook: str, patient_id: str, drafts: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    context: dict[str, Any] = {"userId": "Practitioner/gp", "patientId": patient_id}
    if drafts is not None:
        context["draftOrders"] = drafts
    return {"hook": hook, "hookInstance": str(uuid.uuid4()), "context": context, **members}


def patient_view(story: Story = ALARMING, **members: Any) -> dict[str, Any]:
    """With everything as prefetch."""
    return body("patient-view", story.id, prefetch=prefetch_of(stories.build(story, date.today())), **members)
