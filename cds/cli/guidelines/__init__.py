"""``cds guidelines``: how current they are, and their way out and in as FHIR, one file a kind of command."""

from __future__ import annotations

import click

from cds.cli.guidelines.current import list_guidelines
from cds.cli.guidelines.travel import diff, export, import_

__all__ = ["guidelines"]


@click.group()
def guidelines() -> None:
    """Guidelines: which are overdue, and updates of them as FHIR.

    A guideline's rules travel as a PlanDefinition with FHIRPath conditions. An update is tried on last month's
    patients, written as a change of the policy, and in force once a second person has approved it:

    \b
      cds guidelines list                       which are in date, which overdue
      cds guidelines export ID --output FILE    its rules as FHIR, to edit
      cds guidelines diff FILE                  what the update changes, and for how many
      cds guidelines import FILE --by "..."     the update as a change of the policy
      cds policy propose CHANGE --by "..."      then as any change: a second person approves
    """


for command in (list_guidelines, export, diff, import_):
    guidelines.add_command(command)
