"""The ledger for whoever has time: commands, the committee, the audit. Nothing on the way of a card uses it.

One connection at a time with a minute's patience, unless told otherwise; on SQLite a writer takes its turn among the
service's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from cds.errors import LedgerError
from cds.ledger.database import fault, make_engine, parse_url
from cds.ledger.turn import Turn

_STATEMENT_S, _CONNECT_S = 60.0, 5.0
_AT_ONCE = 500

T = TypeVar("T")


class Book:
    """Use it in a ``with``. Every question raises LedgerError when the database does not answer."""

    def __init__(self, url: str, patience_s: float = _STATEMENT_S) -> None:
        """``patience_s``: how long a question is waited for."""
        parsed = parse_url(url)
        connect_s = min(_CONNECT_S, patience_s)
        self._engine = make_engine(parsed, statement_s=patience_s, connect_s=connect_s, poolclass=sa.NullPool)
        self._turn = Turn(Path(parsed.database or ""), patience_s) if self._engine.dialect.name == "sqlite" else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._engine.dispose()
        if self._turn is not None:
            self._turn.close()

    def read(self, question: Callable[[sa.Connection], T]) -> T:
        return self._do(question)

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """In one transaction, on the disk when this returns."""
        if self._turn is None:
            return self._do(work)
        try:
            with self._turn.hold():
                return self._do(work)
        except SQLAlchemyError as error:
            raise LedgerError(f"the ledger can't be written ({fault(error)})") from error

    def _do(self, work: Callable[[sa.Connection], T]) -> T:
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except SQLAlchemyError as error:
            raise LedgerError(
                f"the ledger's database did not answer ({fault(error)}): check database_url, and that its schema is "
                "up to date (`cds check`)"
            ) from error

    def put_all(self, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> int:
        """How many were new: a row whose key is there already is left as it is. A few hundred a transaction, so that
        cards need not wait for all of them."""
        new = 0
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            new += self.write(lambda c, some=some: put(c, table, some))  # type: ignore[misc]
        return new


def put(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """How many were new."""
    if not rows:
        return 0
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(table).on_conflict_do_nothing()
    # without the option PostgreSQL's row count is not read, and that count says whether a row was new
    options = {"preserve_rowcount": True}
    return sum(connection.execute(statement, dict(row), execution_options=options).rowcount for row in rows)
