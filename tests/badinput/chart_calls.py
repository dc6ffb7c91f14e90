"""Charts to spoil, and the calls that carry them."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

from hooks import stories
from hooks.stories.story import Story

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
SERVICE = "/cds-services/pancreas-risk"
SIGN = "/cds-services/pancreas-first-line"

ALARMING = stories.story("new-diabetes")
"""Gets a card: weight loss with new diabetes."""
QUIET = Story(
    id="quiet",
    given="Quinn",
    age=62,
    sex="female",
    tells="Nothing to report.",
    series={"hba1c": "-300:5.4 -20:5.5", "weight": "-300:70 -20:70.4"},
)
"""Gets none: what is lost from this chart is lost in silence, unless the answer says so."""

Resource = dict[str, Any]


def chart(story: Story) -> list[Resource]:
    return copy.deepcopy(stories.build(story, NOW.date()))


def patient_view(story: Story, prefetch: dict[str, Any] | None, **changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/gp", "patientId": story.id},
    }
    if prefetch is not None:
        body["prefetch"] = prefetch
    return body | changes


def order_sign(story: Story, prefetch: dict[str, Any], drafts: Any = None) -> dict[str, Any]:
    body = patient_view(story, prefetch, hook="order-sign")
    body["context"]["draftOrders"] = drafts if drafts is not None else stories.draft_orders(story, NOW.date())
    return body


def labs(resources: list[Resource], loinc: str) -> list[Resource]:
    """The results under one code, newest last."""
    found = [
        r
        for r in resources
        if r["resourceType"] == "Observation" and any(c.get("code") == loinc for c in r["code"].get("coding", ()))
    ]
    return sorted(found, key=lambda r: str(r.get("effectiveDateTime", "")))
