"""A PostgreSQL connection that gives up in time.

``statement_timeout`` is kept by the server, so it is no help against a server that is stopped, swapped out or cut
off: here the client itself stops waiting.
"""

from __future__ import annotations

import queue
import select
import threading
import time
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from psycopg.waiting import Ready, Wait

T = TypeVar("T")


class NoAnswer(psycopg.OperationalError):
    """The server did not answer within the deadline."""


class ImpatientConnection(psycopg.Connection[Any]):
    """Every wait for the server ends after ``deadline_s``; the connection is then closed, since what the server
    may still send on it belongs to a question nobody waits for."""

    deadline_s: float = 60.0

    def wait(self, gen: Generator[Any, Any, T], *_args: Any, **_kwargs: Any) -> T:
        # the driver's own loops wait for ever, some of them without giving the generator a chance to object
        socket, poll, registered = self.pgconn.socket, select.poll(), 0
        deadline = time.monotonic() + self.deadline_s
        try:
            wanted = next(gen)
            while True:
                if wanted != registered:
                    registered = wanted
                    poll.register(socket, (wanted & Wait.R and select.POLLIN) | (wanted & Wait.W and select.POLLOUT))
                events = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
                if not events:
                    self.pgconn.finish()
                    raise NoAnswer("the database did not answer in time")
                # an error or a hang-up shows when the generator reads
                writable = Ready.W if events[0][1] & select.POLLOUT else Ready.NONE
                readable = Ready.R if events[0][1] & ~select.POLLOUT else Ready.NONE
                wanted = gen.send(Ready(readable | writable))
        except StopIteration as end:
            result: T = end.value
            return result


_took: dict[tuple[str, str], int] = {}
"""(hosts, ports) -> the host that took the last connection: one that is dead is not waited for each time."""


def connect(deadline_s: float, connect_s: float, *args: Any, **kwargs: Any) -> ImpatientConnection:
    """Connect within ``connect_s`` seconds. Of several hosts the first that takes the connection, with so long for each
    and that of the last time first. Raises psycopg.OperationalError."""
    name = str(kwargs.get("host", "")), str(kwargs.get("port", ""))
    hosts, ports = (part.split(",") for part in name)
    if len(hosts) == 1:
        return _connected(deadline_s, connect_s, *args, **kwargs)
    ports = ports * len(hosts) if len(ports) == 1 else ports
    begin = _took.get(name, 0)
    for at in (*range(begin, len(hosts)), *range(begin)):
        try:
            found = _connected(deadline_s, connect_s, *args, **{**kwargs, "host": hosts[at], "port": ports[at]})
        except psycopg.OperationalError as error:
            refused = error
        else:
            _took[name] = at
            return found
    raise refused


def _connected(deadline_s: float, connect_s: float, *args: Any, **kwargs: Any) -> ImpatientConnection:
    """libpq's own limit can't go below two seconds an address."""
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
