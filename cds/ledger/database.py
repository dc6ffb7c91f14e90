"""One process's way to the database: SQLite or PostgreSQL by URL, and never a long wait."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError, StatementError

from cds.errors import SettingsError
from cds.ledger.rows import to_json
from cds.ledger.turn import Turn

T = TypeVar("T")

STATEMENT_S = 0.5
CONNECT_S = 1.0
_POSTGRES = ("postgres", "postgresql", "postgresql+psycopg")
# SQLSTATE classes in which the row itself is at fault: cardinality, data, constraint, program limit
_ROW_AT_FAULT = ("21", "22", "23", "54")


def parse_url(url: str) -> sa.URL:
    """Raises SettingsError for anything but a SQLite file or PostgreSQL."""
    try:
        parsed = sa.make_url(url)
    except ArgumentError as error:
        raise SettingsError("database_url is not a URL: write postgresql://user:password@host/database") from error
    if parsed.drivername in _POSTGRES:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        if not parsed.database or parsed.database == ":memory:":
            raise SettingsError("database_url: the ledger needs a SQLite file: write sqlite:////path/to/ledger.db")
        return parsed.set(drivername="sqlite+pysqlite")
    raise SettingsError(
        f"database_url starts with '{parsed.drivername}': the ledger runs on sqlite:////path/to/ledger.db or "
        "postgresql://user:password@host/database"
    )


def make_engine(
    url: sa.URL, *, statement_s: float, connect_s: float, durable: bool = True, **options: Any
) -> sa.Engine:
    """An engine that connects lazily. Raises SettingsError when the driver is not installed.

    ``durable`` false: on SQLite a commit need not reach the disk before it returns.
    """
    sqlite = url.get_backend_name() == "sqlite"
    arguments: dict[str, Any] = {"timeout": statement_s} if sqlite else {}
    try:
        engine = sa.create_engine(
            url,
            connect_args=arguments,
            json_serializer=to_json,
            json_deserializer=orjson.loads,
            # an exception may be logged, and parameters are a patient's values
            hide_parameters=True,
            **options,
        )
    except ImportError as error:
        raise SettingsError("PostgreSQL needs its driver: pip install 'psycopg[binary]'") from error
    if sqlite:
        _as_sqlite(engine, Path(url.database or ""), "FULL" if durable else "NORMAL")
    else:
        _as_postgres(engine, statement_s, connect_s)
    return engine


def _as_sqlite(engine: sa.Engine, path: Path, synchronous: str) -> None:
    @sa.event.listens_for(engine, "do_connect")
    def private(_dialect: Any, _record: Any, _args: Any, _kwargs: Any) -> None:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))

    @sa.event.listens_for(engine, "connect")
    def settings(connection: Any, _record: Any) -> None:
        # the driver itself begins before the first INSERT, and as IMMEDIATE: two writers then queue, where a
        # transaction that starts as a reader may fail halfway
        connection.isolation_level = "IMMEDIATE"
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA synchronous={synchronous}")


def _as_postgres(engine: sa.Engine, statement_s: float, connect_s: float) -> None:
    from cds.ledger import postgres  # an optional driver

    @sa.event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, args: Any, kwargs: Any) -> Any:
        return postgres.connect(statement_s, connect_s, *args, **kwargs)


def _pool(url: sa.URL, *, durable: bool) -> sa.Engine:
    return make_engine(
        url,
        statement_s=STATEMENT_S,
        connect_s=CONNECT_S,
        durable=durable,
        pool_timeout=STATEMENT_S,
        pool_size=4,
        max_overflow=12,
    )


class Database:
    """A pool of connections for one process; never used across a fork."""

    def __init__(self, url: sa.URL) -> None:
        self._engine = _pool(url, durable=True)
        self.dialect: str = self._engine.dialect.name
        self._turn = Turn(Path(url.database or ""), STATEMENT_S) if self.dialect == "sqlite" else None
        if self._turn is None:
            # a single statement needs no transaction around it: one round trip instead of three
            self._single: sa.Engine = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        else:
            self._single = _pool(url, durable=False)

    def transaction(self, work: Callable[[sa.Connection], T]) -> T:
        """Run ``work`` in one durable transaction. Raises SQLAlchemyError; the transaction is then undone."""
        return self._run(self._engine, work, in_turn=True)

    def light(self, work: Callable[[sa.Connection], T]) -> T:
        """Run one writing statement that a power cut may undo on SQLite: a seen token, a purge."""
        return self._run(self._single, work, in_turn=True)

    def read(self, work: Callable[[sa.Connection], T]) -> T:
        return self._run(self._single, work, in_turn=False)

    def _run(self, engine: sa.Engine, work: Callable[[sa.Connection], T], *, in_turn: bool) -> T:
        if self._turn is None or not in_turn:
            return self._again_if_stale(lambda: self._in(engine, work))
        with self._turn.hold():
            return self._in(engine, work)

    @staticmethod
    def _in(engine: sa.Engine, work: Callable[[sa.Connection], T]) -> T:
        with engine.begin() as connection:
            return work(connection)

    @staticmethod
    def _again_if_stale(attempt: Callable[[], T]) -> T:
        """Once more when a pooled connection turns out to be dead: the server restarted or a firewall cut it.

        Not after a long wait: then the server hangs, and so would the second attempt. ``work`` is idempotent.
        """
        start = time.monotonic()
        try:
            return attempt()
        except DBAPIError as error:
            if not error.connection_invalidated or time.monotonic() - start > STATEMENT_S / 2:
                raise
        return attempt()

    def close(self) -> None:
        self._engine.dispose()
        self._single.dispose()
        if self._turn is not None:
            self._turn.close()


def row_at_fault(error: SQLAlchemyError) -> bool:
    """True when this row can never be stored; False when the database is down, locked, full or not migrated."""
    if not isinstance(error, DBAPIError):
        # a value that could not be turned into a column: raised before anything was sent
        return isinstance(error, StatementError)
    state = getattr(error.orig, "sqlstate", None)
    if state:
        return state[:2] in _ROW_AT_FAULT
    return isinstance(error, sa.exc.IntegrityError | sa.exc.DataError)


def fault(error: BaseException) -> str:
    """A short name for logs: the driver's message may quote a patient's values, so its class and state it is."""
    original = getattr(error, "orig", None) or error
    state = getattr(original, "sqlstate", None) or getattr(original, "sqlite_errorname", None)
    name = type(original).__name__
    return f"{name} {state}" if state else name
