"""Run by Alembic, always through ``cds.ledger.migrate``, which brings the connection and its transaction."""

from alembic import context

from cds.ledger.committee_tables import WHOLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=WHOLE,
    render_as_batch=True,
    compare_type=True,
)
context.run_migrations()
