"""Who was shown which card in what weight, and the cards that were held back, word for word."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    with op.batch_alter_table("cards") as cards:
        cards.add_column(sa.Column("user_key", sa.Text))
        cards.add_column(sa.Column("band", sa.Integer))
        cards.add_column(sa.Column("flags", JSON))
    op.create_index("ix_cards_user_key_at", "cards", ["user_key", "at"])
    with op.batch_alter_table("suppressions") as suppressions:
        suppressions.add_column(sa.Column("body", JSON))


def downgrade() -> None:
    with op.batch_alter_table("suppressions") as suppressions:
        suppressions.drop_column("body")
    op.drop_index("ix_cards_user_key_at", "cards")
    with op.batch_alter_table("cards") as cards:
        for column in ("flags", "band", "user_key"):
            cards.drop_column(column)
