"""``cds models list``."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Column, Table

from cds.cli.models.found import policy_if_good, registry_of, settings_of
from cds.inference.manifest import Manifest
from cds.policy.schema import Policy


@click.command("list")
@click.pass_context
def list_models(ctx: click.Context) -> None:
    """Every model found: built in, from installed packages and from mounted folders; refused ones with the reason.

    "runs": does this site's policy let it speak?
    """
    settings = settings_of(ctx)
    found = registry_of(settings)
    policy, fault = policy_if_good(settings, found)
    kept = Column("id", no_wrap=True)
    table = Table(kept, "version", "task", "status", "runs", "title", padding=(0, 0))
    for model in found.models.values():
        if not model.refused:
            m = model.manifest
            title = m.words.title.get("en", "")
            table.add_row(m.id, m.version, m.task.value, m.status.value, _runs(m, policy), title)
    console = Console()
    console.print(table)
    if fault:
        console.print(f"The policy can't be read, so who runs is not known: {fault}", style="yellow", markup=False)
    for name, reason in found.refused.items():
        console.print(f"refused: {name}", style="red")
        console.print(reason, markup=False, highlight=False, soft_wrap=True)


def _runs(m: Manifest, policy: Policy | None) -> str:
    if policy is None:
        return "?"
    if not policy.model_enabled(m.id, needs_enabling=m.status.needs_enabling):
        return "no"
    held = m.licence.acknowledge and not policy.licence_acknowledged(m.id, m.licence.name)
    return "no: licence" if held else "yes"
