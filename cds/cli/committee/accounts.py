"""``cds committee account``: who may come into the console by a name and a password."""

from __future__ import annotations

import click

from cds.committee.accounts import SHORTEST, Account, Accounts
from cds.errors import CommitteeError
from cds.settings import Settings, load


def _accounts(ctx: click.Context) -> Accounts:
    path = _settings(ctx).committee.console.accounts_file
    if path is None:
        raise CommitteeError("committee.console.accounts_file names no file: set it first")
    return Accounts(path)


def _settings(ctx: click.Context) -> Settings:
    return load(ctx.find_root().obj)


@click.group()
def account() -> None:
    """Local accounts of the console: for a demonstration, or a hospital without OpenID Connect.

    A running service sees a change at once, and signs out whose account was changed or removed.
    """


@account.command()
@click.argument("name")
@click.option("--role", type=click.Choice(("member", "viewer")), required=True, help="What they may do.")
@click.password_option(help=f"Asked for if not given; {SHORTEST} characters or more.")
@click.option(
    "--subject",
    help="Who that is at the hospital's own sign-in (the claim sub), so that whoever has both counts as one person. "
    'Not given: as it was; "": nobody there.',
)
@click.pass_context
def put(ctx: click.Context, name: str, role: str, password: str, subject: str | None) -> None:
    """Make the account NAME, or give it another password or role. Kept is a scrypt hash.

    viewer: verdicts, plots, reports. member: also single calls and incidents, and may withhold a model.
    """
    if subject and _settings(ctx).committee.console.oidc is None:
        raise CommitteeError("a subject is one of the hospital's own sign-in: set committee.console.oidc first")
    _accounts(ctx).put(name, password, "member" if role == "member" else "viewer", subject)
    click.echo(f"{name.strip()}: {role}.")


@account.command()
@click.argument("name")
@click.pass_context
def remove(ctx: click.Context, name: str) -> None:
    """Take the account NAME away; whoever is signed in with it is signed out."""
    _accounts(ctx).remove(name)
    click.echo(f"{name}: gone.")


@account.command("list")
@click.pass_context
def list_(ctx: click.Context) -> None:
    """Name every account and what it may do; no password or hash is shown."""
    found, oidc = _accounts(ctx).every(), _settings(ctx).committee.console.oidc is not None
    for one in found:
        click.echo(f"{one.name}: {one.role}{_whose(one, oidc=oidc)}")
    if not found:
        click.echo("There are no accounts yet: `cds committee account put NAME --role member`.")


def _whose(one: Account, *, oidc: bool) -> str:
    if one.subject:
        return f", {one.subject} at the hospital's sign-in"
    return ", nobody at the hospital's sign-in (--subject): whoever has both is taken for two people" if oidc else ""
