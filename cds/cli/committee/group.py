"""``cds committee``."""

from __future__ import annotations

import click

from cds.cli.committee.accounts import account
from cds.cli.committee.decisions import confirm, resume, suspend
from cds.cli.committee.incidents import incidents
from cds.cli.committee.reports import report
from cds.cli.committee.verdicts import evaluate, status


@click.group()
def committee() -> None:
    """Is each model still right here, and what is done when it is not.

    \b
      cds committee evaluate          measure every model at every site, reach verdicts
      cds committee status            where every model stands
      cds committee suspend MODEL     stop it; its cards say "withheld by the committee" within seconds
      cds committee resume MODEL      let it speak again
      cds committee incidents list    what people say is wrong
      cds committee report FILE       the month, as PDF or FHIR MeasureReport
      cds committee account put NAME  who may come into the console

    What is measured and from where on it is too bad is written in the charter (setting: committee.charter_file; see
    docs/charter.md). What became of patients comes from `cds outcomes`.
    """


for command in (status, evaluate, suspend, resume, confirm, incidents, report, account):
    committee.add_command(command)
