"""``cds site check``: a walk through the whole site, as text, JSON and one page to print."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from cds.cli.check import show
from cds.settings import load
from cds.site.findings import Finding

if TYPE_CHECKING:
    from cds.site.walk import Site

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("--patient", "named", multiple=True, help="A consented test patient, CLIENT:ID. Give several.")
@click.option("--study", help="UID of a CT study that may be read to try an archive. Default: its newest.")
@click.option("--json", "json_file", type=_FILE, help="Write all of it there, for scripts; - for standard output.")
@click.option("--page", type=_FILE, help="Write one HTML page there, to read or to print.")
@click.option("--concept-map", type=_FILE, help="Write the codes nothing knows there, with proposals, for review.")
@click.pass_context
def check(
    ctx: click.Context,
    named: tuple[str, ...],
    study: str | None,
    json_file: Path | None,
    page: Path | None,
    concept_map: Path | None,
) -> None:
    """Walk through this site: what is installed, secrets, clocks, certificates, each client's keys and FHIR server,
    codes and units, archives, device, database and queue; and what each model will be able to say.

    Test patients are read and nothing is stored anywhere. What comes out holds no value of a patient. Exit code 1 if
    anything is at fault.
    """
    from cds.site.outcome import plain  # models and their libraries only where they are asked
    from cds.site.walk import Walk, patients_of, study_of

    settings = load(ctx.find_root().obj)
    to_stdout = json_file is not None and str(json_file) == "-"
    console = Console(stderr=to_stdout)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("starting", total=None)

        def step(title: str, number: int, total: int) -> None:
            progress.update(bar, description=title, completed=number, total=total)

        def tell(row: Finding) -> None:
            show(progress.console, row)

        walk = Walk(settings, patients_of(settings, named), study_of(study), lambda: datetime.now(UTC), step, tell)
        site = walk.run()
    _tables(console, site)
    outcome = plain(site)
    if json_file is not None:
        _write(json_file, json.dumps(outcome, indent=1, ensure_ascii=False) + "\n")
    if page is not None:
        from cds.site.page import rendered

        _write(page, rendered(outcome))
    if concept_map is not None:
        maps = list(site.concept_maps.values())
        _write(concept_map, json.dumps(_joined(maps), indent=1, ensure_ascii=False) + "\n")
    sys.exit(1 if site.findings.failed else 0)


def _tables(console: Console, site: Site) -> None:
    for client, rows in site.answers.items():
        table = Table(title=f"\nWhat models will be able to say: {client}", title_justify="left", box=None)
        table.add_column("model", no_wrap=True)
        table.add_column("of patients like these")
        for row in sorted(rows, key=lambda r: not r.speaks):
            # what is told names blocks of the settings, in the brackets they are written in
            table.add_row(Text(row.model if row.speaks else f"({row.model})"), Text(row.told))
        console.print(table)
        if not all(row.speaks for row in rows):
            console.print("(in brackets: not enabled by the policy)", style="dim")


def _joined(maps: list[dict[str, Any]]) -> dict[str, Any]:
    if not maps:
        return {"resourceType": "ConceptMap", "status": "draft", "group": []}
    return {**maps[0], "group": [group for one in maps for group in one["group"]]}


def _write(path: Path, text: str) -> None:
    if str(path) == "-":
        click.echo(text, nl=False)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{path} can't be written: {error.strerror}") from error
