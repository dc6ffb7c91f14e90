"""``cds models list``."""

from __future__ import annotations

from datetime import date

import click
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from cds.cli.models.found import policy_if_good, registry_of, settings_of
from cds.guidelines import currency
from cds.inference.guideline import under
from cds.inference.manifest import Manifest
from cds.policy.schema import Policy
from cds.site.in_force import today_of


@click.command("list")
@click.pass_context
def list_models(ctx: click.Context) -> None:
    """Every model found: built in, from installed packages and from mounted folders; refused ones with the reason.

    "runs": does this site's policy let it speak? "review by": of a guideline, when somebody is to look at it again.
    """
    settings = settings_of(ctx)
    found = registry_of(settings)
    policy, fault = policy_if_good(settings, found)
    kept = Column("id", no_wrap=True)
    table = Table(kept, "version", "task", "status", "runs", "review by", "title", padding=(0, 0))
    today = today_of(settings)
    for model in found.models.values():
        if not model.refused:
            m = (under(model, policy.guidelines.editions) if policy is not None else model).manifest
            title = m.words.title.get("en", "")
            table.add_row(
                m.id, m.version, m.task.value, m.status.value, _runs(m, policy), _review(m, policy, today), title
            )
    console = Console()
    console.print(table)
    if fault:
        console.print(f"The policy can't be read, so who runs is not known: {fault}", style="yellow", markup=False)
    for name, reason in found.refused.items():
        console.print(f"refused: {name}", style="red")
        console.print(reason, markup=False, highlight=False, soft_wrap=True)


def _review(m: Manifest, policy: Policy | None, today: date) -> Text | str:
    if m.guideline is None or policy is None:
        return str(m.guideline.review_by) if m.guideline is not None else ""
    found = currency(m, policy, today)
    if found is None:
        return ""
    mark = {"in date": "", "overdue": " overdue", "lapsed": " lapsed"}[found.state]
    return Text(f"{found.review_by}{mark}", style="red" if found.overdue else "")


def _runs(m: Manifest, policy: Policy | None) -> str:
    if policy is None:
        return "?"
    if not policy.model_enabled(m.id, needs_enabling=m.status.needs_enabling):
        return "no"
    held = m.licence.acknowledge and not policy.licence_acknowledged(m.id, m.licence.name)
    return "no: licence" if held else "yes"
