"""The tables, the same on SQLite and PostgreSQL. A change here needs a revision in ``migrations/versions``.

Rows are only ever added: nothing in the product updates a call, prediction, card or feedback, and they are deleted only
when they are older than is kept (``cds audit purge``). A job's row alone changes, as the job goes from hand to hand;
used tokens and report sessions go when they have expired. The committee's tables are in
``cds.ledger.committee_tables``.
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

HEAD = "0014"
"""The revision this code needs. A constant, since asking Alembic would cost each worker its import."""

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


class UtcDateTime(sa.TypeDecorator[datetime]):
    """A moment. SQLite keeps no time zone, so UTC goes in and UTC comes out; a naive one is refused."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment in the ledger needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


calls = sa.Table(
    "calls",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
    sa.Column("client", sa.Text, nullable=False),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("hook", sa.Text, nullable=False),
    sa.Column("hook_instance", sa.Text, nullable=False),
    sa.Column("patient_key", sa.Text, nullable=False),
    sa.Column("user_key", sa.Text),
    sa.Column("policy_version", sa.Text, nullable=False),
    sa.Column("service_version", sa.Text, nullable=False),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("data_state", Json, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("error_code", sa.Text),
    sa.Column("duration_ms", sa.Double, nullable=False),
    sa.Column("timings", Json, nullable=False),
    # versions of the layers that were computed beside those in force
    sa.Column("shadow", sa.Text),
    # by topic: what decisions depended on beside the models' answers, so that another policy can be tried on the call
    sa.Column("weighed", Json),
    # primary subtag of the patient's own language; ``language`` is that of the cards
    sa.Column("patient_language", sa.Text),
    sa.Index("ix_calls_patient_key_at", "patient_key", "at"),
)

predictions = sa.Table(
    "predictions",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("call_id", sa.ForeignKey("calls.id"), nullable=False, index=True),
    sa.Column("position", sa.Integer, nullable=False),
    # the call's time again: monitoring reads one model over a period, without the calls
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("model_version", sa.Text, nullable=False),
    sa.Column("model_sha256", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("inputs", Json, nullable=False),
    sa.Column("outputs", Json, nullable=False),
    sa.Index("ix_predictions_model_at", "model", "at"),
)

cards = sa.Table(
    "cards",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("call_id", sa.ForeignKey("calls.id"), nullable=False, index=True),
    sa.Column("position", sa.Integer, nullable=False),
    # patient and time again: a snooze asks for a patient's cards on every call, and most calls gave none
    sa.Column("patient_key", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("indicator", sa.Text, nullable=False),
    sa.Column("body", Json, nullable=False),
    # what the report behind the card has to know and the card itself does not say
    sa.Column("about", Json),
    # the reader again, and how heavy the card was: whether it is a repeat is asked on every call that has one
    sa.Column("user_key", sa.Text),
    sa.Column("band", sa.Integer),
    sa.Column("flags", Json),
    sa.Index("ix_cards_patient_key_at", "patient_key", "at"),
    sa.Index("ix_cards_user_key_at", "user_key", "at"),
)

card_predictions = sa.Table(
    "card_predictions",
    metadata,
    sa.Column("card_id", sa.ForeignKey("cards.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    # no foreign key: a card may rest on an earlier call's prediction whose row is still on the spool
    sa.Column("prediction_id", sa.Text, nullable=False),
)

suppressions = sa.Table(
    "suppressions",
    metadata,
    sa.Column("call_id", sa.ForeignKey("calls.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("until", sa.Date),
    sa.Column("prediction_ids", Json, nullable=False),
    # the card as it would have gone out, where one was ready
    sa.Column("body", Json),
)

feedback = sa.Table(
    "feedback",
    metadata,
    # hash of client, card, outcome and its time: the same feedback delivered again is the same row
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("card_id", sa.Text, nullable=False, index=True),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("suggestion_ids", Json, nullable=False),
    sa.Column("reason_code", sa.Text),
    sa.Column("reason_system", sa.Text),
    sa.Column("reason_display", sa.Text),
    sa.Column("comment_present", sa.Boolean, nullable=False),
    sa.Column("client", sa.Text, nullable=False),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("outcome_at", sa.Text),
    # the moment that counts: as sent if readable and not in the future, else of receipt
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("received_at", UtcDateTime, nullable=False, index=True),
)

jti = sa.Table(
    "jti",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("expires", UtcDateTime, nullable=False, index=True),
)

policies = sa.Table(
    "policies",
    metadata,
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("first_used_at", UtcDateTime, nullable=False),
)

policy_versions = sa.Table(
    "policy_versions",
    metadata,
    # the beginning of the hash: what cards and people name
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("layer", sa.Text, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("proposed_by", sa.Text, nullable=False),
    sa.Column("proposed_at", UtcDateTime, nullable=False),
)

policy_events = sa.Table(
    "policy_events",
    metadata,
    # a number, not an id of ours: what is in force follows from the order of events alone
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("layer", sa.Text, nullable=False),
    # none: the layer was taken away
    sa.Column("version", sa.Text),
    sa.Column("act", sa.Text, nullable=False),
    sa.Column("person", sa.Text, nullable=False),
    # of the machine it was done on
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("canary", Json),
)

shadow_cards = sa.Table(
    "shadow_cards",
    metadata,
    sa.Column("call_id", sa.ForeignKey("calls.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("indicator", sa.Text, nullable=False),
    sa.Column("prediction_ids", Json, nullable=False),
)

report_sessions = sa.Table(
    "report_sessions",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("client", sa.Text, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires", UtcDateTime, nullable=False, index=True),
    # who the patient is and the access token: readable only with the browser's cookie and the ledger's key together
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    # of who is looked at, for their erasure; null in rows of a version before
    sa.Column("patient_key", sa.Text),
)

problems = sa.Table(
    "problems",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
    # no foreign keys: the call may still be on the spool
    sa.Column("call_id", sa.Text),
    sa.Column("card_id", sa.Text),
    sa.Column("client", sa.Text, nullable=False),
    sa.Column("user_key", sa.Text),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
)

validation_answers = sa.Table(
    "validation_answers",
    metadata,
    sa.Column("round_digest", sa.Text, primary_key=True),
    sa.Column("round_id", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    # whom it was about: two answers about almost the same days would differ by a few people
    sa.Column("begins", sa.Date, nullable=False),
    sa.Column("ends", sa.Date, nullable=False),
    sa.Column("result_digest", sa.Text, nullable=False),
    sa.Column("reviewer", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    # keyed hashes: whom the work concerns, and what of theirs (a study); a call looks its patient's work up
    sa.Column("subject", sa.Text, index=True),
    sa.Column("item", sa.Text, index=True),
    sa.Column("payload", Json, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("most_attempts", sa.Integer, nullable=False),
    sa.Column("run_at", UtcDateTime, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("owner", sa.Text),
    sa.Column("lease_until", UtcDateTime),
    sa.Column("started_at", UtcDateTime),
    sa.Column("finished_at", UtcDateTime),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("progress", sa.Double, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("cancel_asked", sa.Boolean, nullable=False),
    sa.Column("result", Json),
    sa.Index("ix_jobs_state_run_at", "state", "run_at"),
)
