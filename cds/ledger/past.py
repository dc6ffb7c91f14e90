"""Past calls as a preview of a policy reads them: in the order of their making, a window at a time, never all at once.

Of a call only what decides: no patient but the keyed hash, no user but theirs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from cds.errors import LedgerError
from cds.ledger.cohort import SHADOW, last_contacts
from cds.ledger.committee_tables import call_snapshots
from cds.ledger.database import fault, make_engine, parse_url
from cds.ledger.entries import ShownCard
from cds.ledger.outcomes import OutcomeEvent, Sweep, events, sweeps
from cds.ledger.tables import calls, cards, feedback, predictions, suppressions

_STATEMENT_S, _CONNECT_S = 600.0, 3.0
_AT_ONCE = 1000


@dataclass(frozen=True)
class PastPrediction:
    model: str
    version: str
    outputs: dict[str, Any]
    inputs: str
    """JSON as stored: most are never looked into."""
    withheld: bool = False
    """By the committee: made and kept, and shown to nobody."""
    sha256: str = ""
    """Fingerprint of what decided it."""
    outcome: str = "predicted"
    reason: str | None = None


@dataclass(frozen=True)
class ReadyCard:
    """A card that was ready then, shown or held back."""

    memory: str
    indicator: str
    band: int = 0
    flags: tuple[str, ...] = ()
    shown: bool = True
    rank: Literal["safety", "action", "information"] = "information"
    repeat: Literal["once", "each-time", "always"] | None = None
    """None: not known; its topic tells."""
    quieted_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class PastCall:
    at: datetime
    client: str
    service: str
    hook: str
    patient: str
    user: str | None
    weighed: dict[str, Any] | None
    predictions: tuple[PastPrediction, ...] = ()
    """Those that gave an answer; of models that were asked about, the others, too."""
    cards: tuple[ReadyCard, ...] = ()
    id: str = ""
    sealed: bytes | None = None
    """What its cards were made from (``cds.snapshot``), where that was wanted and kept."""


@dataclass(frozen=True)
class PastOverride:
    patient: str
    memory: str
    reason: str | None
    at: datetime


@dataclass(frozen=True)
class Became:
    """What is known of what became of one client's patients, by the ledger's keys."""

    events: tuple[OutcomeEvent, ...] = ()
    sweeps: tuple[Sweep, ...] = ()
    """Newest first."""
    contacts: Mapping[str, datetime] = field(default_factory=dict)
    """By patient: the newest call."""


@dataclass(frozen=True)
class Before:
    """What was remembered when the window began."""

    shown: tuple[ShownCard, ...] = ()
    overrides: tuple[PastOverride, ...] = field(default=())
    """Of the window, too, oldest first."""


class PastCalls:
    """Raises LedgerError from every method when the database does not answer."""

    def __init__(self, url: str) -> None:
        self._engine = make_engine(
            parse_url(url), statement_s=_STATEMENT_S, connect_s=_CONNECT_S, poolclass=sa.NullPool
        )

    def close(self) -> None:
        self._engine.dispose()

    def between(
        self, since: datetime, until: datetime, *, about: Collection[str] = (), whole: Collection[str] = ()
    ) -> Iterator[PastCall]:
        """Answered calls, oldest first. ``about``: models of which it counts that they gave no answer, too; ``whole``:
        services of which what the cards were made from is wanted."""
        window = sa.and_(calls.c.at >= since, calls.c.at < until, calls.c.status == "answered")
        with self._reading() as connection:
            said = sa.or_(predictions.c.outcome == "predicted", predictions.c.model.in_(list(about)))
            answers = _Grouped(connection, _PREDICTIONS.where(window, said))
            given = _Grouped(connection, _CARDS.where(window))
            held = _Grouped(connection, _HELD.where(window))
            kept = _Grouped(connection, _KEPT.where(window, calls.c.service.in_(list(whole))))
            for row in connection.execution_options(yield_per=_AT_ONCE).execute(_CALLS.where(window)):
                yield PastCall(
                    row.at,
                    row.client,
                    row.service,
                    row.hook,
                    row.patient_key,
                    row.user_key,
                    row.weighed,
                    tuple(
                        PastPrediction(
                            p.model,
                            p.model_version,
                            orjson.loads(p.outputs),
                            p.inputs,
                            p.reason == SHADOW,
                            p.model_sha256,
                            p.outcome,
                            p.reason,
                        )
                        for p in answers.of(row.id)
                    ),
                    (
                        *(ReadyCard(c.topic, c.indicator, c.band or 0, tuple(c.flags or ())) for c in given.of(row.id)),
                        *(ReadyCard(h.topic, h.indicator, shown=False) for h in held.of(row.id)),
                    ),
                    row.id,
                    next((one.sealed for one in kept.of(row.id)), None),
                )

    def before(self, since: datetime, until: datetime, memory: datetime) -> Before:
        """Cards shown between ``memory`` and ``since``; overrides between ``memory`` and ``until``."""
        with self._reading() as connection:
            shown = tuple(
                ShownCard(r.patient_key, r.topic, r.at, r.user_key, r.band or 0, frozenset(r.flags or ()))
                for r in connection.execute(_SHOWN.where(cards.c.at >= memory, cards.c.at < since))
            )
            said = connection.execute(_OVERRIDES.where(feedback.c.at >= memory, feedback.c.at < until))
            return Before(shown, tuple(PastOverride(r.patient_key, r.topic, r.reason_code, r.at) for r in said))

    def outcomes_kept(self) -> bool:
        """Somebody has asked a source, or imported a file."""
        with self._reading() as connection:
            return bool(sweeps(connection))

    def became(self, outcomes: Iterable[str]) -> dict[str, Became]:
        """By client of whom a source was asked. ``outcomes``: names in the committee's charter."""
        names = list(outcomes)
        with self._reading() as connection:
            asked = sweeps(connection)
            return {
                client: Became(
                    events(connection, client, names),
                    tuple(sweep for sweep in asked if sweep.client == client),
                    last_contacts(connection, client),
                )
                for client in {sweep.client for sweep in asked}
            }

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.connect() as connection:
                # all questions see the same rows, however long the answers are read
                if connection.dialect.name == "postgresql":
                    connection.execution_options(isolation_level="REPEATABLE READ")
                else:
                    connection.exec_driver_sql("BEGIN")
                yield connection
        except SQLAlchemyError as error:
            raise LedgerError(f"the ledger can't be read ({fault(error)}): check database_url") from error


