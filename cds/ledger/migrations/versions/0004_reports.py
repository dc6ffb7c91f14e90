"""Report sessions, problems told from the report, and what a card's report has to know."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    with op.batch_alter_table("cards") as cards:
        cards.add_column(sa.Column("about", JSON))
    op.create_table(
        "report_sessions",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires", MOMENT, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_report_sessions_expires", "report_sessions", ["expires"])
    op.create_table(
        "problems",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("call_id", sa.Text),
        sa.Column("card_id", sa.Text),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("user_key", sa.Text),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
    )
    op.create_index("ix_problems_at", "problems", ["at"])


def downgrade() -> None:
    op.drop_table("problems")
    op.drop_table("report_sessions")
    with op.batch_alter_table("cards") as cards:
        cards.drop_column("about")
