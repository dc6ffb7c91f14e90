"""``cds guidelines list``."""

from __future__ import annotations

import json
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from cds.cli.guidelines.here import here
from cds.guidelines import standing_of
from cds.site.in_force import today_of


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for another program.")
@click.pass_context
def list_guidelines(ctx: click.Context, as_json: bool) -> None:
    """Every guideline, the one to be looked at first at the top: version, publication, review, owner.

    "overdue": its cards say so. "lapsed": the grace is over too, and it is no longer cited. The edition shown is the
    one in force: the installed one, or a newer one of the policy.
    """
    place = here(ctx)
    found = standing_of(place.found.models.values(), place.policy, today_of(place.settings))
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found], ensure_ascii=False, indent=2, default=str))
    else:
        kept = Column("id", no_wrap=True)
        table = Table(
            kept, "version", "published", "review by", "state", "cited until", "runs", "owner", padding=(0, 0)
        )
        for each in found:
            state = Text(each.state, style="red" if each.overdue else "green")
            until = str(each.speaks_until) if each.overdue else ""
            runs = "yes" if each.runs else "no"
            published = f"{each.published}, {each.publisher}"
            table.add_row(each.model, each.version, published, str(each.review_by), state, until, runs, each.owner)
        Console().print(table)
    if place.unknown:
        click.secho(place.unknown, fg="yellow", err=True)
