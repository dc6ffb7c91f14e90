"""``cds models run``."""

from __future__ import annotations

import json
from datetime import datetime

import click
from rich.console import Console

from cds.cli.models.account import account_of
from cds.cli.models.found import model_of, names_of, registry_of, settings_of
from cds.cli.models.patients import Source, moment, one
from cds.cli.models.told import tell
from cds.inference.registry import concepts_of


@click.command()
@click.argument("model_id")
@click.option("--patient", "place", required=True, help="A Bundle or NDJSON file, or https://server/fhir/Patient/id.")
@click.option("--id", "wanted", help="Which patient, where the file holds several.")
@click.option("--now", type=click.DateTime(["%Y-%m-%d"]), help="As of this day. Default: today.")
@click.option("--language", type=click.Choice(["en", "nl"]), default="en", show_default=True, help="Of the words.")
@click.option("--json", "as_json", is_flag=True, help="Print the account as JSON.")
@click.pass_context
def run(
    ctx: click.Context,
    model_id: str,
    place: str,
    wanted: str | None,
    now: datetime | None,
    language: str,
    as_json: bool,
) -> None:
    """One model on one patient: every input with its source, what it contributed, the answer, and how sure.

    Prescriptions with the status draft count as orders in the making. Nothing is stored. A token for the FHIR server
    is read from $CDS_CALL_TOKEN.

    \b
      cds models run endpac --patient bundle.json --now 2026-11-23
      cds models run endpac --patient http://127.0.0.1:8000/fhir/Patient/new-diabetes
    """
    settings = settings_of(ctx)
    found = registry_of(settings)
    model = model_of(found, model_id)
    source = Source(settings, found.vocabulary, moment(now), names_of(settings))
    record = one(source, place, concepts_of(model.manifest, fetched=True), wanted)
    account = account_of(model, record, language)
    if as_json:
        click.echo(json.dumps(account.plain(), indent=2, ensure_ascii=False))
    else:
        tell(Console(), account)
    if account.outcome == "failed":
        raise click.ClickException(f"{model_id} could not run: {account.why}")
