"""A small policy with one service, and layers of it; whoever acts on it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from cds.ledger import PolicyEvent, PolicyLedger, PolicyRecord
from cds.policy.acts import Act, House, Person
from cds.policy.schema import Known

TODAY = date(2026, 11, 28)
NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)

BASE = """\
name: Base
author: The product
approver: Nobody yet
effective: 2026-01-01
reason: to begin with
models:
  score-a: {enabled: true}
services:
  my-service:
    parameters: {threshold: 0.02, kinds: [a, b]}
orders:
  scan: {system: "urn:x", code: "1", display: Scan}
  blood: {system: "urn:x", code: "2", display: Blood}
"""


class Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid")
    threshold: float = Field(0.03, lt=1, description="From what risk a card is given.")
    kinds: tuple[str, ...] = ()


KNOWN = Known(
    {"score-a": frozenset({"high"}), "score-b": frozenset()},
    {"my-service": Parameters, "other-service": Parameters},
    {"score-a": {"high": (0.4, "From what score it is called high.")}},
)


def layer(threshold: float | None = 0.03, **changed: Any) -> str:
    content: dict[str, Any] = {
        "name": "A change",
        "author": "A. Lead",
        "effective": "2026-11-01",
        "reason": "fewer cards",
        **changed,
    }
    if threshold is not None:
        content["services"] = {"my-service": {"parameters": {"threshold": threshold}}}
    return yaml.safe_dump({k: date.fromisoformat(v) if k in ("effective", "until") else v for k, v in content.items()})


def person(name: str = "A. Lead", reason: str = "because", day: date = TODAY) -> Person:
    return Person(name, reason, "tests@here", NOW + timedelta(days=(day - TODAY).days), day)


def house(**changed: Any) -> House:
    given: dict[str, Any] = {
        "base": BASE,
        "where": "base.yaml",
        "known": KNOWN,
        "approvers": {"B. Second": date(2027, 1, 1), "C. Gone": date(2026, 10, 1), "A. Lead": None},
        "two_people": True,
        "clients": frozenset({"north", "south"}),
    }
    return House(**{**given, **changed})


class Rows:
    """The rows acts are judged by, as a ledger keeps them."""

    def __init__(self) -> None:
        self.record = PolicyRecord({}, ())

    def do(self, act: Act) -> PolicyEvent:
        version, event = act(self.record)
        versions = self.record.versions | ({version.version: version} if version is not None else {})
        self.record = PolicyRecord(versions, (*self.record.events, event))
        return event


def opened(folder: Path) -> PolicyLedger:
    return PolicyLedger(f"sqlite:///{folder / 'ledger.db'}")
