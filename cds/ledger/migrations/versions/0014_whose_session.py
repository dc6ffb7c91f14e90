"""Whose report is open, as a hash: so that a person's erasure ends it. Reports opened before end by themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("report_sessions") as sessions:
        sessions.add_column(sa.Column("patient_key", sa.Text()))


def downgrade() -> None:
    with op.batch_alter_table("report_sessions") as sessions:
        sessions.drop_column("patient_key")
