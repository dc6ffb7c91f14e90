"""``cds committee suspend``, ``resume`` and ``confirm``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from cds.cli.committee.office import office_of
from cds.committee import actions
from cds.committee.actions import Signatures
from cds.ledger.standings import EVERYWHERE

F = TypeVar("F", bound=Callable[..., Any])


def _signed(*, second: bool) -> Callable[[F], F]:
    options = [
        click.option("--reason", required=True, help="Why, in a sentence. Kept for ever; leave patients out of it."),
        click.option("--person", required=True, help="Who acts."),
        click.option(
            "--site", help="Only for this client's patients, as named in the settings. Default: for everybody."
        ),
    ]
    if second:
        options.insert(1, click.option("--second", help="Who agrees: somebody else than --person."))

    def add(function: F) -> F:
        for option in options:
            function = option(function)
        return function

    return add


@click.command()
@click.argument("model")
@_signed(second=True)
@click.option(
    "--emergency",
    is_flag=True,
    help="One person alone, now. Somebody else then has to confirm it (cds committee confirm).",
)
@click.pass_context
def suspend(
    ctx: click.Context, model: str, reason: str, person: str, second: str | None, site: str | None, emergency: bool
) -> None:
    """Stop MODEL: within seconds its cards say "withheld by the committee" in every worker.

    It takes two people with a reason, or one with --emergency. The model goes on being asked, so that the committee
    sees whether it has recovered; nobody else sees its answers.
    """
    with office_of(ctx, lenient=True) as office:
        where = actions.known_site(site or EVERYWHERE, office.settings.clients)
        # where no model could be loaded its name can't be checked, and it must be possible to stop it all the same
        name = actions.known_model(model, office.models.models) if office.models.models else model
        signed = Signatures(person, second, reason)
        done = actions.stop(office.book, office.charter, name, where, signed, office.now, emergency=emergency)
        within = office.settings.committee.poll_s
    click.secho(f"{name} is withheld {_where(where)}: its cards say so within {within:g} seconds.", fg="green")
    if done.second is None:
        click.echo("Somebody else has to confirm this: `cds committee confirm --help`.")


@click.command()
@click.argument("model")
@_signed(second=True)
@click.pass_context
def resume(ctx: click.Context, model: str, reason: str, person: str, second: str | None, site: str | None) -> None:
    """Let MODEL speak again where it was suspended. It takes two people and the reason why it may.

    It is then watched: what was measured before does not count, and it is not green before it has been so for a while.
    """
    with office_of(ctx) as office:
        where = actions.known_site(site or EVERYWHERE, office.settings.clients)
        name = actions.known_model(model, office.models.models)
        actions.resume(office.book, office.charter, name, where, Signatures(person, second, reason), office.now)
        within = office.settings.committee.poll_s
    click.secho(f"{name} speaks again {_where(where)} within {within:g} seconds.", fg="green")


@click.command()
@click.argument("model")
@_signed(second=False)
@click.pass_context
def confirm(ctx: click.Context, model: str, reason: str, person: str, site: str | None) -> None:
    """Agree to a stop of MODEL that one person made in an emergency, or that the service made by itself."""
    with office_of(ctx) as office:
        where = actions.known_site(site or EVERYWHERE, office.settings.clients)
        name = actions.known_model(model, office.models.models)
        actions.confirm(office.book, office.charter, name, where, Signatures(person, None, reason), office.now)
    click.secho(f"The stop of {name} {_where(where)} is confirmed by {person}.", fg="green")


def _where(site: str) -> str:
    return "everywhere" if site == EVERYWHERE else f"for {site}"
