"""What the ledger holds in the end, asked of the database itself."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

import sqlalchemy as sa
from running_service import RunningService

from cds.ledger.database import parse_url


def recorded(url: str) -> Counter[str]:
    """hookInstance -> rows of calls."""
    database = sa.create_engine(parse_url(url), poolclass=sa.NullPool)
    with database.connect() as connection:
        return Counter(row[0] for row in connection.execute(sa.text("SELECT hook_instance FROM calls")))


def kept_once(url: str, sent: Iterable[str]) -> int:
    """How many of these calls have exactly one row."""
    rows = recorded(url)
    return sum(rows[instance] == 1 for instance in sent)


def outcomes(url: str, instance: str) -> dict[str, str]:
    """Model -> outcome, of the call with this hookInstance."""
    database = sa.create_engine(parse_url(url), poolclass=sa.NullPool)
    asked = "SELECT model, outcome FROM predictions JOIN calls ON calls.id = call_id WHERE hook_instance = :instance"
    with database.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(sa.text(asked), {"instance": instance})}


def sqlite_of(service: RunningService) -> str:
    return f"sqlite:///{service.folder / 'ledger.db'}"


def seconds_until_drained(service: RunningService, patience_s: float = 90.0) -> float:
    """Until every worker writes to the database and nothing is on the spool: many answers in a row say so."""
    begun = well_since = time.monotonic()
    alike = 0
    while alike < 10:
        if service.ready()["ledger"] == {"reachable": True, "spooled": 0, "rejected": 0}:
            well_since = well_since if alike else time.monotonic()
            alike += 1
            continue
        alike = 0
        assert time.monotonic() - begun < patience_s, service.ready()["ledger"]
        time.sleep(0.05)
    return well_since - begun