_ORDER = (calls.c.at, calls.c.id)
_CALLS = sa.select(
    calls.c.id,
    calls.c.at,
    calls.c.client,
    calls.c.service,
    calls.c.hook,
    calls.c.patient_key,
    calls.c.user_key,
    calls.c.weighed,
).order_by(*_ORDER)
_PREDICTIONS = (
    sa.select(
        predictions.c.call_id,
        predictions.c.model,
        predictions.c.model_version,
        predictions.c.model_sha256,
        predictions.c.outcome,
        predictions.c.reason,
        sa.cast(predictions.c.outputs, sa.Text).label("outputs"),
        sa.cast(predictions.c.inputs, sa.Text).label("inputs"),
    )
    .join(calls, calls.c.id == predictions.c.call_id)
    .order_by(*_ORDER, predictions.c.position)
)
_CARDS = (
    sa.select(cards.c.call_id, cards.c.topic, cards.c.indicator, cards.c.band, cards.c.flags)
    .join(calls, calls.c.id == cards.c.call_id)
    .order_by(*_ORDER, cards.c.position)
)
_HELD = (
    sa.select(
        suppressions.c.call_id, suppressions.c.topic, suppressions.c.body["indicator"].as_string().label("indicator")
    )
    .join(calls, calls.c.id == suppressions.c.call_id)
    .where(suppressions.c.body.is_not(None))
    .order_by(*_ORDER, suppressions.c.position)
)
_KEPT = (
    sa.select(call_snapshots.c.call_id, call_snapshots.c.sealed)
    .join(calls, calls.c.id == call_snapshots.c.call_id)
    .order_by(*_ORDER)
)
_SHOWN = sa.select(
    cards.c.patient_key, cards.c.topic, cards.c.at, cards.c.user_key, cards.c.band, cards.c.flags
).order_by(cards.c.at)
_OVERRIDES = (
    sa.select(cards.c.patient_key, cards.c.topic, feedback.c.reason_code, feedback.c.at)
    .join(feedback, feedback.c.card_id == cards.c.id)
    .join(calls, sa.and_(calls.c.id == cards.c.call_id, calls.c.client == feedback.c.client))
    .where(feedback.c.outcome == "overridden")
    .order_by(feedback.c.at)
)


class _Grouped:
    """Rows of a call's parts, read beside the calls in the same order."""

    def __init__(self, connection: sa.Connection, statement: sa.Select[Any]) -> None:
        self._rows = iter(connection.execution_options(yield_per=_AT_ONCE).execute(statement))
        self._next: Any = next(self._rows, None)

    def of(self, call_id: str) -> list[Any]:
        found = []
        while self._next is not None and self._next.call_id == call_id:
            found.append(self._next)
            self._next = next(self._rows, None)
        return found
