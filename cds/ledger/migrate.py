"""Brings a ledger to the schema this version needs. Safe when many workers and replicas start at once.

The whole upgrade is one transaction on both databases. PostgreSQL: an advisory lock lets one process at a time
in; SQLite: the transaction itself is the lock. Whoever comes second finds nothing left to do.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from cds.errors import LedgerError
from cds.ledger.certificate_faults import certificate_fault
from cds.ledger.committee_tables import WHOLE
from cds.ledger.database import fault, make_engine, parse_url
from cds.ledger.tables import jti

_log = logging.getLogger("cds.ledger")
_FOLDER = Path(__file__).parent / "migrations"
_LOCK = 0x6C656467  # any number, the same in every process
_PATIENCE_S = 60.0

T = TypeVar("T")


def upgrade(url: str, revision: str = "head") -> str:
    """Apply what is missing; the revision afterwards. A ledger newer than this version is left as it is.

    Raises LedgerError when the database can't be reached or refuses, SettingsError for a wrong URL.
    """
    return _change(url, revision, lambda config: command.upgrade(config, revision))


def downgrade(url: str, revision: str) -> str:
    """Undo back to ``revision`` (``base``: everything, rows included); the revision afterwards."""
    return _change(url, revision, lambda config: command.downgrade(config, revision))


def current(url: str) -> str | None:
    """The revision the database is at; None when it holds no ledger yet, and a file that is not there is not made by
    asking. Raises LedgerError."""
    asked = parse_url(url)
    if asked.get_backend_name() == "sqlite" and not Path(asked.database or "").exists():
        return None
    return _with(url, _revision)


def check(url: str) -> tuple[str, ...]:
    """What differs between the database and this version, a sentence each; empty when all is well.

    Raises LedgerError when the database can't be reached.
    """
    head = _scripts().get_current_head()

    def look(connection: sa.Connection) -> tuple[str, ...]:
        found = _revision(connection)
        if found is None:
            return ("the database holds no ledger yet; it is made when the service starts",)
        if found != head:
            return (f"the ledger's schema is at {found}, this version needs {head}",)
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return tuple(f"the schema differs: {_said(change)}" for change in compare_metadata(context, WHOLE))

    return _with(url, look)


def check_writable(url: str) -> None:
    """Write a row and take it away again. Raises LedgerError: a standby, say, is well and keeps nothing."""

    def write(connection: sa.Connection) -> None:
        key = f"cds check {uuid.uuid4()}"
        try:
            connection.execute(sa.insert(jti).values(key=key, expires=datetime.now(UTC)))
            connection.execute(sa.delete(jti).where(jti.c.key == key))
        except SQLAlchemyError as error:
            raise LedgerError(
                f"the ledger's database can be read and not written ({fault(error)}): is it a standby or a file that "
                "may only be read, is its disk full, may this user insert and delete rows?"
            ) from error

    _with(url, write)


def _said(change: object) -> str:
    parts = change[0] if isinstance(change, list) else change
    return " ".join(str(p) for p in parts) if isinstance(parts, tuple) else str(parts)


@lru_cache(maxsize=1)
def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(_FOLDER))


def _change(url: str, revision: str, step: Callable[[Config], None]) -> str:
    def work(connection: sa.Connection) -> str:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        before = _revision(connection)
        if before is not None and before == _scripts().as_revision_number(revision):
            return before
        known = {s.revision for s in _scripts().walk_revisions()}
        if before is not None and before not in known:
            _log.warning("ledger.newer revision=%s", before)
            return before
        config = Config()
        config.set_main_option("script_location", str(_FOLDER))
        config.attributes["connection"] = connection
        step(config)
        after = _revision(connection) or "base"
        if after != before:
            _log.info("ledger.migrated from=%s to=%s", before or "base", after)
        return after

    return _with(url, work, write=True)


def _with(url: str, work: Callable[[sa.Connection], T], *, write: bool = False) -> T:
    engine = make_engine(parse_url(url), statement_s=_PATIENCE_S, connect_s=5.0, poolclass=sa.NullPool)
    try:
        if write and engine.dialect.name == "sqlite":
            _use_wal(engine)
        with engine.begin() as connection:
            if write and engine.dialect.name == "sqlite":
                # tables are made inside it too, which the driver would not begin one for
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            return work(connection)
    except SQLAlchemyError as error:
        otherwise = "check database_url, that the server runs, and that the user may create tables"
        if engine.dialect.name == "sqlite":
            otherwise = (
                f"check data_dir or database_url, and that this user may write {engine.url.database} and its folder"
            )
        raise LedgerError(
            f"the ledger's database can't be reached or can't be changed ({fault(error)}): "
            f"{certificate_fault(error) or otherwise}"
        ) from error
    finally:
        engine.dispose()


def _use_wal(engine: sa.Engine) -> None:
    """Kept in the file, so once is enough. SQLite does not wait for other openers here, so this does."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            return
        except OperationalError as error:
            if "locked" not in str(error.orig) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _revision(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
