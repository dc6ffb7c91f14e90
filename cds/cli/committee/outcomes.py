"""``cds outcomes``: what became of the patients the models spoke of."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cds.cli.committee.office import Office, office_of
from cds.cli.days import day
from cds.committee import sweep as sweeps
from cds.errors import CdsError
from cds.ledger.outcomes import Sweep, counted
from cds.ledger.outcomes import sweeps as stored_sweeps


@click.group()
def outcomes() -> None:
    """What became of the patients the models spoke of. Without it nobody can say whether a model is right.

    \b
      cds outcomes find --client NAME        ask the EHR itself (conditions, procedures, imaging, deaths)
      cds outcomes import FILE --client NAME take a registry's file
      cds outcomes status                    what is known, from where, up to when

    Only outcomes of patients with a call in this ledger are kept, each under a keyed hash. Which outcomes are looked
    for is written in the committee's charter (setting: committee.charter_file).
    """


@outcomes.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--client", required=True, help="Which EHR's patients the file is about, as named in the settings.")
@click.option("--name", default="registry", show_default=True, help="What the registry is called here.")
@click.option("--person", help="Who imports it; kept with the rows.")
@click.option(
    "--complete-through",
    callback=day,
    help="The registry knows of every outcome up to this day (2026-03-31): whoever is not in it then counts as free of "
    "it. Without this, silence means nothing.",
)
@click.pass_context
def import_outcomes(
    ctx: click.Context, file: Path, client: str, name: str, person: str | None, complete_through: date | None
) -> None:
    """Take the outcomes in FILE, a CSV with these columns (commas or semicolons; nothing else in it):

    \b
      patient_id   as the EHR names the patient in its calls (FHIR id); it is hashed at once and not kept
      outcome      a name of the charter, such as death; empty for follow-up alone
      date         2026-03-31
      last_seen    optional: the last day the patient was seen, for follow-up

    The file is checked whole: with a fault in any line nothing is taken, and the lines are named. Importing it again
    changes nothing.
    """
    with office_of(ctx) as office:
        done, new = sweeps.import_file(
            file,
            client,
            name,
            settings=office.settings,
            charter=office.charter,
            ledger=office.ledger,
            book=office.book,
            now=office.now,
            person=person,
            through=complete_through,
        )
    patients, known = done.counts["patients"], done.counts["predicted"]
    click.echo(f"{done.counts['lines']} lines of {patients} patients; {known} of them have a call here, the others "
               f"were not kept. {new} new events.")  # fmt: skip
    if known == 0:
        click.secho(
            "None of the patients is known here. Are these the ids the EHR sends in its calls, and is this the right "
            "client?", fg="yellow",
        )  # fmt: skip
    if complete_through is None:
        click.echo("Without --complete-through nobody counts as free of an outcome for not being in the file.")


@outcomes.command("find")
@click.option("--client", help="Only this EHR. Default: every client with studies.fhir_base in the settings.")
@click.option("--since", callback=day, help="Look from this day on (2026-03-31). Default: the day of its first call.")
@click.pass_context
def find_outcomes(ctx: click.Context, client: str | None, since: date | None) -> None:
    """Ask EHRs what became of patients: conditions, procedures, imaging and deaths, by the charter's concepts.

    Everybody with the outcome is asked for, hashed, and forgotten at once if there was no call about them. The address
    is clients.NAME.studies.fhir_base with its token_file. `cds worker` does the same by itself every
    committee.outcomes_h hours. Exit code 1 if anything could not be asked.
    """
    faulty = False
    with office_of(ctx) as office:
        names = [client] if client else sweeps.askable(office.settings)
        if not names:
            raise click.UsageError(
                "no client has an address the service may ask: set clients.NAME.studies.fhir_base, or use "
                "`cds outcomes import`"
            )
        for name in names:
            faulty = not _found(office, name, since, only=client is not None) or faulty
    sys.exit(1 if faulty else 0)


def _found(office: Office, name: str, since: date | None, *, only: bool) -> bool:
    """False: something could not be asked. One client's fault keeps nobody from the others."""
    try:
        done, new = sweeps.find_in_ehr(
            name,
            settings=office.settings,
            charter=office.charter,
            vocabulary=office.models.vocabulary,
            ledger=office.ledger,
            book=office.book,
            now=office.now,
            since=since,
        )
    except CdsError as error:
        if only:
            raise
        click.secho(f"{name}: {error.code}: {error}", fg="red", err=True)
        return False
    click.echo(f"{name}: {done.counts['queries']} questions since {done.since}, {new} new events of predicted patients")
    for kind, count in done.counts.items():
        if kind not in ("queries", "patients"):
            click.echo(f"  {kind.replace(':', ' ')}: {count}")
    for fault in done.faults:
        click.secho(f"  could not be asked: {fault}", fg="yellow")
    lacking = [n for n in office.charter.outcomes if n not in done.outcomes]
    if lacking:
        click.secho(f"  not complete, so nobody counts as free of: {', '.join(lacking)}", fg="yellow")
    return not done.faults


@outcomes.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON, for scripts.")
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """What is known of whom, from which sources, up to which day; counts only."""
    with office_of(ctx, light=True) as office:
        found = office.book.read(stored_sweeps)
        events = office.book.read(counted)
        least = office.charter.minimum.cell
    newest: dict[tuple[str, str, str], Sweep] = {}
    for one in found:
        newest.setdefault((one.client, one.source, one.name), one)
    if as_json:
        click.echo(
            json.dumps({"sources": [_plain(s) for s in newest.values()], "events": _events(events, least)}, indent=1)
        )
        return
    if not newest:
        click.echo("No outcome is known yet. Ask with `cds outcomes find`, or take a registry's file with import.")
        return
    table = Table(box=None)
    for heading in ("client", "source", "last asked", "complete through", "not asked"):
        table.add_column(heading)
    for one in newest.values():
        faults = "; ".join(one.faults) or "-"
        through = one.through.isoformat() if one.through else "never said"
        cells = (one.client, one.name or "EHR", one.at.isoformat(timespec="minutes"), through, faults)
        table.add_row(*map(Text, cells))
    Console(highlight=False).print(table)
    for row in _events(events, least):
        what = f"{row['kind']} {row['outcome']}".strip()
        click.echo(f"{row['client']}: {what}: {row['patients']} patients, {row['first']} to {row['last']}")


def _events(found: tuple[tuple[str, str, str, int, date, date], ...], least: int) -> list[dict[str, Any]]:
    """Few patients are told as "fewer than", and without days: a single one must not show."""
    rows = []
    for client, kind, outcome, patients, first, last in found:
        few = patients < least
        rows.append(
            {
                "client": client,
                "kind": kind,
                "outcome": outcome,
                "patients": f"fewer than {least}" if few else patients,
                "first": "-" if few else first.isoformat(),
                "last": "-" if few else last.isoformat(),
            }
        )
    return rows


def _plain(one: Sweep) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, date | datetime) else value for name, value in one.row.items()}
