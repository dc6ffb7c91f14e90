"""``cds committee status`` and ``evaluate``."""

from __future__ import annotations

import json
import sys
from datetime import datetime, tzinfo
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cds.cli.committee import told
from cds.cli.committee.office import Office, office_of, policies_of
from cds.committee.actions import stopped_now
from cds.ledger.incidents import incidents
from cds.ledger.standings import EVERYWHERE, Stop
from cds.ledger.verdicts import Verdict, newest


@click.command()
@click.option("--model", help="Only this model.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for scripts.")
@click.pass_context
def status(ctx: click.Context, model: str | None, as_json: bool) -> None:
    """Where every model stands: its verdict at each site, what raised it, what is stopped and who has to confirm that.

    Verdicts come from `cds committee evaluate`, which `cds worker` also runs by itself.
    """
    with office_of(ctx, light=True) as office:
        verdicts = [v for v in office.book.read(newest) if model in (None, v.model)]
        stopped = stopped_now(office.book, office.charter, office.now)
        held = {key: stop for key, stop in stopped.items() if model in (None, key[0])}
        waiting = sum(i.state == "open" for i in office.book.read(incidents))
    if as_json:
        click.echo(json.dumps({"verdicts": [_plain(v, held) for v in verdicts], "stops": _stops(held)}, indent=1))
        return
    if not verdicts and not held:
        click.echo("No verdict yet: run `cds committee evaluate`.")
    else:
        click.echo(f"By the hospital's clock ({office.settings.timezone}):")
    zone = office.now.tzinfo
    if verdicts:
        _table(verdicts, held, zone)
    for (name, site), stop in sorted(held.items()):
        given = stop.standing
        click.secho(f"\nwithheld: {name} {_where(site)} since {_moment(given.at, zone)}", fg="red")
        click.echo(f"  {given.person}{f' and {given.second}' if given.second else ''}: {given.reason}")
        if stop.confirmed is None:
            click.secho("  nobody has confirmed this yet: `cds committee confirm --help`", fg="yellow")
        if stop.asked is not None:
            click.secho(f"  {stop.asked.person} asks on the console that it may speak again: {stop.asked.reason}")
    if waiting:
        click.echo(f"\n{waiting} incident(s) nobody has looked at: `cds committee incidents list`")


@click.command()
@click.option("--model", help="Only this model. Default: every model that was ever asked.")
@click.option("--site", help="Only this client's patients. Default: each client apart.")
@click.option("--dry-run", is_flag=True, help="Store no verdict and stop nothing.")
@click.option("--all-findings", is_flag=True, help="Show every measure, not only what is wrong.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for scripts; all findings.")
@click.pass_context
def evaluate(
    ctx: click.Context, model: str | None, site: str | None, dry_run: bool, all_findings: bool, as_json: bool
) -> None:
    """Measure every model at every site now, reach a verdict by the charter's limits, and stop what must be stopped.

    \b
    green    nothing measured is wrong (what could not be measured is said)
    watch    something lies beyond its first limit
    act      it lies beyond the second, two days in a row
    stopped  an input failed, or a declared floor was passed two days in a row; or people stopped it

    A limit is passed only when the whole 95 % interval lies beyond it. Exit code 3 if any model was stopped now.
    """
    from cds.committee.evaluate import Evaluator  # brings SciPy

    stopped = False
    plain: list[dict[str, Any]] = []
    with office_of(ctx) as office:
        _require_known(office, model, site)
        evaluator = Evaluator(office.book, office.models, policies_of(office).current, office.charter, office.now)
        for found in evaluator.all(model, site, keep=not dry_run):
            stopped = stopped or found.stop is not None
            assumed = found.ascertainment.told if found.ascertainment is not None else ()
            plain.append(_plain(found.verdict, {}) | {"outcomes": list(assumed)})
            if not as_json:
                _show(found.verdict, assumed, found.stop is not None, everything=all_findings)
    if as_json:
        click.echo(json.dumps(plain, indent=1))
    elif not plain:
        click.echo("No model was ever asked here: there is nothing to evaluate.")
    sys.exit(3 if stopped else 0)


def _require_known(office: Office, model: str | None, site: str | None) -> None:
    from cds.committee.actions import known_model, known_site

    if model is not None:
        known_model(model, office.models.models)
    if site is not None:
        known_site(site, office.settings.clients)


def _show(verdict: Verdict, assumed: tuple[str, ...], stopped: bool, *, everything: bool) -> None:
    click.secho(
        f"{verdict.model} {verdict.model_version} at {verdict.site}: {verdict.level}",
        fg=told.COLOURS[verdict.level],
        bold=True,
    )
    if stopped:
        click.secho("  stopped now by the service; its cards say so within seconds", fg="red")
    shown = [f for f in (verdict.findings if everything else verdict.raising) if f["measure"] != "followed"]
    for finding in shown:
        colour = told.COLOURS[finding["level"]] if finding["level"] != "green" else None
        click.secho(f"  {told.finding(finding)}", fg=colour)
    lacking = sum("value" not in f and f["measure"] != "followed" for f in verdict.findings)
    if not everything and lacking:
        click.echo(f"  {lacking} measure(s) not possible yet; --all-findings says why")
    for line in assumed if everything else ():
        click.echo(f"  ({line})")


def _table(verdicts: list[Verdict], held: dict[tuple[str, str], Stop], zone: tzinfo | None) -> None:
    table = Table(box=None)
    for heading in ("model", "version", "site", "verdict", "evaluated", "raised by"):
        table.add_column(heading)
    for v in verdicts:
        level = _level(v, held)
        raised = ", ".join(f"{f['measure']} {f['about']}".strip() for f in v.raising[:3]) or "-"
        cells = (v.model, v.model_version, v.site)
        mark = Text(level, style=told.COLOURS[level])
        table.add_row(*map(Text, cells), mark, Text(_moment(v.at, zone)), Text(raised))
    Console(highlight=False).print(table)


def _moment(at: datetime, zone: tzinfo | None) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}"


def _level(verdict: Verdict, held: dict[tuple[str, str], Stop]) -> str:
    """People may have stopped or resumed it since it was evaluated."""
    if (verdict.model, verdict.site) in held or (verdict.model, EVERYWHERE) in held:
        return "stopped"
    return "watch" if verdict.level == "stopped" else verdict.level


def _plain(v: Verdict, held: dict[tuple[str, str], Stop]) -> dict[str, Any]:
    row = {k: x.isoformat() if isinstance(x, datetime) else x for k, x in v.row.items()}
    return row | ({"standing": _level(v, held)} if held else {})


def _stops(held: dict[tuple[str, str], Stop]) -> list[dict[str, Any]]:
    return [
        {
            "model": model,
            "site": site,
            "since": stop.standing.at.isoformat(),
            "cause": stop.standing.cause,
            "reason": stop.standing.reason,
            "person": stop.standing.person,
            "confirmed": stop.confirmed,
            "asked": stop.asked.person if stop.asked is not None else None,
        }
        for (model, site), stop in sorted(held.items())
    ]


def _where(site: str) -> str:
    return "everywhere" if site == EVERYWHERE else f"at {site}"
