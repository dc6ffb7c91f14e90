"""Looking at the policy: would a file be accepted, what is in force, what was, and what differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cds.cli.policy.house import file_of, house_of, ledger_of, person_of
from cds.errors import PolicyError
from cds.ledger import PolicyEvent, PolicyRecord
from cds.policy.acts import House, known_version
from cds.policy.differences import differences
from cds.policy.layers import SITE, Layer, in_order, laid_over, parse_layer
from cds.policy.schema import Known, Policy, parse, read
from cds.policy.standing import Standing, standing
from cds.policy.store import text_of
from cds.settings import Settings, load
from cds.site.installed import known_to


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def check(ctx: click.Context, file: Path) -> None:
    """Check FILE, a whole policy or a change of it. Exit 0 and its version if it would take effect; else every fault
    with line and allowed values. The file that the settings name as policy_file has to be a whole policy.
    """
    settings = load(ctx.find_root().obj)
    text, known = text_of(file), known_to(settings)
    if is_layer(text, str(file)) and not _is_the_file(file, settings):
        house = house_of(settings, known)
        layer = parse_layer(text, str(file))
        over_file(house, layer, str(file))
        good = f"{file}: good as a change. Version {layer.version}, for {layer.head.layer}, {_dates(layer)}."
        click.secho(good, fg="green")
        for line in _as_whole(text, str(file), known):
            click.echo(line)
        return
    found = parse(text, str(file), known)
    click.secho(f"{file}: good. Version {found.version}, effective {found.effective}.", fg="green")
    if found.effective > person_of(settings, "", "").today:
        click.echo(
            f"note: a file holds from the moment it is saved, not from {found.effective}; a version that is proposed "
            "and activated waits for its day (cds policy propose)"
        )
    for line in unnamed(found, known):
        click.echo(line)


def unnamed(found: Policy, known: Known) -> list[str]:
    """Services that run with their own defaults, and orders that no card can propose: worth knowing, no fault."""
    services, orders = set(known.services) - set(found.services), known.orders - set(found.orders)
    return [
        *(f"note: service '{name}' is not named; it runs with its defaults" for name in sorted(services)),
        *(f"note: the order '{name}' has no code here; cards leave it out" for name in sorted(orders)),
    ]


def _as_whole(text: str, where: str, known: Known) -> list[str]:
    """What a service says to a change that is put in the place of the policy itself."""
    try:
        parse(text, where, known)
    except PolicyError as error:
        told = "note: this is a change, to be proposed (cds policy propose); as policy_file it would be refused:"
        return [told, *(f"  {fault}" for fault in str(error).splitlines())]
    return []


def _is_the_file(file: Path, settings: Settings) -> bool:
    return settings.policy_file is not None and file.resolve() == settings.policy_file.resolve()


def is_layer(text: str, where: str) -> bool:
    """A change says for whom it is, or lacks the approver that a whole policy names. Raises PolicyError."""
    content, _ = read(text, where)
    return "layer" in content or "applies_to" in content or "approver" not in content


def over_file(house: House, layer: Layer, where: str) -> Policy:
    """Laid over the file alone. Raises PolicyError with the lines of the layer."""
    try:
        return laid_over(house.base, house.where, [(layer, "")], house.known)[0]
    except PolicyError as error:
        name = f"{layer.head.layer} {layer.version}"
        raise PolicyError(str(error).replace(f"{name}:", f"{where}:")) from error


@click.command()
@click.argument("version", default="")
@click.option("--client", default="", help="As calls of this client are under it.")
@click.option("--service", default="", help="As calls to this service are under it.")
@click.option("--user", default="", help="As calls of this user (context.userId) are under it.")
@click.pass_context
def show(ctx: click.Context, version: str, client: str, service: str, user: str) -> None:
    """Print the policy in force, or the text of VERSION: a layer, or a policy that was in force.

    Where the ledger holds layers, they are laid over the file (setting: policy_file, else the packaged default).
    """
    settings = load(ctx.find_root().obj)
    if version:
        with ledger_of(settings) as ledger:
            record = ledger.read()
            text = ledger.text_of(version) or known_version(record, version).content
        click.echo(text)
        return
    path = file_of(settings)
    if not has_ledger(settings):
        click.echo(text_of(path))
        return
    with ledger_of(settings) as ledger:
        found = _standing(ledger.read(), settings)
    layers = found.layers(client, service, user)
    if not layers:
        click.echo(text_of(path))
        return
    house = house_of(settings)
    policy, text = laid_over(house.base, house.where, [(a.layer, a.approver) for a in layers], house.known)
    laid = "".join(f"\n#   {a.layer.head.layer} {a.layer.version} ({a.layer.head.name})" for a in layers)
    click.echo(f"# version {policy.version}: {path}, and over it{laid}\n{text}")


@click.command()
@click.argument("layer", default="")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for scripts.")
@click.pass_context
def history(ctx: click.Context, layer: str, as_json: bool) -> None:
    """What was done with the policy's layers, newest first: who, when, why. LAYER: one of them, such as site."""
    settings = load(ctx.find_root().obj)
    with ledger_of(settings) as ledger:
        record = ledger.read()
    events = [e for e in reversed(record.events) if layer in ("", e.layer)]
    if as_json:
        click.echo(_json(events))
        return
    if not events:
        click.echo("Nothing was proposed yet; the file alone is in force.")
        return
    _print(events, _standing(record, settings), ZoneInfo(settings.timezone))


