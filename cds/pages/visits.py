"""What an open chart remembers between two requests: the last hook fired, its answers, what was done with the cards.

Kept in memory under a random token, so that no address names a patient; the oldest are forgotten.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Literal

from cds.pages.cds_client import Card, Exchange
from cds.pages.fhir_record import Done

_MOST = 500


@dataclass(frozen=True)
class Notice:
    """Something the page tells after a deed: a sentence of the catalogue and its values."""

    tone: Literal["good", "bad"]
    key: str
    values: dict[str, str] = field(default_factory=dict)


@dataclass
class CardState:
    accepted: dict[int, tuple[Done, ...]] = field(default_factory=dict)
    """Positions of the suggestions taken, and what was done for each."""
    overridden: str = ""
    """The reason's words; ``-`` if none was given."""

    def may_take(self, card: Card, suggestion: int) -> bool:
        """Not twice, and of a card that offers one or none not a second one."""
        return suggestion not in self.accepted and not (self.accepted and card.selectionBehavior == "at-most-one")


@dataclass
class Visit:
    patient: str
    hook: str
    language: str
    selections: tuple[str, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    trouble: str = ""
    """Why no service could be asked at all."""
    notices: list[Notice] = field(default_factory=list)
    cards: dict[tuple[int, int], CardState] = field(default_factory=dict)
    """By position of the exchange and of the card in it."""
    rows: dict[int, dict[str, Any] | None] = field(default_factory=dict)
    """Ledger rows of the exchanges, as far as they were asked for; None: the service tells none."""
    awaited: int = 0
    """How often the page will still look whether a scan just sent has been read."""
    study: str = ""
    """Opaque id of that scan, if the service told one."""

    def state(self, call: int, card: int) -> CardState:
        return self.cards.setdefault((call, card), CardState())

    @property
    def advised(self) -> bool:
        """Is there anything to read before going on?"""
        return any(exchange.cards for exchange in self.exchanges)


class Visits:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: OrderedDict[str, Visit] = OrderedDict()

    def add(self, visit: Visit) -> str:
        token = secrets.token_urlsafe(9)
        with self._lock:
            self._open[token] = visit
            while len(self._open) > _MOST:
                self._open.popitem(last=False)
        return token

    def get(self, token: str) -> Visit | None:
        with self._lock:
            return self._open.get(token)
