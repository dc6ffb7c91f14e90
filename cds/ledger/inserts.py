"""Entries as rows of the tables, in the driver's own values, and the INSERTs that take them.

A call is stored on the way to its card, so its statements are compiled once a process and its values are put into
the driver's shape here; SQLAlchemy's would be the same, asked of a type for each value of each row.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.exc import SQLAlchemyError

from cds.ledger import committee_tables, tables
from cds.ledger.entries import CallEntry, CardEntry, FeedbackEntry, PolicyEntry, ProblemEntry

Row = tuple[Any, ...]
Execute = Callable[[str, Row | list[Row]], int]
"""A statement and its row or rows; how many rows it made."""


class UnfitEntry(SQLAlchemyError):
    """An entry holds what no column takes: it can never be stored."""

    def __init__(self, original: Exception) -> None:
        super().__init__(type(original).__name__)
        self.orig = original


@dataclass(frozen=True)
class Write:
    """One entry. Its head is left out if it is there already, and then so are its parts."""

    head: tuple[str, Row]
    parts: tuple[tuple[str, list[Row]], ...] = ()

    def store(self, execute: Execute) -> int:
        """1 if it was new, else 0."""
        if execute(*self.head) == 0:
            return 0
        for statement, rows in self.parts:
            execute(statement, rows)
        return 1

    def as_one_statement(self) -> tuple[str, Row]:
        """For PostgreSQL: one round trip and its own transaction. It answers with 1 if the entry was new, else 0."""
        statement, row = self.head
        text = _in_one(statement, tuple((part, len(rows)) for part, rows in self.parts))
        return text, (*row, *(value for _, rows in self.parts for one in rows for value in one))


@lru_cache(maxsize=256)
def _in_one(head: str, parts: tuple[tuple[str, int], ...]) -> str:
    """A text for each number of rows of each part: few, since the models and cards of a service are. It is put together
    from SQLAlchemy's own texts, in which a place (``?`` or ``%s``) stands for every value."""
    made = [f"head AS ({head} RETURNING 1)"]
    for n, (part, rows) in enumerate(parts):
        insert, values = part.split(" VALUES ")
        given = f"SELECT * FROM (VALUES {', '.join([values] * rows)}) AS given"  # nosec B608
        made.append(f"part{n} AS ({insert} {given} WHERE EXISTS (SELECT FROM head))")  # nosec B608
    return f"WITH {', '.join(made)} SELECT count(*) FROM head"  # nosec B608


def compiled(statement: sa.sql.ClauseElement, dialect: str) -> tuple[str, tuple[str, ...]]:
    """A statement's text for the driver, and the names of its parameters in order."""
    made = statement.compile(
        dialect=psycopg.dialect(paramstyle="format") if dialect == "postgresql" else sqlite.dialect()  # type: ignore[no-untyped-call]
    )
    return str(made), tuple(getattr(made, "positiontup", None) or ())


