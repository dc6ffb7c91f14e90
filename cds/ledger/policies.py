"""The policy's layers in the ledger: every version under the hash of its text, and who did what with it, when and why.

Rows are only added. Workers read through their ``Ledger``; people's acts go through ``PolicyLedger``, one transaction
each, in which the state they are judged by can't change.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from cds.errors import LedgerError
from cds.ledger.database import fault, make_engine, parse_url
from cds.ledger.entries import PolicyEvent, PolicyRecord, PolicyVersion
from cds.ledger.tables import policies, policy_events, policy_versions

_STATEMENT_S, _CONNECT_S = 10.0, 3.0

Act = Callable[[PolicyRecord], tuple[PolicyVersion | None, PolicyEvent]]
"""What is to be stored, judged by what is there; raises to refuse."""

_LAST = sa.select(sa.func.max(policy_events.c.id))


def last_event(connection: sa.Connection) -> int:
    """Changes with every act; 0 before the first."""
    return connection.execute(_LAST).scalar_one_or_none() or 0


def record(connection: sa.Connection) -> PolicyRecord:
    versions = connection.execute(sa.select(policy_versions)).mappings()
    events = connection.execute(sa.select(policy_events).order_by(policy_events.c.id)).mappings()
    return PolicyRecord({v["version"]: PolicyVersion(**v) for v in versions}, tuple(PolicyEvent(**e) for e in events))


class PolicyLedger:
    """For a command: opened, used once or twice, closed."""

    def __init__(self, url: str) -> None:
        self._engine = make_engine(
            parse_url(url), statement_s=_STATEMENT_S, connect_s=_CONNECT_S, poolclass=sa.NullPool
        )

    def read(self) -> PolicyRecord:
        """Raises LedgerError."""
        with self._guarded(), self._engine.connect() as connection:
            return record(connection)

    def text_of(self, version: str) -> str | None:
        """A layer's text, or that of a policy that was in force. Raises LedgerError."""
        layer = sa.select(policy_versions.c.content).where(policy_versions.c.version == version)
        whole = sa.select(policies.c.content).where(policies.c.version == version)
        with self._guarded(), self._engine.connect() as connection:
            found: str | None = connection.execute(layer).scalar_one_or_none()
            return found if found is not None else connection.execute(whole).scalar_one_or_none()

    def do(self, act: Act) -> PolicyEvent:
        """The event as stored. Raises LedgerError, and whatever ``act`` refuses with; nothing is then stored."""
        with self._guarded(), self._engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("LOCK TABLE policy_events IN EXCLUSIVE MODE")
            else:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            version, event = act(record(connection))
            if version is not None:
                connection.execute(sa.insert(policy_versions), dataclasses.asdict(version))
            values = {k: v for k, v in dataclasses.asdict(event).items() if k != "id"}
            stored = connection.execute(sa.insert(policy_events).returning(policy_events.c.id), values).scalar_one()
            return dataclasses.replace(event, id=stored)

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise LedgerError(
                f"the ledger's database can't be reached or refused ({fault(error)}): check database_url"
            ) from error
