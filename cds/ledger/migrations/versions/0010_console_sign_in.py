"""Who is signed out of the console, in every worker; and who decided, by more than a name."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ended_sessions",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_ended_sessions_until", "ended_sessions", ["until"])
    with op.batch_alter_table("standings") as standings:
        standings.add_column(sa.Column("person_id", sa.Text()))


def downgrade() -> None:
    with op.batch_alter_table("standings") as standings:
        standings.drop_column("person_id")
    op.drop_table("ended_sessions")
