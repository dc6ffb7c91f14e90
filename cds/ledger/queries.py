"""The questions put to the ledger. Each function takes a connection; none opens one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from cds.ledger import rows
from cds.ledger.entries import (
    CallEntry,
    CardEntry,
    FeedbackEntry,
    HeldCard,
    Override,
    ShownCard,
    StoredCard,
    StoredPrediction,
)
from cds.ledger.inserts import compiled, read_json, read_moment
from cds.ledger.tables import (
    calls,
    card_predictions,
    cards,
    feedback,
    jti,
    policies,
    predictions,
    shadow_cards,
    suppressions,
)

_PURGE = sa.delete(jti).where(jti.c.expires < sa.bindparam("now", type_=jti.c.expires.type))


def purge_jti(connection: sa.Connection, now: datetime) -> int:
    return connection.execute(_PURGE, {"now": now}).rowcount


# A card's feedback counts only from the client it was given to: ids of cards are no secret. That is asked in a
# subquery, so that SQLite looks for the call of a card with feedback only, not of each card of the patient.
_OVERRIDES = (
    sa.select(cards.c.topic, feedback.c.reason_code, feedback.c.at)
    .select_from(cards)
    .join(feedback, feedback.c.card_id == cards.c.id)
    .where(
        cards.c.patient_key == sa.bindparam("patient_key"),
        feedback.c.outcome == sa.literal_column("'overridden'"),
        feedback.c.at >= sa.bindparam("since", type_=feedback.c.at.type),
        sa.exists().where(calls.c.id == cards.c.call_id, calls.c.client == feedback.c.client),
    )
    .order_by(feedback.c.at.desc())
)


class Overrides:
    """The one question of most calls: its text for a dialect's driver, and what the driver answers."""

    def __init__(self, dialect: str) -> None:
        self.text, names = compiled(_OVERRIDES, dialect)
        assert names == ("patient_key", "since")

    @staticmethod
    def read(found: Iterable[Sequence[Any]]) -> tuple[Override, ...]:
        """The latest of each topic, newest first."""
        latest: dict[str, Override] = {}
        for topic, reason, at in found:
            if topic not in latest:
                latest[topic] = Override(topic, reason, read_moment(at))
        return tuple(latest.values())


# Of this patient all cards, of this user the newest others: both are asked at once, by an index each. A user who opens
# chart after chart all day (a program, say) must not make each of them slower than the last.
_SHOWN_COLUMNS = (cards.c.patient_key, cards.c.topic, cards.c.at, cards.c.user_key, cards.c.band, cards.c.flags)
_TO_USER = (
    sa.select(*_SHOWN_COLUMNS)
    .where(
        cards.c.user_key == sa.bindparam("user_key"),
        cards.c.at >= sa.bindparam("today", type_=cards.c.at.type),
        cards.c.patient_key != sa.bindparam("patient_key"),
    )
    .order_by(cards.c.at.desc())
    .limit(sa.bindparam("most", type_=sa.Integer))
    .offset(sa.literal_column("0"))  # SQLite's dialect would add one as a parameter
    .subquery()
)
_SHOWN = sa.union_all(
    sa.select(*_SHOWN_COLUMNS).where(
        cards.c.patient_key == sa.bindparam("patient_key"),
        cards.c.at >= sa.bindparam("since", type_=cards.c.at.type),
    ),
    sa.select(_TO_USER),
)


class ShownCards:
    """Asked on each call that has a card to give, in the driver's words like the overrides."""

    def __init__(self, dialect: str) -> None:
        self.text, names = compiled(_SHOWN, dialect)
        assert names == ("patient_key", "since", "user_key", "today", "patient_key", "most")

    @staticmethod
    def read(found: Iterable[Sequence[Any]]) -> tuple[ShownCard, ...]:
        return tuple(
            ShownCard(patient, topic, read_moment(at), user, band or 0, frozenset(read_json(flags) or ()))
            for patient, topic, at, user, band, flags in found
        )


_HELD = (
    sa.select(
        suppressions.c.call_id,
        calls.c.at,
        calls.c.language,
        suppressions.c.topic,
        suppressions.c.reason,
        suppressions.c.until,
        suppressions.c.prediction_ids,
        suppressions.c.body,
    )
    .join(calls, calls.c.id == suppressions.c.call_id)
    .where(
        calls.c.patient_key == sa.bindparam("patient_key"),
        calls.c.client == sa.bindparam("client"),
        calls.c.at >= sa.bindparam("since", type_=calls.c.at.type),
        suppressions.c.body.is_not(None),
    )
    .order_by(calls.c.at.desc(), suppressions.c.position)
    .limit(500)
)


def held_cards(connection: sa.Connection, client: str, patient_key: str, since: datetime) -> tuple[HeldCard, ...]:
    by = {"client": client, "patient_key": patient_key, "since": since}
    found = connection.execute(_HELD, by).mappings()
    return tuple(HeldCard(**{**row, "prediction_ids": tuple(row["prediction_ids"])}) for row in found)


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
    for table in (predictions, cards, suppressions, shadow_cards)
)


def call(connection: sa.Connection, call_id: str) -> CallEntry | None:
    by = {"call_id": call_id}
    row = connection.execute(_CALL, by).mappings().first()
    if row is None:
        return None
    said, given, held, shadows = (connection.execute(part, by).mappings().all() for part in _PARTS_OF_CALL)
    links = _links(connection, [r["id"] for r in given])
    entries: tuple[CardEntry, ...] = tuple(rows.read_card(r, tuple(links[r["id"]])) for r in given)
    return CallEntry(
        **row,
        predictions=tuple(rows.read_prediction(r) for r in said),
        cards=entries,
        suppressions=tuple(rows.read_suppression(r) for r in held),
        shadow_cards=tuple(rows.read_shadow(r) for r in shadows),
    )


_CALLS_OF = (
    sa.select(calls.c.id)
    .where(
        calls.c.at >= sa.bindparam("since", type_=calls.c.at.type),
        calls.c.client == sa.bindparam("client"),
        calls.c.hook_instance == sa.bindparam("hook_instance"),
    )
    .order_by(calls.c.at)
    .limit(50)
)


def calls_of(connection: sa.Connection, client: str, hook_instance: str, since: datetime) -> tuple[CallEntry, ...]:
    by = {"client": client, "hook_instance": hook_instance, "since": since}
    ids = connection.execute(_CALLS_OF, by).scalars().all()
    return tuple(found for call_id in ids if (found := call(connection, call_id)) is not None)


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
