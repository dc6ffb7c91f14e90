"""``cds ledger upgrade``: the schema brought to what this version needs, before the service starts."""

from __future__ import annotations

import click

from cds.ledger.migrate import current
from cds.ledger.migrate import upgrade as bring_up
from cds.settings import load


@click.group()
def ledger() -> None:
    """The database of calls, predictions, cards and feedback."""


@ledger.command()
@click.pass_context
def upgrade(ctx: click.Context) -> None:
    """Bring the database's schema to what this version needs; nothing happens where it already is.

    `cds serve` does the same at its start. By itself it is for deployments where the service's own database user may
    not change tables, and to have a migration fail before a new version answers calls.
    """
    url = load(ctx.find_root().obj).ledger_url
    before = current(url)
    after = bring_up(url)
    click.echo(
        f"The ledger is at {after}." if before == after else f"The ledger went from {before or 'nothing'} to {after}."
    )
