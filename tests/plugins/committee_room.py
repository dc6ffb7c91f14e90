"""A small charter, one small model and a ledger with as many predictions as a test says."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from ready_ledger import ready

from cds.ledger import CallEntry, CardEntry, Ledger, PredictionEntry
from cds.ledger.book import Book
from cds.ledger.database import store_within

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = b"k" * 16 + b"0123456789abcdef"
CHARTER = """
name: test
author: a
approver: b
effective: 2026-01-01
outcomes:
  cancer: {label: {en: cancer}, concepts: [pancreatic-cancer], looked: [eus]}
  death: {label: {en: death}, death: true}
models:
  qcancer-2013-pancreas: {outcome: cancer, output: risk, horizon: 2y, threshold: 0.02}
"""


@dataclass
class Said:
    """One prediction to be stored."""

    patient: str
    at: datetime = NOW
    outputs: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    carded: bool = False
    outcome: Any = "predicted"
    reason: str | None = None
    language: str = "en"
    sha256: str = ""
    """Fingerprint of what decided; none: as kept before there was one."""
    speaks: str | None = None
    """The patient's own language; none: as kept before there was one."""


@dataclass
class Room:
    url: str
    ledger: Ledger
    book: Book
    folder: Path

    def key(self, patient: str, client: str = "north") -> str:
        return self.ledger.patient_key(client, patient)

    def tell(
        self, said: Sequence[Said], model: str = "qcancer-2013-pancreas", version: str = "1.0.0", client: str = "north"
    ) -> list[str]:
        """Stores a call for each; their ids."""
        entries = [self._call(one, model, version, client) for one in said]

        def work(connection: sa.Connection) -> None:
            for entry in entries:
                store_within(connection, entry)

        self.book.write(work)
        return [entry.id for entry in entries]

    def _call(self, one: Said, model: str, version: str, client: str) -> CallEntry:
        made = PredictionEntry(
            str(uuid.uuid4()), model, version, one.sha256, one.outcome, one.reason, dict(one.inputs), dict(one.outputs)
        )
        card = CardEntry(str(uuid.uuid4()), "risk", "info", {"summary": "s"}, (made.id,))
        return CallEntry(
            id=str(uuid.uuid4()),
            at=one.at,
            client=client,
            service="risk",
            hook="patient-view",
            hook_instance="h",
            patient_key=self.key(one.patient, client),
            user_key=None,
            policy_version="p",
            service_version="1",
            language=one.language,
            data_state={},
            status="answered",
            error_code=None,
            duration_ms=1.0,
            timings={},
            predictions=(made,),
            cards=(card,) if one.carded else (),
            patient_language=one.speaks,
        )


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    ready(url)
    ledger = Ledger(url, KEY, tmp_path / "spool", now=lambda: NOW)
    with Book(url) as book:
        yield Room(url, ledger, book, tmp_path)
    ledger.close()


WriteSettings = Callable[..., Path]


@pytest.fixture
def committee_settings(tmp_path: Path, room: Room) -> WriteSettings:
    """Call it with further lines for a ``cds.toml`` of this room's ledger; its path."""

    def write(more: str = "", charter: str | None = None) -> Path:
        lines = [f'data_dir = "{tmp_path}"', f'ledger_key_file = "{tmp_path / "key"}"', 'environment = "demo"']
        (tmp_path / "key").write_bytes(KEY)
        if charter is not None:
            (tmp_path / "committee.yaml").write_text(charter, encoding="utf-8")
            more = f'{more}\n[committee]\ncharter_file = "{tmp_path / "committee.yaml"}"'
        path = tmp_path / "cds.toml"
        path.write_text("\n".join([*lines, more]), encoding="utf-8")
        return path

    return write


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def day(text: str) -> date:
    return date.fromisoformat(text)
