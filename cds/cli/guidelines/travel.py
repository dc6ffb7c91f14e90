"""A guideline's way out and in: ``export``, ``diff``, ``import``."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import yaml
from rich.console import Console

from cds.cli.guidelines.here import Here, here
from cds.cli.guidelines.site_layer import change_of
from cds.cli.guidelines.told import KEPT, write
from cds.cli.models.found import folders_of
from cds.errors import GuidelineError, LedgerError
from cds.guidelines.differences import differences, sentences_kept
from cds.guidelines.importing import Update, read
from cds.guidelines.replay import replayed, told
from cds.guidelines.resources import bundle, text_of
from cds.inference import registry
from cds.inference.guideline import newer, under
from cds.inference.model import Model
from cds.site.in_force import today_of

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("model_id", metavar="ID")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write. Default: to the screen."
)
@click.pass_context
def export(ctx: click.Context, model_id: str, output: Path | None) -> None:
    """The rules of ID, as in force, as a FHIR Bundle: a PlanDefinition with FHIRPath conditions, and the Library of the
    inputs they test. The codes are the shared vocabulary's; this hospital's own are left out.
    """
    place = here(ctx)
    model = place.in_force(model_id)
    shared = registry.load(folders_of(place.settings)).vocabulary
    text = text_of(bundle(model.manifest, shared))
    if output is None:
        click.echo(text, nl=False)
        return
    _write(output, text)
    click.secho(f"{output}: {model_id} {model.manifest.version}", fg="green")


@click.command()
@click.argument("file", type=_FILE)
@click.option("--days", type=click.IntRange(1, 730), default=30, show_default=True, help="Of past calls.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for another program.")
@click.pass_context
def diff(ctx: click.Context, file: Path, days: int, as_json: bool) -> None:
    """What the update in FILE changes: rule by rule, and for how many of the patients of the last days.

    The answers kept in the ledger are given again under both. Counts only, small ones hidden. Nothing is changed for
    anybody.
    """
    place = here(ctx)
    update = _read(place, file)
    now = place.in_force(update.model)
    then = _then(place, update, now)
    found = {
        "guideline": update.model,
        "before": now.manifest.version,
        "after": then.manifest.version,
        "differences": [
            {"what": each.what, "before": list(each.before), "after": list(each.after)}
            for each in differences(now.manifest, then.manifest)
        ],
        "sentencesKept": sentences_kept(now.manifest, then.manifest),
        "days": days,
        **_counted(place, now, then, days),
    }
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        write(Console(), found)


@click.command("import")
@click.argument("file", type=_FILE)
@click.option("--by", required=True, help="The person who writes the change.")
@click.option("--why", default="", help="The reason. Default: the update's own version and publication.")
@click.option("--effective", type=click.DateTime(["%Y-%m-%d"]), help="From which day it is to hold. Default: today.")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write. Default: ID-VERSION.yaml"
)
@click.pass_context
def import_(ctx: click.Context, file: Path, by: str, why: str, effective: datetime | None, output: Path | None) -> None:
    """The update in FILE, a FHIR PlanDefinition or a Bundle of it, as a change of the policy.

    Nothing changes for anybody: the change is a file, which is proposed, approved by a second person and activated as
    any other. What the site's change in force sets stays in it.
    """
    place = here(ctx)
    update = _read(place, file)
    now = place.in_force(update.model)
    then = _then(place, update, now)
    version = then.manifest.version
    target = output or Path(f"{update.model}-{version}.yaml")
    if target.exists():
        raise click.ClickException(f"{target} exists already: name another with --output, or remove it")
    day = effective.date() if effective is not None else today_of(place.settings)
    reason = why or f"{update.content['publisher']}: {update.model} {version}, published {update.content['published']}"
    change, carried = change_of(place.settings, place.known, update, by, reason, day)
    _write(target, yaml.safe_dump(change, sort_keys=False, allow_unicode=True, width=120))
    click.secho(f"{target}: {update.model} {now.manifest.version} -> {version}. Nothing has changed yet.", fg="green")
    for rule in sentences_kept(now.manifest, then.manifest):
        click.secho(KEPT.format(rule=rule), fg="yellow")
    if carried:
        click.echo(f"It keeps what the site's change in force sets: {', '.join(carried)}")
    click.echo(f"For how many it would change what is said: cds guidelines diff {file}")
    click.echo(f'Put it forward: cds policy propose {target} --by "{by}"')


def _read(place: Here, file: Path) -> Update:
    """Raises GuidelineError, each fault with the file before it."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GuidelineError(f"{file}: can't be read as text: {error}") from error
    try:
        return read(text, place.by_rules, place.found.vocabulary)
    except GuidelineError as error:
        raise GuidelineError("\n".join(f"{file}: {line}" for line in str(error).splitlines())) from error


def _then(place: Here, update: Update, now: Model) -> Model:
    if not newer(update.content["version"], now.manifest.version):
        raise GuidelineError(
            f"PlanDefinition.version: {update.content['version']} is not above {now.manifest.version}, now in force"
        )
    return under(place.found[update.model], {update.model: update.content})


def _counted(place: Here, now: Model, then: Model, days: int) -> dict[str, Any]:
    """Of past patients; why there is nothing to count, where there is not."""
    from cds.ledger.kept_answers import newest_by_patient

    settings, until = place.settings, datetime.now(UTC)
    since = until - timedelta(days=days)
    try:
        if settings.database_url is None and not Path(settings.ledger_url.removeprefix("sqlite:///")).exists():
            raise LedgerError("there is none yet")  # reading must not make one
        kept = newest_by_patient(settings.ledger_url, now.manifest.id, since, until)
        tally = replayed(now, then, kept)
    except LedgerError as error:
        return {"replayed": None, "why": f"no ledger could be read: {error}"}
    if not tally.read:
        return {"replayed": None, "why": f"nobody was asked about in the last {days} days"}
    return {"replayed": told(tally), "why": ""}


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{path} can't be written: {error.strerror}") from error
