"""``cds policy``: everything a clinical lead does with the policy, one file a kind of command."""

from __future__ import annotations

import click

from cds.cli.policy.govern import activate, approve, propose, rollback, unshadow
from cds.cli.policy.look import check, diff, history, show

__all__ = ["policy"]


@click.group()
def policy() -> None:
    """The clinical lead's policy: try it, put it forward, have it approved, set it, take it back.

    A change is a file that holds only what differs from what is in force:

    \b
      name: Fewer cards
      author: A. Lead
      effective: 2026-12-01
      reason: 40 cards a week were too many
      services:
        SERVICE:
          parameters: {risk_at_least: 0.03}

    \b
      cds policy check change.yaml                           would it be accepted?
      cds policy propose change.yaml --by "A. Lead"          keep it; prints its version
      cds policy approve VERSION --by "B. Second" --why ...  another person
      cds policy activate VERSION --by "A. Lead" --why ...   in every worker within a minute
      cds policy rollback --by "A. Lead" --why ...           what held before is back

    Who may approve stands in the settings: [approvers."B. Second"]. Names are taken as given: who can run these
    commands on this machine is trusted to say who they are, and the account they used is kept beside it.
    """


for command in (check, show, diff, history, propose, approve, activate, rollback, unshadow):
    policy.add_command(command)
