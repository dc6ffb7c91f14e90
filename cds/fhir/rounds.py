"""Several conversations with FHIR servers at once, all in the thread that wants to know: each is a generator that
yields the GET it wants next and is gone on with when the answer is there.

A call's queries were threads once. Each answer then cost a hand-over of the interpreter lock and a place in the queue
for it, which under load took longer than the reading; and a thread that waits for a byte can't be told that it is too
late, as a generator can.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cds.fhir.transfers import Answer, Transfer, Transfers

_T = TypeVar("_T")

_LOOK_AGAIN_S = 0.005
"""A full server is looked at again so soon: other threads' rounds end without a word to this one."""


@dataclass(frozen=True)
class Get:
    url: str
    """In ASCII, as it goes over the wire."""
    headers: list[str]
    places: threading.Semaphore
    """As many as the server is to be asked at a time."""
    not_before: float = 0.0
    """``time.monotonic()``."""
    certificate: tuple[str, str] | None = None
    """Files of our certificate and its key (PEM)."""


Steps = Generator[Get, Answer, _T]
"""A conversation that ends with a T."""


def run(conversations: Sequence[Steps[None]], transfers: Transfers, deadline: float) -> list[bool]:
    """All of them until they end or the deadline (``time.monotonic()``) is there: which of them ended.

    One that did not is closed: its ``finally`` runs, and it keeps nothing open.
    """
    wanted: dict[Steps[None], Get] = {}
    running: dict[Transfer, tuple[Steps[None], Get]] = {}
    try:
        for one in conversations:
            _go_on(one, None, wanted)
        while (wanted or running) and time.monotonic() < deadline:
            again = _start(wanted, running, transfers)
            for transfer, answer in transfers.wait(min(again, deadline)):
                one, get = running.pop(transfer)
                get.places.release()
                _go_on(one, answer, wanted)
    finally:
        for transfer, (_, get) in running.items():
            transfers.drop(transfer)
            get.places.release()
        for one in conversations:
            one.close()
    unfinished = {*wanted, *(one for one, _ in running.values())}
    return [one not in unfinished for one in conversations]


def _go_on(one: Steps[None], answer: Answer | None, wanted: dict[Steps[None], Get]) -> None:
    with contextlib.suppress(StopIteration):
        wanted[one] = next(one) if answer is None else one.send(answer)


def _start(
    wanted: dict[Steps[None], Get], running: dict[Transfer, tuple[Steps[None], Get]], transfers: Transfers
) -> float:
    """Start what may be. Returns when to look again (``time.monotonic()``)."""
    now, again = time.monotonic(), float("inf")
    for one, get in list(wanted.items()):
        if get.not_before > now:
            again = min(again, get.not_before)
        elif not get.places.acquire(blocking=False):
            again = min(again, now + _LOOK_AGAIN_S)
        else:
            del wanted[one]
            running[transfers.start(get.url, get.headers, get.certificate)] = one, get
    return again
