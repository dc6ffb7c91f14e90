"""Which call a line of the log belongs to: behind the event's name stand ``request=`` (the answer's ``X-Request-ID``),
``call=`` (the row of the ledger) and ``instance=`` (``hookInstance``), as far as they are known by then.

They are kept for the thread that answers and read when it writes a line, so a line of any room has them and no room
hands them on.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar

from cds.ids import is_uuid


class _Ids:
    __slots__ = ("call", "instance", "request")

    def __init__(self, request: str) -> None:
        self.request, self.call, self.instance = request, "", ""


_answered: ContextVar[_Ids | None] = ContextVar("answered", default=None)


def begin(request_id: str) -> None:
    _answered.set(_Ids(request_id))


def end() -> None:
    _answered.set(None)


def call(call_id: str) -> None:
    """From here on the call has a row of the ledger, or is to have one. Nothing where nobody began."""
    if (ids := _answered.get()) is not None:
        ids.call = call_id


def instance(hook_instance: str) -> None:
    """As the EHR sent it: any text at all, so a line has it only where it can't be anything but a UUID."""
    if (ids := _answered.get()) is not None:
        ids.instance = hook_instance


class Lines(logging.Formatter):
    """One line an event: time, level, part, event name, ids, ``key=value``."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        if not record.message.isprintable():
            # a model's faults, each on its line, or a text of somebody else's: the next line would pass for an event
            record.message = "; ".join(record.message.splitlines())
        if (ids := _answered.get()) is not None:
            # before all else, so that nothing in a text that follows can pass for them
            event, blank, rest = record.message.partition(" ")
            record.message = f"{event} {_told(ids)}{blank}{rest}"
        return super().formatMessage(record)


def _told(ids: _Ids) -> str:
    told = f"request={ids.request}"
    if ids.call:
        told += f" call={ids.call}"
    if ids.instance and is_uuid(ids.instance):
        told += f" instance={ids.instance}"
    return told
