"""``cds policy``: would this policy be accepted, and what does it say?"""

from __future__ import annotations

from pathlib import Path

import click

from cds.policy.packaged import packaged_policy
from cds.policy.schema import Known, Policy, parse
from cds.services.declaration import installed_packages
from cds.settings import load
from cds.site.installed import known_to, text_of


@click.group()
def policy() -> None:
    """The clinical lead's policy: check a file, or show the one in force."""


@policy.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def check(ctx: click.Context, file: Path) -> None:
    """Check FILE. Exit 0 and its version if it would take effect; else every fault with line and allowed values."""
    known = known_to(load(ctx.find_root().obj))
    found = parse(text_of(file), str(file), known)
    click.secho(f"{file}: good. Version {found.version}, effective {found.effective}.", fg="green")
    for line in unnamed(found, known):
        click.echo(line)


def unnamed(found: Policy, known: Known) -> list[str]:
    """Services that the policy doesn't mention run with their own defaults: worth knowing, no fault."""
    return [
        f"note: service '{name}' is not named; it runs with its defaults"
        for name in sorted(set(known.services) - set(found.services))
    ]


@policy.command()
@click.pass_context
def show(ctx: click.Context) -> None:
    """Print the policy file in force (setting: policy_file, else the packaged default)."""
    settings = load(ctx.find_root().obj)
    path = settings.policy_file or packaged_policy(installed_packages())
    click.echo(text_of(path))
