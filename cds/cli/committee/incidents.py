"""``cds committee incidents``: what people say is wrong, from the report to its end."""

from __future__ import annotations

import json
from typing import Any, get_args

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cds.cli.committee.office import office_of
from cds.committee import incidents as work
from cds.ledger import ProblemKind
from cds.ledger.incidents import SEVERITIES, Incident, IncidentAction, Severity
from cds.ledger.incidents import incidents as stored

_KINDS = get_args(ProblemKind)


@click.group()
def incidents() -> None:
    """What people say is wrong, from the report to its end.

    Clinicians report by the report page or by an override such as "the data is wrong"; `report` takes what came by
    telephone. Each is triaged by somebody with a name, joined to the call it is about (`cds replay CALL` shows what was
    said then), and closed with what was found.
    """


@incidents.command("list")
@click.option("--all", "everything", is_flag=True, help="Closed ones, too.")
@click.option("--with-text", is_flag=True, help="Show what was typed, too. It may name a patient.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for scripts.")
@click.pass_context
def list_incidents(ctx: click.Context, everything: bool, with_text: bool, as_json: bool) -> None:
    """Incidents that are not closed, the newest first."""
    with office_of(ctx, light=True) as office:
        found = [i for i in office.book.read(stored) if everything or i.state != "closed"]
    rows = [_row(incident, with_text) for incident in found]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    elif not rows:
        click.echo("No incident is open.")
    else:
        table = Table(box=None)
        for heading in ("number", "when", "state", "severity", "kind", "client", "call", "typed"):
            table.add_column(heading)
        for row in rows:
            typed = row["text"] or ("yes" if row["typed"] else "-")
            cells = (row["number"][:13], row["at"], row["state"], row["severity"] or "-", row["kind"], row["client"],
                     row["call"] or "-", typed)  # fmt: skip
            table.add_row(*map(Text, cells))
        Console(highlight=False).print(table)


def _row(incident: Incident, with_text: bool) -> dict[str, Any]:
    problem = incident.problem
    return {
        "number": problem.id,
        "at": problem.at.isoformat(timespec="minutes"),
        "state": incident.state,
        "severity": incident.severity,
        "kind": problem.kind,
        "client": problem.client,
        "call": incident.call_id,
        "card": problem.card_id,
        "typed": bool(problem.text),
        "text": problem.text if with_text else None,
        "events": [
            {
                "at": e.at.isoformat(timespec="minutes"),
                "action": e.action,
                "person": e.person,
                "severity": e.severity,
                "call": e.call_id,
                "text": e.text if with_text else None,
            }
            for e in incident.events
        ],
    }


@incidents.command()
@click.option("--client", required=True, help="Which EHR it happened in, as named in the settings.")
@click.option("--kind", type=click.Choice(_KINDS), required=True, help="What kind of thing is wrong.")
@click.option("--text", required=True, help="What happened, in a sentence. Leave the patient's name out.")
@click.option("--call", help="The call's number, where it is known.")
@click.option("--card", help="The card's number (uuid), where it is known.")
@click.pass_context
def report(ctx: click.Context, client: str, kind: ProblemKind, text: str, call: str | None, card: str | None) -> None:
    """Take up an incident that somebody told of."""
    with office_of(ctx, light=True) as office:
        from cds.committee.actions import known_site

        known_site(client, office.settings.clients)
        made = work.report(office.book, client, kind, text, office.now, call=call, card=card)
    click.secho(f"Incident {made.id[:13]} is open.", fg="green")


def _act(ctx: click.Context, number: str, action: IncidentAction, person: str, **more: Any) -> None:
    with office_of(ctx, light=True) as office:
        work.act(office.book, office.charter, number, action, person, office.now, **more)


@incidents.command()
@click.argument("number")
@click.option("--person", required=True, help="Who looked at it.")
@click.option(
    "--severity", type=click.Choice(SEVERITIES), required=True,
    help="none: nothing was wrong; minor: a nuisance; serious: could have harmed; harm: somebody was harmed.",
)  # fmt: skip
@click.option("--text", default="", help="What was seen.")
@click.pass_context
def triage(ctx: click.Context, number: str, person: str, severity: Severity, text: str) -> None:
    """Say how serious the incident NUMBER is (its beginning is enough)."""
    _act(ctx, number, "triage", person, severity=severity, text=text)
    click.secho(f"Incident {number}: {severity}.", fg="green")
    if severity == "harm":
        click.secho(
            "Somebody was harmed: stop the model if it may happen again (`cds committee suspend --emergency`), and ask "
            "whether it has to be reported to the authorities.", fg="yellow",
        )  # fmt: skip


@incidents.command()
@click.argument("number")
@click.option("--call", required=True, help="The call it is about.")
@click.option("--person", required=True, help="Who found it.")
@click.pass_context
def link(ctx: click.Context, number: str, call: str, person: str) -> None:
    """Join the incident NUMBER to the call it is about."""
    _act(ctx, number, "link", person, call=call)
    click.secho(f"Incident {number} is joined to call {call}.", fg="green")


def _told(action: IncidentAction, about: str, text: str, person: str, done: str) -> None:
    """Add the command of an event that is somebody's sentence; the other arguments are its help and what it says."""

    @incidents.command(action, help=about)
    @click.argument("number")
    @click.option("--text", required=True, help=text)
    @click.option("--person", required=True, help=person)
    @click.pass_context
    def command(ctx: click.Context, number: str, text: str, person: str) -> None:
        _act(ctx, number, action, person, text=text)
        click.secho(done.format(number), fg="green")


_told("note", "Add a note to the incident NUMBER.", "What was found or done.", "Who says so.", "Noted on incident {}.")
_told(
    "close", "Close the incident NUMBER with what was found. It has to be triaged first.",
    "What was found, and what was done about it.", "Who closes it.", "Incident {} is closed.",
)  # fmt: skip
_told(
    "reopen", "Open the incident NUMBER again after it was closed.",
    "Why.", "Who opens it again.", "Incident {} is open again.",
)  # fmt: skip
