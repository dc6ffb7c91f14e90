from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from ready_ledger import ready

from cds.jobs import Jobs

LEASE = timedelta(seconds=2)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated, empty ledger, once of each kind."""
    if request.param == "sqlite":
        made = f"sqlite:///{tmp_path / 'ledger.db'}"
    else:
        new_database: Callable[[], str] = request.getfixturevalue("postgres_database")
        made = new_database()
    ready(made)
    return made


@pytest.fixture
def jobs(url: str) -> Iterator[Jobs]:
    opened = Jobs(url, lease=LEASE)
    yield opened
    opened.close()
