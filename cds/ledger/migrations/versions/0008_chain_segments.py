"""A row may be linked again, in the chain's next segment: when the ledger's key is replaced."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("audit_links") as links:
        links.add_column(sa.Column("segment", sa.Integer, nullable=False, server_default="0"))
        links.drop_constraint("uq_audit_links_kind_row_id", type_="unique")
        links.create_unique_constraint("uq_audit_links_kind_row_id_segment", ["kind", "row_id", "segment"])


def downgrade() -> None:
    op.execute("DELETE FROM audit_links WHERE segment > 0")
    with op.batch_alter_table("audit_links") as links:
        links.drop_constraint("uq_audit_links_kind_row_id_segment", type_="unique")
        links.create_unique_constraint("uq_audit_links_kind_row_id", ["kind", "row_id"])
        links.drop_column("segment")
