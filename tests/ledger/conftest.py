from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import ledger_entries
import pytest
from ready_ledger import ready

from cds.ledger import Ledger


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    new_database: Callable[[], str] = request.getfixturevalue("postgres_database")
    return new_database()


@pytest.fixture
def open_ledger(tmp_path: Path) -> Iterator[Callable[[str], Ledger]]:
    """Call it with a URL for a ledger whose spool is in ``tmp_path / 'spool'``."""
    made: list[Ledger] = []

    def make(url: str) -> Ledger:
        made.append(Ledger(url, ledger_entries.KEY, tmp_path / "spool", now=lambda: ledger_entries.NOW))
        return made[-1]

    yield make
    for ledger in made:
        ledger.close()


@pytest.fixture
def ledger(url: str, open_ledger: Callable[[str], Ledger]) -> Ledger:
    """A ledger on an up-to-date database, once of each kind."""
    ready(url)
    return open_ledger(url)
