"""What people do with a version of the policy: put it forward, approve it, set it, take it back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from cds.cli.policy.house import house_of, ledger_of, person_of
from cds.cli.policy.look import standing_lines
from cds.ledger import PolicyEvent
from cds.policy import acts
from cds.policy.layers import SITE
from cds.policy.standing import standing
from cds.policy.store import text_of
from cds.settings import Settings, load

F = TypeVar("F", bound=Callable[..., Any])


def _who(command: F) -> F:
    command = click.option("--why", default="", help="The reason; it is kept with the version.")(command)
    return click.option("--by", required=True, help="The person who does this.")(command)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_who
@click.pass_context
def propose(ctx: click.Context, file: Path, by: str, why: str) -> None:
    """Put FILE forward: it is checked over what is in force and kept in the ledger under its version.

    Nothing changes for anybody. The reason is the file's own where --why does not give one.
    """
    settings = load(ctx.find_root().obj)
    text = text_of(file)
    event = _done(settings, acts.propose(house_of(settings), person_of(settings, by, why), text, str(file)))
    click.secho(f"Proposed as {event.version}, for {event.layer}.", fg="green")
    click.echo(f"A second person reads it (cds policy diff {event.version}) and approves it:")
    click.echo(f'  cds policy approve {event.version} --by "..." --why "..."')


@click.command()
@click.argument("version")
@_who
@click.pass_context
def approve(ctx: click.Context, version: str, by: str, why: str) -> None:
    """Approve VERSION. In production by one of the settings' approvers, who neither wrote nor proposed it."""
    settings = load(ctx.find_root().obj)
    event = _done(settings, acts.approve(house_of(settings), person_of(settings, by, why), version))
    click.secho(f"{event.version} is approved by {event.person}. Nothing has changed yet.", fg="green")
    click.echo(f'  cds policy activate {event.version} --by "..." --why "..."')


@click.command()
@click.argument("version")
@_who
@click.option(
    "--canary",
    multiple=True,
    metavar="KIND=NAME",
    help="For some first: client=NAME, service=ID or user=ID. Given twice of a kind: either; of two kinds: both.",
)
@click.option("--shadow", is_flag=True, help="Compute and record what it would do; show nothing of it.")
@click.pass_context
def activate(ctx: click.Context, version: str, by: str, why: str, canary: tuple[str, ...], shadow: bool) -> None:
    """Set VERSION in force: every worker follows within seconds, without a restart.

    A version whose effective day lies ahead waits for it.
    """
    if canary and shadow:
        raise click.UsageError("--canary shows it to some, --shadow to nobody: give one of them")
    settings = load(ctx.find_root().obj)
    house, person = house_of(settings), person_of(settings, by, why)
    act = acts.shadow(house, person, version) if shadow else acts.activate(house, person, version, _scope(canary))
    event = _done(settings, act)
    said = {"shadow": "is in the shadow: computed, recorded, shown to nobody", "canary": "is in force for some"}
    click.secho(f"{event.version} {said.get(event.act, 'is activated')}.", fg="green")
    _tell(settings)


@click.command()
@click.argument("layer", default=SITE)
@_who
@click.pass_context
def rollback(ctx: click.Context, layer: str, by: str, why: str) -> None:
    """Take back the last thing that changed what LAYER (default: site) shows: a canary, else the last activation.

    What held before is back in every worker within seconds.
    """
    settings = load(ctx.find_root().obj)
    event = _done(settings, acts.roll_back(person_of(settings, by, why), layer))
    click.secho(f"Rolled back. {layer}: {event.version or 'nothing over the file'} is in force.", fg="green")
    _tell(settings)


@click.command()
@click.argument("layer", default=SITE)
@_who
@click.pass_context
def unshadow(ctx: click.Context, layer: str, by: str, why: str) -> None:
    """End what LAYER (default: site) has in the shadow. What was recorded stays."""
    settings = load(ctx.find_root().obj)
    event = _done(settings, acts.end_shadow(person_of(settings, by, why), layer))
    click.secho(f"{event.version} is no longer computed in the shadow.", fg="green")


def _done(settings: Settings, act: acts.Act) -> PolicyEvent:
    with ledger_of(settings) as ledger:
        return ledger.do(act)


def _tell(settings: Settings) -> None:
    with ledger_of(settings) as ledger:
        record = ledger.read()
    for line in standing_lines(standing(record, person_of(settings, "", "").today)):
        click.echo(line)


def _scope(canary: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for one in canary:
        kind, _, name = one.partition("=")
        if kind not in ("client", "service", "user") or not name:
            raise click.UsageError(f"--canary {one}: write client=NAME, service=ID or user=ID")
        found[f"{kind}s"] = (*found.get(f"{kind}s", ()), name)
    return found
