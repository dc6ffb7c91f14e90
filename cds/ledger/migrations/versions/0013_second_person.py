"""Who agreed, beside the name: as who acted has it since 0010."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("standings") as standings:
        standings.add_column(sa.Column("second_id", sa.Text()))


def downgrade() -> None:
    with op.batch_alter_table("standings") as standings:
        standings.drop_column("second_id")
