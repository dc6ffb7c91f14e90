"""The ledger: calls, predictions, cards, suppressions, feedback, seen tokens, policies."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    _calls()
    _predictions()
    _cards()
    op.create_table(
        "suppressions",
        sa.Column("call_id", sa.Text, sa.ForeignKey("calls.id"), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("until", sa.Date),
        sa.Column("prediction_ids", JSON, nullable=False),
        sa.PrimaryKeyConstraint("call_id", "position"),
    )
    _feedback()
    op.create_table(
        "jti",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("expires", MOMENT, nullable=False),
    )
    op.create_index("ix_jti_expires", "jti", ["expires"])
    op.create_table(
        "policies",
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("first_used_at", MOMENT, nullable=False),
    )


def _calls() -> None:
    op.create_table(
        "calls",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("hook", sa.Text, nullable=False),
        sa.Column("hook_instance", sa.Text, nullable=False),
        sa.Column("patient_key", sa.Text, nullable=False),
        sa.Column("user_key", sa.Text),
        sa.Column("policy_version", sa.Text, nullable=False),
        sa.Column("service_version", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("data_state", JSON, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("error_code", sa.Text),
        sa.Column("duration_ms", sa.Double, nullable=False),
        sa.Column("timings", JSON, nullable=False),
    )
    op.create_index("ix_calls_at", "calls", ["at"])
    op.create_index("ix_calls_patient_key_at", "calls", ["patient_key", "at"])


def _predictions() -> None:
    op.create_table(
        "predictions",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("call_id", sa.Text, sa.ForeignKey("calls.id"), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("model_sha256", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("inputs", JSON, nullable=False),
        sa.Column("outputs", JSON, nullable=False),
    )
    op.create_index("ix_predictions_call_id", "predictions", ["call_id"])
    op.create_index("ix_predictions_model_at", "predictions", ["model", "at"])


def _cards() -> None:
    op.create_table(
        "cards",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("call_id", sa.Text, sa.ForeignKey("calls.id"), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("patient_key", sa.Text, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("indicator", sa.Text, nullable=False),
        sa.Column("body", JSON, nullable=False),
    )
    op.create_index("ix_cards_call_id", "cards", ["call_id"])
    op.create_index("ix_cards_patient_key_at", "cards", ["patient_key", "at"])
    op.create_table(
        "card_predictions",
        sa.Column("card_id", sa.Text, sa.ForeignKey("cards.id"), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("prediction_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("card_id", "position"),
    )


def _feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("card_id", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("suggestion_ids", JSON, nullable=False),
        sa.Column("reason_code", sa.Text),
        sa.Column("reason_system", sa.Text),
        sa.Column("reason_display", sa.Text),
        sa.Column("comment_present", sa.Boolean, nullable=False),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("outcome_at", sa.Text),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
    )
    op.create_index("ix_feedback_card_id", "feedback", ["card_id"])
    op.create_index("ix_feedback_received_at", "feedback", ["received_at"])


def downgrade() -> None:
    for table in ("policies", "jti", "feedback", "suppressions", "card_predictions", "cards", "predictions", "calls"):
        op.drop_table(table)
