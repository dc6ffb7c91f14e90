"""The committee: outcomes, standings, verdicts, what became of problems, what replay needs, and the audit's chain."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "charters",
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("first_used_at", MOMENT, nullable=False),
    )
    op.create_table(
        "outcome_sweeps",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("person", sa.Text),
        sa.Column("outcomes", JSON, nullable=False),
        sa.Column("since", sa.Date),
        sa.Column("through", sa.Date),
        sa.Column("counts", JSON, nullable=False),
        sa.Column("faults", JSON, nullable=False),
    )
    op.create_index("ix_outcome_sweeps_client_at", "outcome_sweeps", ["client", "at"])
    op.create_table(
        "outcome_events",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("client", sa.Text, nullable=False),
        sa.Column("patient_key", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("reference", sa.Text),
        sa.Column("sweep_id", sa.Text, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
    )
    op.create_index("ix_outcome_events_client_patient_key", "outcome_events", ["client", "patient_key"])
    op.create_table(
        "standings",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("site", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("second", sa.Text),
        sa.Column("about", sa.Text),
    )
    op.create_index("ix_standings_at", "standings", ["at"])
    op.create_table(
        "verdicts",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("site", sa.Text, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("charter_version", sa.Text, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("raised", sa.Text, nullable=False),
        sa.Column("streak", sa.Integer, nullable=False),
        sa.Column("findings", JSON, nullable=False),
    )
    op.create_index("ix_verdicts_model_site_at", "verdicts", ["model", "site", "at"])
    op.create_table(
        "incident_events",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("problem_id", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("severity", sa.Text),
        sa.Column("call_id", sa.Text),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_index("ix_incident_events_problem_id", "incident_events", ["problem_id"])
    op.create_table(
        "card_openings",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("card_id", sa.Text, nullable=False),
        sa.Column("client", sa.Text, nullable=False),
    )
    op.create_index("ix_card_openings_card_id", "card_openings", ["card_id"])
    op.create_table(
        "call_snapshots",
        sa.Column("call_id", sa.Text, sa.ForeignKey("calls.id"), primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "audit_links",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("row_id", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("link", sa.Text, nullable=False),
        sa.Column("note", JSON),
        sa.UniqueConstraint("kind", "row_id", name="uq_audit_links_kind_row_id"),
    )


def downgrade() -> None:
    for table in (
        *("audit_links", "call_snapshots", "card_openings", "incident_events", "verdicts", "standings"),
        *("outcome_events", "outcome_sweeps", "charters"),
    ):
        op.drop_table(table)
