"""Every answer the service gives to the stories, and how two answers are compared."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from service import Json, StoryCalls

from hooks.stories import STORIES

SERVICES = (
    ("pancreas-risk", "patient-view"),
    ("pancreas-risk", "encounter-start"),
    ("pancreas-first-line", "order-select"),
    ("pancreas-first-line", "order-sign"),
)


@dataclass(frozen=True)
class Answered:
    story: str
    service: str
    hook: str
    language: str
    status: int
    text: str
    body: Json
    ms: float


def all_answers(fire: StoryCalls) -> list[Answered]:
    """Every story, every hook, both languages."""
    found = []
    for language in ("en", "nl"):
        for row in STORIES:
            for service, hook in SERVICES:
                body = fire.body(row.id, service, hook)
                start = time.perf_counter()
                answer = fire.client.post(f"/cds-services/{service}", json=body, headers={"Accept-Language": language})
                ms = (time.perf_counter() - start) * 1000
                text = answer.get_data(as_text=True)
                found.append(Answered(row.id, service, hook, language, answer.status_code, text, answer.get_json(), ms))
    return found


def cards_without_identity(answer: Json) -> list[Json]:
    """Cards without their UUIDs, which are fresh in every answer."""
    return [_plain(card) for card in answer["cards"]]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if k != "uuid"}
    return [_plain(v) for v in value] if isinstance(value, list) else value
