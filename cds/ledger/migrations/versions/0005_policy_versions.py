"""Versions of the policy and what people did with them; who was shown which card; cards held back, word for word."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    with op.batch_alter_table("cards") as cards:
        cards.add_column(sa.Column("user_key", sa.Text))
        cards.add_column(sa.Column("band", sa.Integer))
        cards.add_column(sa.Column("flags", JSON))
    op.create_index("ix_cards_user_key_at", "cards", ["user_key", "at"])
    with op.batch_alter_table("suppressions") as suppressions:
        suppressions.add_column(sa.Column("body", JSON))
    _policies()
    with op.batch_alter_table("calls") as calls:
        calls.add_column(sa.Column("shadow", sa.Text))
    op.create_table(
        "shadow_cards",
        sa.Column("call_id", sa.Text, sa.ForeignKey("calls.id"), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("indicator", sa.Text, nullable=False),
        sa.Column("prediction_ids", JSON, nullable=False),
        sa.PrimaryKeyConstraint("call_id", "position"),
    )


def _policies() -> None:
    op.create_table(
        "policy_versions",
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("layer", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("proposed_by", sa.Text, nullable=False),
        sa.Column("proposed_at", MOMENT, nullable=False),
    )
    op.create_table(
        "policy_events",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("layer", sa.Text, nullable=False),
        sa.Column("version", sa.Text),
        sa.Column("act", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("canary", JSON),
    )


def downgrade() -> None:
    op.drop_table("shadow_cards")
    with op.batch_alter_table("calls") as calls:
        calls.drop_column("shadow")
    op.drop_table("policy_events")
    op.drop_table("policy_versions")
    with op.batch_alter_table("suppressions") as suppressions:
        suppressions.drop_column("body")
    op.drop_index("ix_cards_user_key_at", "cards")
    with op.batch_alter_table("cards") as cards:
        for column in ("flags", "band", "user_key"):
            cards.drop_column(column)
