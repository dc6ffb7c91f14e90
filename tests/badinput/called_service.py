"""A service under call, and what a reader of its answers is told."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from chart_calls import SERVICE
from flask import Flask

DEADLINE_S = 0.5
"""Of the FHIR queries; an answer takes little more, whatever the FHIR server does."""


@dataclass(frozen=True)
class Told:
    status: int
    body: Any
    seconds: float
    """By the clock."""
    cpu_s: float
    """Of this thread, which other programs on the machine make no longer."""
    cards: list[dict[str, Any]] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(f"{c['summary']}\n{c.get('detail', '')}" for c in self.cards)

    @property
    def topics(self) -> list[str]:
        return [c["source"]["topic"]["code"] for c in self.cards]

    @property
    def code(self) -> str:
        """Of an error: an OperationOutcome with a sentence in it."""
        assert self.body["resourceType"] == "OperationOutcome"
        issue = self.body["issue"][0]
        assert issue["details"]["text"]
        return str(issue["details"]["coding"][0]["code"])

    @property
    def words(self) -> str:
        """The sentence of an error."""
        return str(self.body["issue"][0]["details"]["text"])


class CalledService:
    """The service in this process, and how many calls its ledger knows."""

    def __init__(self, app: Flask, ledger: sa.Engine) -> None:
        self._client = app.test_client()
        self._ledger = ledger

    def call(self, body: Any, path: str = SERVICE, content_type: str = "application/json") -> Told:
        """``body``: an object to be sent as JSON, or the bytes themselves."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        start, spent = time.monotonic(), time.thread_time()
        answer = self._client.post(path, data=data, content_type=content_type)
        seconds, cpu_s = time.monotonic() - start, time.thread_time() - spent
        said = json.loads(answer.data)
        return Told(answer.status_code, said, seconds, cpu_s, said.get("cards", []))

    def recorded(self) -> int:
        with self._ledger.connect() as connection:
            return int(connection.execute(sa.text("SELECT count(*) FROM calls")).scalar_one())

    def answered(self, body: Any, path: str = SERVICE) -> Told:
        """Call; the answer must be cards, and the call must be in the ledger."""
        before = self.recorded()
        told = self.call(body, path)
        assert told.status == 200, told.body
        assert self.recorded() == before + 1
        return told

    def data_state(self) -> dict[str, Any]:
        """What the ledger says of the data behind the last call."""
        with self._ledger.connect() as connection:
            found = connection.execute(sa.text("SELECT data_state FROM calls ORDER BY rowid DESC LIMIT 1"))
            return dict(json.loads(found.scalar_one()))
