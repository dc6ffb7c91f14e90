"""Cards as they go out: CDS Hooks 2.0.1 section "CDS Service Response", optional members omitted when empty."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Indicator = Literal["info", "warning", "critical"]


class Coding(msgspec.Struct, frozen=True, omit_defaults=True):
    system: str
    code: str
    display: str | None = None


class Source(msgspec.Struct, frozen=True, omit_defaults=True):
    label: str
    url: str | None = None
    icon: str | None = None
    topic: Coding | None = None


class Action(msgspec.Struct, frozen=True, omit_defaults=True):
    type: Literal["create", "update", "delete"]
    description: str
    resource: dict[str, Any] | None = None
    resourceId: str | None = None


class Suggestion(msgspec.Struct, frozen=True, omit_defaults=True):
    label: str
    uuid: str | None = None
    isRecommended: bool | None = None
    actions: tuple[Action, ...] = ()


class Link(msgspec.Struct, frozen=True, omit_defaults=True):
    label: str
    url: str
    type: Literal["absolute", "smart"]
    appContext: str | None = None


class Card(msgspec.Struct, frozen=True, omit_defaults=True):
    uuid: str
    summary: str
    indicator: Indicator
    source: Source
    detail: str | None = None
    suggestions: tuple[Suggestion, ...] = ()
    selectionBehavior: Literal["any", "at-most-one"] | None = None
    overrideReasons: tuple[Coding, ...] = ()
    links: tuple[Link, ...] = ()

    def __post_init__(self) -> None:
        if len(self.summary) >= 140:
            raise ValueError("a card's summary must be shorter than 140 characters")
        if bool(self.suggestions) != bool(self.selectionBehavior):
            raise ValueError("a card with suggestions needs selectionBehavior, and only such a card")


class Response(msgspec.Struct, frozen=True):
    cards: tuple[Card, ...] = ()


_encoder = msgspec.json.Encoder()


def encode(response: Response) -> bytes:
    return _encoder.encode(response)