class Inserts:
    """For one dialect: SQLite keeps a moment as text in UTC, PostgreSQL's driver takes it as it is."""

    def __init__(self, dialect: str) -> None:
        insert = postgresql.insert if dialect == "postgresql" else sqlite.insert

        def text(table: sa.Table, *, once: bool) -> str:
            statement, names = compiled(insert(table).on_conflict_do_nothing() if once else insert(table), dialect)
            assert list(names) == [column.name for column in table.columns]
            return statement

        self._call, self._feedback, self.jti, self._policy, self._problem = (
            text(table, once=True)
            for table in (tables.calls, tables.feedback, tables.jti, tables.policies, tables.problems)
        )
        (
            self._predictions,
            self._cards,
            self._card_predictions,
            self._suppressions,
            self._shadow_cards,
            self._snapshots,
        ) = (
            text(table, once=False)
            for table in (
                tables.predictions,
                tables.cards,
                tables.card_predictions,
                tables.suppressions,
                tables.shadow_cards,
                committee_tables.call_snapshots,
            )
        )
        self.moment, self._day = (_aware, _same) if dialect == "postgresql" else (_moment_text, _day_text)

    def write(self, entry: CallEntry | FeedbackEntry | PolicyEntry | ProblemEntry) -> Write:
        """Raises UnfitEntry."""
        try:
            if isinstance(entry, CallEntry):
                return self._write_call(entry)
            if isinstance(entry, FeedbackEntry):
                return Write((self._feedback, self._feedback_row(entry)))
            if isinstance(entry, ProblemEntry):
                return Write((self._problem, self._problem_row(entry)))
            return Write((self._policy, (entry.version, entry.content, self.moment(entry.first_used_at))))
        except (TypeError, ValueError) as error:
            raise UnfitEntry(error) from error

    # the order of the values below is that of the columns in ``cds.ledger.tables``

    def _write_call(self, entry: CallEntry) -> Write:
        at = self.moment(entry.at)
        call = (
            entry.id,
            at,
            entry.client,
            entry.service,
            entry.hook,
            _sent(entry.hook_instance),
            entry.patient_key,
            entry.user_key,
            entry.policy_version,
            entry.service_version,
            entry.language,
            to_json(entry.data_state),
            entry.status,
            entry.error_code,
            entry.duration_ms,
            to_json(entry.timings),
            entry.shadow,
            to_json(entry.weighed) if entry.weighed is not None else None,
            entry.patient_language,
        )
        parts: list[tuple[str, list[Row]]] = []
        if entry.predictions:
            parts.append((self._predictions, _predictions(entry, at)))
        if entry.cards:
            parts.append((self._cards, _cards(entry, at)))
            links: list[Row] = [(c.id, n, said) for c in entry.cards for n, said in enumerate(c.prediction_ids)]
            if links:
                parts.append((self._card_predictions, links))
        if entry.suppressions:
            parts.append((self._suppressions, self._suppression_rows(entry)))
        if entry.snapshot is not None:
            parts.append((self._snapshots, [(entry.id, base64.urlsafe_b64decode(_padded(entry.snapshot)))]))
        if entry.shadow_cards:
            shadows: list[Row] = [
                (entry.id, n, s.topic, s.indicator, to_json(s.prediction_ids)) for n, s in enumerate(entry.shadow_cards)
            ]
            parts.append((self._shadow_cards, shadows))
        return Write((self._call, call), tuple(parts))

    def _suppression_rows(self, entry: CallEntry) -> list[Row]:
        return [
            (
                entry.id,
                n,
                s.topic,
                s.reason,
                s.until and self._day(s.until),
                to_json(s.prediction_ids),
                to_json(s.body) if s.body is not None else None,
            )
            for n, s in enumerate(entry.suppressions)
        ]

    def _feedback_row(self, entry: FeedbackEntry) -> Row:
        card_id, outcome = _sent(entry.card_id), _sent(entry.outcome)
        sent = _moment_sent(entry.outcome_at)
        told = (entry.client, card_id, outcome, sent.isoformat() if sent else entry.outcome_at or "")
        # a reason that follows a bare override, or another one, is news, also from a client that sends no time
        same = "\x1f".join((*told, entry.reason_code) if entry.reason_code else told)
        # a client's clock may run ahead; a snooze must not outlast the reason for it
        at = sent if sent is not None and sent <= entry.received_at else entry.received_at
        return (
            hashlib.sha256(same.encode()).hexdigest(),
            card_id,
            outcome,
            to_json(entry.suggestion_ids),
            _sent_or_none(entry.reason_code),
            _sent_or_none(entry.reason_system),
            _sent_or_none(entry.reason_display),
            entry.comment_present,
            entry.client,
            entry.service,
            _sent_or_none(entry.outcome_at),
            self.moment(at),
            self.moment(entry.received_at),
        )

    def _problem_row(self, entry: ProblemEntry) -> Row:
        return (
            entry.id,
            self.moment(entry.at),
            entry.call_id,
            entry.card_id,
            entry.client,
            entry.user_key,
            entry.kind,
            entry.text.replace("\x00", "\ufffd"),
            entry.state,
        )


def _padded(text: str) -> str:
    return text + "=" * (-len(text) % 4)


def _predictions(entry: CallEntry, at: object) -> list[Row]:
    return [
        (
            p.id,
            entry.id,
            position,
            at,
            p.model,
            p.model_version,
            p.model_sha256,
            p.outcome,
            p.reason,
            to_json(p.inputs),
            to_json(p.outputs),
        )
        for position, p in enumerate(entry.predictions)
    ]


def _cards(entry: CallEntry, at: object) -> list[Row]:
    return [
        (
            card.id,
            entry.id,
            position,
            entry.patient_key,
            at,
            card.topic,
            card.indicator,
            to_json(card.body),
            to_json(_about(card)) if card.about or card.beside else None,
            entry.user_key,
            card.band,
            to_json(card.flags) if card.flags else None,
        )
        for position, card in enumerate(entry.cards)
    ]


def _about(card: CardEntry) -> dict[str, Any]:
    return {**card.about, **({"beside": card.beside} if card.beside else {})}


def to_json(value: Any) -> str:
    """PostgreSQL refuses NUL in JSON: it becomes U+FFFD. Raises TypeError for what JSON can't hold."""
    text = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY).decode()
    return text.replace("\\u0000", "\\ufffd") if "\\u0000" in text else text


def _aware(value: datetime) -> object:
    if value.tzinfo is None:
        raise ValueError("a moment in the ledger needs a time zone")
    return value


def _moment_text(value: datetime) -> object:
    """As SQLAlchemy writes and reads it: always with microseconds, so that text compares as time does."""
    if value.tzinfo is not UTC:
        if value.tzinfo is None:
            raise ValueError("a moment in the ledger needs a time zone")
        value = value.astimezone(UTC)
    return value.replace(tzinfo=None).isoformat(" ", "microseconds")


def read_moment(value: str | datetime) -> datetime:
    """What the driver gives for a moment."""
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def read_json(value: Any) -> Any:
    """What the driver gives for JSON: SQLite's its text."""
    return orjson.loads(value) if isinstance(value, str | bytes) else value


def _same(value: date) -> object:
    return value


def _day_text(value: date) -> object:
    return value.isoformat()


def _moment_sent(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if text else None
        if found is None:
            return None
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _sent(text: str) -> str:
    """What a client wrote: PostgreSQL takes no NUL, and no index entry over 2,700 bytes."""
    return text.replace("\x00", "\ufffd")[:400]


def _sent_or_none(text: str | None) -> str | None:
    return None if text is None else _sent(text)
