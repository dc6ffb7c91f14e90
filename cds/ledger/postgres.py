"""A PostgreSQL connection that gives up in time.

``statement_timeout`` is kept by the server, so it is no help against a server that is stopped, swapped out or cut
off: here the client itself stops waiting.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg

T = TypeVar("T")


class NoAnswer(psycopg.OperationalError):
    """The server did not answer within the deadline."""


class ImpatientConnection(psycopg.Connection[Any]):
    """Every wait for the server ends after ``deadline_s``; the connection is then closed, since what the server
    may still send on it belongs to a question nobody waits for."""

    deadline_s: float = 60.0

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **kwargs: Any) -> T:
        return super().wait(self._until(time.monotonic() + self.deadline_s, gen), 0.05)

    def _until(self, deadline: float, gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                # falsy: woken by the interval, with nothing from the server
                if not ready and time.monotonic() > deadline:
                    self.pgconn.finish()
                    raise NoAnswer("the database did not answer in time")
                wanted = gen.send(ready)
        except StopIteration as end:
            result: T = end.value
            return result


def connect(deadline_s: float, connect_s: float, *args: Any, **kwargs: Any) -> ImpatientConnection:
    """Connect within ``connect_s`` seconds; libpq's own limit can't go below two seconds an address.

    Raises psycopg.OperationalError.
    """
    found: queue.SimpleQueue[ImpatientConnection | psycopg.Error] = queue.SimpleQueue()
    late = threading.Event()

    def attempt() -> None:
        try:
            connection = ImpatientConnection.connect(*args, connect_timeout=2, **kwargs)
        except psycopg.Error as error:
            found.put(error)
            return
        found.put(connection)
        if late.is_set():
            connection.close()

    threading.Thread(target=attempt, name="ledger-connect", daemon=True).start()
    try:
        result = found.get(timeout=connect_s)
    except queue.Empty:
        late.set()
        if found.empty():
            raise NoAnswer("no connection to the database in time") from None
        result = found.get()
        if isinstance(result, ImpatientConnection):
            result.close()
        raise NoAnswer("no connection to the database in time") from None
    if isinstance(result, psycopg.Error):
        raise result
    result.deadline_s = deadline_s
    # for a statement that outlives us: the server need not finish what nobody waits for
    result.autocommit = True
    result.execute(f"SET statement_timeout = {int(deadline_s * 1000)}")
    result.autocommit = False
    return result
