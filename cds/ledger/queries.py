"""The statements: writing entries, reading them back. Each function takes a connection; none opens one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cds.ledger import rows
from cds.ledger.entries import (
    CallEntry,
    CardEntry,
    FeedbackEntry,
    Override,
    PolicyEntry,
    StoredCard,
    StoredPrediction,
)
from cds.ledger.tables import (
    calls,
    card_predictions,
    cards,
    feedback,
    jti,
    policies,
    predictions,
    suppressions,
)


@dataclass(frozen=True)
class Inserts:
    """INSERT ... ON CONFLICT DO NOTHING in a dialect's words, made once: SQLAlchemy then finds them compiled."""

    call: sa.Insert
    feedback: sa.Insert
    jti: sa.Insert
    policy: sa.Insert


_IDEMPOTENT = (calls, feedback, jti, policies)


def inserts(dialect: str) -> Inserts:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    # without the option PostgreSQL's row count is not read for an INSERT, and that count says whether it was new
    made = (insert(t).on_conflict_do_nothing().execution_options(preserve_rowcount=True) for t in _IDEMPOTENT)
    return Inserts(*made)


_PREDICTIONS, _CARDS = sa.insert(predictions), sa.insert(cards)
_CARD_PREDICTIONS, _SUPPRESSIONS = sa.insert(card_predictions), sa.insert(suppressions)


def store(
    connection: sa.Connection, insert: Inserts, entries: Iterable[CallEntry | FeedbackEntry | PolicyEntry]
) -> int:
    """How many were new."""
    stored = 0
    for entry in entries:
        if isinstance(entry, CallEntry):
            stored += _store_call(connection, insert, entry)
        elif isinstance(entry, FeedbackEntry):
            stored += connection.execute(insert.feedback, rows.feedback_row(entry)).rowcount
        else:
            stored += connection.execute(insert.policy, rows.policy_row(entry)).rowcount
    return stored


def _store_call(connection: sa.Connection, insert: Inserts, entry: CallEntry) -> int:
    if connection.execute(insert.call, rows.call_row(entry)).rowcount == 0:
        return 0
    if entry.predictions:
        connection.execute(_PREDICTIONS, rows.prediction_rows(entry))
    if entry.cards:
        connection.execute(_CARDS, rows.card_rows(entry))
        if links := rows.card_prediction_rows(entry):
            connection.execute(_CARD_PREDICTIONS, links)
    if entry.suppressions:
        connection.execute(_SUPPRESSIONS, rows.suppression_rows(entry))
    return 1


def store_jti(connection: sa.Connection, insert: Inserts, key: str, expires: datetime) -> bool:
    return connection.execute(insert.jti, {"key": key, "expires": expires}).rowcount == 1


_PURGE = sa.delete(jti).where(jti.c.expires < sa.bindparam("now", type_=jti.c.expires.type))


def purge_jti(connection: sa.Connection, now: datetime) -> int:
    return connection.execute(_PURGE, {"now": now}).rowcount


# A card's feedback counts only from the client it was given to: ids of cards are no secret.
_OVERRIDES = (
    sa.select(cards.c.topic, feedback.c.reason_code, feedback.c.at)
    .select_from(cards)
    .join(feedback, feedback.c.card_id == cards.c.id)
    .join(calls, sa.and_(calls.c.id == cards.c.call_id, calls.c.client == feedback.c.client))
    .where(
        cards.c.patient_key == sa.bindparam("patient_key"),
        feedback.c.outcome == "overridden",
        feedback.c.at >= sa.bindparam("since", type_=feedback.c.at.type),
    )
    .order_by(feedback.c.at.desc())
)


def overrides(connection: sa.Connection, patient_key: str, since: datetime) -> tuple[Override, ...]:
    found: dict[str, Override] = {}
    for topic, reason, at in connection.execute(_OVERRIDES, {"patient_key": patient_key, "since": since}):
        found.setdefault(topic, Override(topic, reason, at))
    return tuple(found.values())


