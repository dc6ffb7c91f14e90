"""``ready``: a ledger as the migrations leave it. They run once a process, and each test gets a copy of their file."""

from __future__ import annotations

import atexit
import shutil
import sqlite3
import tempfile
from functools import lru_cache
from pathlib import Path

from cds.ledger import migrate
from cds.ledger.database import parse_url
from cds.ledger.sqlite import make_private


def ready(url: str) -> str:
    """The newest schema in the database at ``url``, which is returned. What is no new SQLite file is migrated."""
    parsed = parse_url(url)
    path = Path(parsed.database or "")
    if parsed.get_backend_name() != "sqlite" or path.exists():
        migrate.upgrade(url)
        return url
    path.parent.mkdir(parents=True, exist_ok=True)
    make_private(path)
    shutil.copyfile(_migrated(), path)
    return url


@lru_cache(maxsize=1)
def _migrated() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="cds-ready-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "ledger.db"
    migrate.upgrade(f"sqlite:///{path}")
    # all of it in the one file: what is left beside it would not be copied
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
    connection.close()
    return path
