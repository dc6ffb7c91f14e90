"""The language a patient speaks, beside that of the cards; and which file of a version a verdict judged."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("calls") as calls:
        calls.add_column(sa.Column("patient_language", sa.Text()))
    with op.batch_alter_table("verdicts") as verdicts:
        verdicts.add_column(sa.Column("model_sha256", sa.Text()))


def downgrade() -> None:
    with op.batch_alter_table("verdicts") as verdicts:
        verdicts.drop_column("model_sha256")
    with op.batch_alter_table("calls") as calls:
        calls.drop_column("patient_language")
