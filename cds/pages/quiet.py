"""What is silent because somebody said no, and until when, as far as the CDS service tells.

The EHR remembers what it refused and sees that it is not said again. When the silence ends only the service knows: it
is read from the ledger row of the call, where the service offers one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from cds.pages.cds_client import Card, Exchange
from cds.record.moments import Moment, parse

_SNOOZED = "snoozed"
REASONS = ("shown-before", "over-clinician-budget", "over-patient-budget", "over-card-limit")
"""Why a card that was ready was not shown, as the service's ledger rows name it."""


@dataclass(frozen=True)
class Refusal:
    """An override that a service took."""

    service: str
    topic: str
    """Code of the card's topic; empty where it had none."""
    label: str
    reason: str
    at: datetime

    def is_about(self, card: Card) -> bool:
        return _topic(card) == self.topic if self.topic else card.summary == self.label


@dataclass(frozen=True)
class Silence:
    label: str
    reason: str
    since: datetime | None
    until: Moment | None


def refusal(exchange: Exchange, card: Card, reason: str, at: datetime) -> Refusal:
    topic = card.source.topic
    return Refusal(
        exchange.service.id, _topic(card), (topic.display if topic else None) or card.summary, reason, at
    )  # fmt: skip


def silences(
    exchanges: Iterable[tuple[Exchange, Mapping[str, Any] | None]], refusals: Iterable[Refusal]
) -> tuple[Silence, ...]:
    """Of the calls just made, each with its ledger row where there is one."""
    said_no = list(refusals)
    found: dict[tuple[str, str], Silence] = {}
    for exchange, row in exchanges:
        if exchange.problem:
            continue
        held = {str(h.get("topic", "")).partition("/")[0]: h for h in _held(row)}
        for no in said_no:
            if no.service != exchange.service.id or any(no.is_about(card) for card in exchange.cards):
                continue
            until = held.pop(no.topic, {}).get("until") if no.topic else None
            found[exchange.service.id, no.topic or no.label] = Silence(no.label, no.reason, no.at, _moment(until))
        for topic, row_held in held.items():
            reason = str(row_held.get("reason", "")).partition(":")[2]
            found.setdefault((exchange.service.id, topic), Silence(topic, reason, None, _moment(row_held.get("until"))))
    return tuple(found.values())


@dataclass(frozen=True)
class Withheld:
    """A card that was ready and was not shown, for a reason that is nobody's refusal."""

    label: str
    reason: str
    """One of ``REASONS``."""
    until: Moment | None


def withheld(rows: Iterable[Mapping[str, Any] | None]) -> tuple[Withheld, ...]:
    """Of the calls just made, as far as the service tells of them."""
    held = [h for row in rows for h in _told(row) if h.get("label") and h.get("reason") in REASONS]
    return tuple(Withheld(str(h["label"]), str(h["reason"]), _moment(h.get("until"))) for h in held)


def _held(row: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    return [h for h in _told(row) if str(h.get("reason", "")).startswith(_SNOOZED)]


def _told(row: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    told = (row or {}).get("heldBack")
    return [h for h in told if isinstance(h, Mapping)] if isinstance(told, list) else []


def _topic(card: Card) -> str:
    return card.source.topic.code if card.source.topic else ""


def _moment(text: object) -> Moment | None:
    try:
        return parse(date.fromisoformat(str(text)).isoformat())
    except ValueError:
        return None
