"""The whole service in this process, for calls by the million: nothing is let pass, and its ledger stays small."""

from __future__ import annotations

import logging
import tempfile
import time
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path

import orjson
import sqlalchemy as sa

from cds.app import create_app, warm
from cds.ledger.migrate import upgrade
from cds.settings import load

LONGEST_S = 5.0
"""Of one answer, CPU."""
_KEPT = 2000
"""Rows of calls before the ledger is emptied."""
_EXPECTED = (200, 400, 403, 404, 412, 413)
_GUARDS = ("service.failed", "shadow.failed", "model.failed", "card.failed", "call.failed", "ledger.lost")
"""What the log says when a guard of last resort had to act: an exception that nobody expected."""


class _Guards(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.acted: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        if line.startswith(_GUARDS):
            self.acted.append(line)


class FuzzedService:
    def __init__(self, stack: ExitStack, now: datetime) -> None:
        memory = Path("/dev/shm")  # rows that nobody keeps need no disk
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None))
        settings = load(
            None,
            environment="demo",
            data_dir=Path(folder),
            fhir={"deadline_s": 0.2, "connect_timeout_s": 0.1},
            clients={"demo": {"authentication": "loopback", "fhir_servers": ["http://127.0.0.1:9/fhir"]}},
        )
        upgrade(settings.ledger_url)
        app = create_app(settings, now=lambda: now)
        warm(app)
        stack.enter_context(closing(app.extensions["cds"].ledger))
        self._client = app.test_client()
        self._rows = sa.create_engine(settings.ledger_url)
        stack.callback(self._rows.dispose)
        self._tables = [t for t in sa.inspect(self._rows).get_table_names() if t not in ("alembic_version", "policies")]
        self._guards = _Guards()
        logging.getLogger("cds").addHandler(self._guards)
        stack.callback(logging.getLogger("cds").removeHandler, self._guards)
        self._posted = 0

    def post(self, path: str, body: bytes) -> None:
        """Raises AssertionError for an answer that should not have been."""
        began = time.process_time()
        answer = self._client.post(path, data=body, content_type="application/json")
        took = time.process_time() - began
        assert answer.status_code in _EXPECTED, answer.status_code
        orjson.loads(answer.data)
        assert not self._guards.acted, self._guards.acted
        assert took < LONGEST_S, f"{took:.1f} s"
        self._posted += 1
        if self._posted % _KEPT == 0:
            self._empty()

    def _empty(self) -> None:
        with self._rows.begin() as connection:
            for table in self._tables:
                connection.execute(sa.text(f'DELETE FROM "{table}"'))  # names from the database's own list
