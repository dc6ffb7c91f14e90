"""Whom and what a job concerns, as keyed hashes, so that a call finds its patient's work."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(sa.Column("subject", sa.Text))
        jobs.add_column(sa.Column("item", sa.Text))
        jobs.create_index("ix_jobs_subject", ["subject"])
        jobs.create_index("ix_jobs_item", ["item"])


def downgrade() -> None:
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_index("ix_jobs_item")
        jobs.drop_index("ix_jobs_subject")
        jobs.drop_column("item")
        jobs.drop_column("subject")
