"""``cds replay``: a past card, made again."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from cds.ledger.migrate import upgrade
from cds.replay import Replayed, ReplayedCard
from cds.settings import load


@click.command()
@click.argument("call")
@click.option(
    "--models", "folders", type=click.Path(exists=True, file_okay=False, path_type=Path), multiple=True,
    help="A folder of archived models, in place of those installed under the same names. May be given several times.",
)  # fmt: skip
@click.option("--show", is_flag=True, help="Print the cards as they went out, too.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for scripts.")
@click.pass_context
def replay(ctx: click.Context, call: str, folders: tuple[Path, ...], show: bool, as_json: bool) -> None:
    """Make the cards of a past CALL again, from what the ledger kept of it, and compare them letter by letter.

    CALL is the call's number, as in the log, the ledger and incidents. Predictions are compared bit by bit. Where
    something comes out otherwise, the parts that have changed since are named: the policy, a model's version, the
    sentences, the program. Exit code 0: everything is as it was; 1: something is not, or a part is gone.
    """
    from cds.app import create_engine  # models and services only where they are needed
    from cds.replay import Replay
    from cds.services.declaration import installed_packages
    from cds.snapshot import Snapshots, fingerprints

    settings = load(ctx.find_root().obj)
    upgrade(settings.ledger_url)
    engine = create_engine(settings, archived=folders)
    packages = [*installed_packages(), *settings.hook_dirs]
    try:
        snapshots = engine.snapshots or Snapshots(
            settings.load_ledger_key(), fingerprints(engine.models, engine.catalogues, packages)
        )
        found = Replay(engine, snapshots).of(call)
    finally:
        engine.ledger.close()
    if as_json:
        click.echo(json.dumps(_plain(found), indent=1))
    else:
        _told(found, show)
    sys.exit(0 if found.same else 1)


def _told(found: Replayed, show: bool) -> None:
    call = found.call
    click.echo(
        f"{call.service} ({call.hook}) for {call.client}, {call.at:%Y-%m-%d %H:%M} UTC, policy {call.policy_version}"
    )
    for card in found.cards:
        click.echo(f"card {card.stored.topic}: ", nl=False)
        if card.same:
            click.secho("the same to the letter", fg="green")
        else:
            click.secho("not made again" if card.body is None else "comes out otherwise", fg="red")
            for line in _differences(card):
                click.echo(f"    {line}")
        if show:
            click.echo(f"\n{card.stored.body.get('summary', '')}\n\n{card.stored.body.get('detail', '')}\n")
    if not found.kept and call.cards:
        click.secho("what its cards were made from was not kept; only predictions can be checked", fg="yellow")
    for p in found.predictions:
        click.echo(f"prediction {p.stored.model} {p.stored.model_version}: ", nl=False)
        if p.same:
            click.secho(p.why or "the same to the bit", fg="green")
        else:
            apart = "" if p.difference is None else f"differs by up to {p.difference:.3g}"
            click.secho(p.why or apart or "comes out otherwise", fg="red")
    for topic in found.beyond:
        click.secho(f"a card {topic} would go out now and did not then", fg="red")
    if found.same:
        click.secho("Everything is as it was.", fg="green")
        return
    click.echo("Changed since:" if found.changed else "Nothing that a card depends on is known to have changed since.")
    for part in found.changed:
        click.echo(f"  {part.told}")


def _differences(card: ReplayedCard) -> Iterator[str]:
    """Lines of the card's text that are not the same, the first ten."""
    if card.body is None:
        return
    then, now = (_lines(body) for body in (card.stored.body, card.body))
    changed = [line for line in difflib.ndiff(then, now) if line[:1] in "+-"]
    yield from changed[:10]


def _lines(body: Any) -> list[str]:
    return json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False).replace("\\n", "\n").splitlines()


def _plain(found: Replayed) -> dict[str, Any]:
    return {
        "call": found.call.id,
        "same": found.same,
        "kept": found.kept,
        "cards": [
            {"id": c.stored.id, "topic": c.stored.topic, "same": c.same, "made": c.body is not None}
            for c in found.cards
        ],
        "predictions": [
            {"model": p.stored.model, "version": p.stored.model_version, "same": p.same, "difference": p.difference,
             "why": p.why} for p in found.predictions
        ],
        "beyond": list(found.beyond),
        "parts": [{"name": p.name, "then": p.then, "now": p.now, "same": p.same} for p in found.parts],
    }  # fmt: skip
