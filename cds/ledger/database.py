"""One process's way to the database: SQLite or PostgreSQL by URL, and never a long wait."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError, StatementError

from cds.errors import SettingsError
from cds.ledger.entries import CallEntry, FeedbackEntry
from cds.ledger.inserts import Execute, Inserts, Row, UnfitEntry, Write, to_json
from cds.ledger.sqlite import Direct, make_private

T = TypeVar("T")

STATEMENT_S = 0.5
CONNECT_S = 1.0
_POSTGRES = ("postgres", "postgresql", "postgresql+psycopg")
# a comma in a user's name or password is no host's: that part is taken whole or not at all
_SEVERAL_HOSTS = re.compile(r"(postgres[\w+]*://(?:[^:/@]*(?::[^@]*)?@)?+)([^/?@]*,[^/?@]*)((?:/[^?]*)?)(\?.*)?", re.S)
_HOST = re.compile(r"(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<name>[^:\[\]\s]+))(?::(?P<port>[0-9]*))?")
# SQLSTATE classes in which the row itself is at fault: cardinality, data, constraint, program limit
_ROW_AT_FAULT = ("21", "22", "23", "54")


def parse_url(url: str) -> sa.URL:
    """Raises SettingsError for anything but a SQLite file or PostgreSQL. Blanks about it are none of it: a file that a
    Secret is made from ends with a line end."""
    try:
        parsed = _of_several_hosts(url.strip()) or sa.make_url(url.strip())
    except (ArgumentError, ValueError):
        # of what stands in it nothing is told: part of a password may be taken for a port
        raise SettingsError(
            "database_url is not a URL: write postgresql://user:password@host:5432/database, or with several hosts "
            "postgresql://user:password@host1:5432,host2:5432/database?target_session_attrs=read-write; in a password "
            "write @ as %40, / as %2F and : as %3A"
        ) from None
    if parsed.drivername in _POSTGRES:
        return _paired(parsed.set(drivername="postgresql+psycopg"))
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        # an address of SQLite's own (file:...) would be taken for a name of a file
        if not parsed.database or parsed.database == ":memory:" or parsed.database.startswith("file:"):
            raise SettingsError("database_url: the ledger needs a SQLite file: write sqlite:////path/to/ledger.db")
        return parsed.set(drivername="sqlite+pysqlite")
    raise SettingsError(
        f"database_url starts with '{parsed.drivername}': the ledger runs on sqlite:////path/to/ledger.db or "
        "postgresql://user:password@host/database"
    )


def _of_several_hosts(url: str) -> sa.URL | None:
    """libpq's own form (``host1:5432,host2:5432``), which SQLAlchemy takes as a question's only; None for any other.
    Raises ValueError, ArgumentError."""
    found = _SEVERAL_HOSTS.fullmatch(url)
    if found is None:
        return None
    before, named, database, asked = found.groups()
    hosts = [_HOST.fullmatch(one.strip()) for one in named.split(",")]
    parsed = sa.make_url(before + database + (asked or ""))
    if None in hosts or {"host", "port"} & set(parsed.query):
        raise ValueError
    ports = [host["port"] or "" for host in hosts if host is not None]
    query = {"host": ",".join(host["ipv6"] or host["name"] for host in hosts if host is not None)}
    return parsed.update_query_dict(query | ({"port": ",".join(ports)} if any(ports) else {}))


def _paired(url: sa.URL) -> sa.URL:
    """With a port for each host. One port alone is every host's, as libpq has it (PostgreSQL 17's manual, 34.1.1.3);
    SQLAlchemy refuses that, or forgets the port. Raises SettingsError where they can't be paired."""
    hosts, ports = url.query.get("host"), url.query.get("port", str(url.port or ""))
    if isinstance(hosts, str) and isinstance(ports, str) and ports and "," in hosts and "," not in ports:
        url = url.update_query_dict({"port": ",".join([ports] * len(hosts.split(",")))})
    try:
        url.get_dialect()().create_connect_args(url)
    except (ArgumentError, ValueError):
        raise SettingsError(
            "database_url: its hosts and ports do not go together: write one port for all hosts or one for each, as "
            "numbers, either in host1:5432,host2:5432 or in ?host=host1,host2&port=5432,5432"
        ) from None
    return url


def make_engine(url: sa.URL, *, statement_s: float, connect_s: float, **options: Any) -> sa.Engine:
    """An engine that connects lazily. Raises SettingsError when the driver is not installed."""
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
        _as_sqlite(engine, Path(url.database or ""))
    else:
        _as_postgres(engine, statement_s, connect_s)
    return engine


