"""Wrong passwords at the console are counted in the ledger: with several workers, each let through as many as one."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sign_in_attempts",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("wrong", sa.Integer(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_sign_in_attempts_until", "sign_in_attempts", ["until"])


def downgrade() -> None:
    op.drop_table("sign_in_attempts")
