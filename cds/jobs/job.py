"""One job as its row says, and the ways its work can end without a result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

QUEUED, RUNNING, DONE, DEAD, CANCELLED = "queued", "running", "done", "dead", "cancelled"
STATES = (QUEUED, RUNNING, DONE, DEAD, CANCELLED)
ENDED = (DONE, DEAD, CANCELLED)


@dataclass(frozen=True)
class Job:
    id: int
    kind: str
    key: str
    """What the work is, once for ever: the same key is the same job."""
    payload: Mapping[str, Any]
    state: str
    priority: int
    """Higher first."""
    attempts: int
    """How often it was begun; also the fence: only the latest attempt may finish."""
    most_attempts: int
    run_at: datetime
    """Not before."""
    created_at: datetime
    owner: str | None = None
    lease_until: datetime | None = None
    started_at: datetime | None = None
    """Of the latest attempt."""
    finished_at: datetime | None = None
    stage: str = ""
    progress: float = 0.0
    """0 to 1."""
    reason: str = ""
    """Code of why the latest attempt failed, or the job ended without a result."""
    cancel_asked: bool = False
    result: Mapping[str, Any] | None = None
    subject: str | None = None
    """Keyed hash of whom the work concerns."""
    item: str | None = None
    """Keyed hash of what it concerns, such as a study."""

    @property
    def asked_at(self) -> datetime:
        """The last time it was asked for, in UTC; it was written by the database's clock, whose zone may be another. A
        job is made once, and may be renewed."""
        said = self.payload.get("asked_at")
        return self.created_at if said is None else datetime.fromisoformat(str(said)).astimezone(UTC)


@dataclass(frozen=True)
class Outcome:
    """A result, and further rows that are stored in the transaction that ends the job, or not at all."""

    result: Mapping[str, Any]
    also: Callable[[Connection], None]


class Unfinished(Exception):
    """The work could not be done. ``reason`` is a code; the message is for the log and holds no patient data."""

    def __init__(
        self,
        reason: str,
        *,
        again: bool,
        said: str = "",
        patience: timedelta = timedelta(),
        after: timedelta = timedelta(),
    ) -> None:
        """``again``: another attempt may succeed; else the job is dead at once. ``patience``, ``after``: as
        ``Jobs.fail`` takes them."""
        super().__init__(said or reason)
        self.reason = reason
        self.again = again
        self.patience = patience
        self.after = after


class Stop(Exception):
    """Raised inside the work when it must end: it was cancelled, another worker has it, or this one shuts down."""

    def __init__(self, why: str) -> None:
        """``why``: ``cancelled``, ``lease-lost`` or ``shutting-down``."""
        super().__init__(why)
        self.why = why