def _json(events: list[PolicyEvent]) -> str:
    import json
    from dataclasses import asdict

    rows: list[dict[str, Any]] = [{**asdict(e), "at": e.at.isoformat(timespec="seconds")} for e in events]
    return json.dumps(rows, indent=1)


def _print(events: list[PolicyEvent], now: Standing, zone: ZoneInfo) -> None:
    """Moments are told by the hospital's clock."""
    table = Table(box=None)
    for heading in ("when", "layer", "version", "what", "who", "why"):
        table.add_column(heading)
    for event in events:
        what: str = event.act
        if event.canary:
            what += " for " + ", ".join(f"{k} {'/'.join(v)}" for k, v in event.canary.items())
        cells = (
            f"{event.at.astimezone(zone):%Y-%m-%d %H:%M}",
            event.layer,
            event.version or "-",
            what,
            event.person,
            event.reason,
        )
        table.add_row(*map(Text, cells))
    console = Console(highlight=False)
    console.print(table)
    for line in standing_lines(now):
        console.print(line, markup=False)


def standing_lines(now: Standing) -> list[str]:
    """What holds today, a line each."""
    lines = [f"In force: {n} {a.layer.version} ({a.layer.head.name}), {_dates(a.layer)}" for n, a in now.live.items()]
    for name, (canary, approved) in now.canaries.items():
        whose = ", ".join(
            f"{key} {'/'.join(values)}"
            for key, values in (("clients", canary.clients), ("services", canary.services), ("users", canary.users))
            if values
        )
        lines.append(f"Canary: {name} {approved.layer.version} ({approved.layer.head.name}), for {whose} alone")
    lines += [f"In the shadow: {n} {a.layer.version} ({a.layer.head.name})" for n, a in now.shadows.items()]
    lines += [f"Waiting: {n} {version}, until {day}" for n, (version, day) in now.waiting.items()]
    return lines or ["In force: the file alone."]


def _dates(layer: Layer) -> str:
    until = f" until {layer.head.until}" if layer.head.until is not None else ""
    return f"effective {layer.head.effective}{until}"


@click.command()
@click.argument("one")
@click.argument("other", default="")
@click.pass_context
def diff(ctx: click.Context, one: str, other: str) -> None:
    """What differs, key by key, with what each key does. ONE and OTHER are files or versions; one alone is compared
    with what is in force.
    """
    settings = load(ctx.find_root().obj)
    house = house_of(settings)
    record = PolicyRecord({}, ())
    if has_ledger(settings):
        with ledger_of(settings) as ledger:
            record = ledger.read()
    live = _standing(record, settings).live
    named = (one, other) if other else ("", one)
    before, after = (_meant(name, house, record, {n: a.layer for n, a in live.items()}) for name in named)
    found = differences(before, after, house.known)
    if not found:
        click.echo("No difference that has an effect.")
    for each in found:
        click.secho(each.key, bold=True, nl=False)
        click.echo(f": {_shown(each.before)} -> {_shown(each.after)}")
        if each.does:
            click.echo(f"    {each.does}")


def _meant(name: str, house: House, record: PolicyRecord, live: dict[str, Layer]) -> Policy:
    """What a file, a version or (empty) what is in force makes of the site. Raises PolicyError."""
    if name == "":
        chosen = [layer for layer in live.values() if layer.head.layer == SITE]
        return laid_over(house.base, house.where, [(each, "") for each in chosen], house.known)[0]
    if Path(name).exists():
        text = text_of(Path(name))
        if not is_layer(text, name):
            return parse(text, name, house.known)
    else:
        text = known_version(record, name).content
    layer = parse_layer(text, name)
    under = [each for each in live.values() if each.head.layer == SITE and layer.head.layer != SITE]
    return laid_over(house.base, house.where, [(each, "") for each in in_order([*under, layer])], house.known)[0]


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _standing(record: PolicyRecord, settings: Settings) -> Standing:
    return standing(record, person_of(settings, "", "").today)


def has_ledger(settings: Settings) -> bool:
    """Looking must not make a database where there is none."""
    if settings.database_url is not None:
        return True
    return (settings.data_dir / "ledger.db").exists()