_CARDS_OF = (
    sa.select(cards)
    .where(
        cards.c.patient_key == sa.bindparam("patient_key"),
        cards.c.topic == sa.bindparam("topic"),
        cards.c.at >= sa.bindparam("since", type_=cards.c.at.type),
    )
    .order_by(cards.c.at.desc())
)


def cards_of(connection: sa.Connection, patient_key: str, topic: str, since: datetime) -> tuple[StoredCard, ...]:
    return _cards(connection, _CARDS_OF, patient_key=patient_key, topic=topic, since=since)


_CARD = sa.select(cards).where(cards.c.id == sa.bindparam("card_id"))


def card(connection: sa.Connection, card_id: str) -> StoredCard | None:
    found = _cards(connection, _CARD, card_id=card_id)
    return found[0] if found else None


def _cards(connection: sa.Connection, statement: sa.Select[tuple[object, ...]], **by: object) -> tuple[StoredCard, ...]:
    found = connection.execute(statement, by).mappings().all()
    links = _links(connection, [row["id"] for row in found])
    return tuple(StoredCard(r["call_id"], r["at"], rows.read_card(r, tuple(links[r["id"]]))) for r in found)


_LINKS = (
    sa.select(card_predictions.c.card_id, card_predictions.c.prediction_id)
    .where(card_predictions.c.card_id.in_(sa.bindparam("card_ids", expanding=True)))
    .order_by(card_predictions.c.card_id, card_predictions.c.position)
)


def _links(connection: sa.Connection, card_ids: list[str]) -> defaultdict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    if card_ids:
        for card_id, prediction_id in connection.execute(_LINKS, {"card_ids": card_ids}):
            found[card_id].append(prediction_id)
    return found


_PREDICTION = sa.select(predictions).where(predictions.c.id == sa.bindparam("prediction_id"))


def prediction(connection: sa.Connection, prediction_id: str) -> StoredPrediction | None:
    row = connection.execute(_PREDICTION, {"prediction_id": prediction_id}).mappings().first()
    return None if row is None else StoredPrediction(row["call_id"], row["at"], rows.read_prediction(row))


_CALL = sa.select(calls).where(calls.c.id == sa.bindparam("call_id"))
_PARTS_OF_CALL = tuple(
    sa.select(table).where(table.c.call_id == sa.bindparam("call_id")).order_by(table.c.position)
    for table in (predictions, cards, suppressions)
)


def call(connection: sa.Connection, call_id: str) -> CallEntry | None:
    by = {"call_id": call_id}
    row = connection.execute(_CALL, by).mappings().first()
    if row is None:
        return None
    said, given, held = (connection.execute(part, by).mappings().all() for part in _PARTS_OF_CALL)
    links = _links(connection, [r["id"] for r in given])
    entries: tuple[CardEntry, ...] = tuple(rows.read_card(r, tuple(links[r["id"]])) for r in given)
    return CallEntry(
        **row,
        predictions=tuple(rows.read_prediction(r) for r in said),
        cards=entries,
        suppressions=tuple(rows.read_suppression(r) for r in held),
    )


_FEEDBACK_ON = (
    sa.select(feedback).where(feedback.c.card_id == sa.bindparam("card_id")).order_by(feedback.c.at, feedback.c.id)
)


def feedback_on(connection: sa.Connection, card_id: str) -> tuple[FeedbackEntry, ...]:
    found = connection.execute(_FEEDBACK_ON, {"card_id": card_id}).mappings()
    return tuple(rows.read_feedback(row) for row in found)


_POLICY = sa.select(policies.c.content).where(policies.c.version == sa.bindparam("version"))


def policy(connection: sa.Connection, version: str) -> str | None:
    return connection.execute(_POLICY, {"version": version}).scalar_one_or_none()


_REVISION = sa.text("SELECT version_num FROM alembic_version")


def revision(connection: sa.Connection) -> str | None:
    """The schema's revision, without Alembic. Raises SQLAlchemyError when there is no ledger yet."""
    found: str | None = connection.execute(_REVISION).scalar_one_or_none()
    return found