def _as_sqlite(engine: sa.Engine, path: Path) -> None:
    @sa.event.listens_for(engine, "do_connect")
    def private(_dialect: Any, _record: Any, _args: Any, _kwargs: Any) -> None:
        try:
            make_private(path)
        except OSError as error:  # as the driver would tell it, so that it is a database that is down
            raise sqlite3.OperationalError(f"the ledger's file can't be made: {error.strerror}") from error

    @sa.event.listens_for(engine, "connect")
    def settings(connection: Any, _record: Any) -> None:
        # the driver itself begins before the first INSERT, and as IMMEDIATE: two writers then queue, where a
        # transaction that starts as a reader may fail halfway
        connection.isolation_level = "IMMEDIATE"
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA synchronous=FULL")


def _as_postgres(engine: sa.Engine, statement_s: float, connect_s: float) -> None:
    from cds.ledger import postgres  # an optional driver

    @sa.event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, args: Any, kwargs: Any) -> Any:
        return postgres.connect(statement_s, connect_s, *args, **kwargs)


class Database:
    """A process's connections; never used across a fork.

    What every call does (a token, a look-up, its row) goes past SQLAlchemy's statements: on SQLite by connections of
    its own, on PostgreSQL by a connection of the pool.
    """

    def __init__(self, url: sa.URL) -> None:
        self._engine = make_engine(
            url,
            statement_s=STATEMENT_S,
            connect_s=CONNECT_S,
            pool_timeout=STATEMENT_S,
            pool_size=4,
            max_overflow=12,
        )
        self.dialect: str = self._engine.dialect.name
        # by itself a statement needs no transaction: on PostgreSQL one round trip instead of three. SQLite's driver
        # begins none for a question anyway
        self._single: sa.Engine = self._engine
        if self.dialect == "postgresql":
            self._single = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._direct = Direct(Path(url.database or ""), STATEMENT_S) if self.dialect == "sqlite" else None

    def store(self, writes: Sequence[Write], *, at_once: bool) -> int:
        """Store in one transaction; how many were new. Raises SQLAlchemyError; nothing is then stored.

        ``at_once``: it is on the disk when this returns. Otherwise that may take SQLite a second, in which a power
        cut, but no end of the process, loses it.
        """

        if self._direct is None and len(writes) == 1:
            [(new,)] = self.rows(*writes[0].as_one_statement())
            return int(new)

        def work(execute: Execute) -> int:
            return sum(write.store(execute) for write in writes)

        if self._direct is None or at_once:
            return self.transaction(lambda connection: work(_execute_on(connection)))
        return self._direct.transaction(work)

    def statement(self, statement: str, row: Row) -> int:
        """One writing statement in the driver's words; how many rows it changed. On SQLite as not ``at_once``."""
        if self._direct is not None:
            return self._direct.statement(statement, row)
        return self._again_if_stale(lambda: self._in(self._single, lambda c: _execute_on(c)(statement, row)))

    def rows(self, question: str, row: Row) -> Sequence[Sequence[Any]]:
        """The answer to a question in the driver's words."""
        if self._direct is not None:
            return self._direct.rows(question, row)
        return self.read(lambda connection: connection.exec_driver_sql(question, row).fetchall())

    def transaction(self, work: Callable[[sa.Connection], T]) -> T:
        """Run ``work`` in one transaction, on the disk when this returns. Raises SQLAlchemyError; it is then undone."""
        if self._direct is None:
            return self._again_if_stale(lambda: self._in(self._engine, work))
        with self._direct.turn.hold():
            return self._in(self._engine, work)

    def read(self, work: Callable[[sa.Connection], T]) -> T:
        return self._again_if_stale(lambda: self._in(self._single, work))

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
        if self._direct is not None:
            self._direct.close()


def _execute_on(connection: sa.Connection) -> Execute:
    # without the option PostgreSQL's row count is not read, and that count says whether an entry was new
    options = {"preserve_rowcount": True}
    return lambda statement, rows: connection.exec_driver_sql(statement, rows, execution_options=options).rowcount


def store_within(connection: sa.Connection, entry: CallEntry | FeedbackEntry) -> bool:
    """Store a row as part of a transaction that does more; False when it was there already."""
    return _inserts(connection.dialect.name).write(entry).store(_execute_on(connection)) == 1


@lru_cache(maxsize=2)
def _inserts(dialect: str) -> Inserts:
    return Inserts(dialect)


def row_at_fault(error: SQLAlchemyError) -> bool:
    """True when this row can never be stored; False when the database is down, locked, full or not migrated."""
    if not isinstance(error, DBAPIError):
        # a value that could not be turned into a column: raised before anything was sent
        return isinstance(error, StatementError | UnfitEntry)
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
