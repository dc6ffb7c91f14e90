"""``cds site init``: a few questions, and the settings are written. ``cds site profiles``: what is known of EHRs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cds.site.families import Profile, golden, offered, profile, profiles


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--profile", "family", help="Family of the EHR; see `cds site profiles`. Asked for if not given.")
@click.option("--answer", "given", multiple=True, help="KEY=VALUE: answers a question beforehand. Give several.")
@click.option("--yes", is_flag=True, help="Take what is offered for everything not answered.")
def init(folder: Path, family: str | None, given: tuple[str, ...], yes: bool) -> None:
    """Write settings with comments, and the secrets that can be made here, into FOLDER. Nothing is overwritten.

    Questions: public_url, client, fhir, issuer, jku, timezone, language, postgres, sign_in (none, key, token or
    password), client_id, user, pacs.
    """
    from cds.site.first_settings import SIGN_INS, Choices, make

    answers = _given(given)
    if family is None:
        _list(Console())
        family = click.prompt("Which of these is closest", type=click.Choice(list(profiles())), default="smart-generic")
    chosen = profile(family)

    def ask(key: str, question: str, offer: str, *, choice: tuple[str, ...] = ()) -> str:
        if key in answers:
            return answers.pop(key)
        if yes:
            return offer
        kind = click.Choice(choice) if choice else str
        # an offer of nothing is an answer, too
        return str(click.prompt(question, default=offer, type=kind, show_default=bool(offer)))

    asked: dict[str, Any] = {
        "public_url": ask("public_url", "Address that the EHR will call", "https://cds.hospital.example"),
        "client": ask("client", "Short name for this EHR", "main-ehr"),
        "fhir": ask("fhir", "Its FHIR base address", chosen.questions.fhir),
    }
    fhir = asked["fhir"]
    if not yes:
        click.echo(offered(chosen.questions.hint, fhir))
    asked["issuer"] = ask("issuer", "iss of its tokens", offered(chosen.questions.issuer, fhir))
    asked["jku"] = ask("jku", "Address of its keys (empty: as a file)", offered(chosen.questions.jku, fhir))
    timezone, language = chosen.settings.get("timezone", "UTC"), chosen.settings.get("language", "en")
    asked["timezone"] = ask("timezone", "Time zone", timezone)
    asked["language"] = ask("language", "Language of cards", language, choice=("en", "nl"))
    postgres = ask(
        "postgres", "PostgreSQL for the ledger (needed for more than one machine)", "no", choice=("yes", "no")
    )
    asked["postgres"] = postgres == "yes"
    asked["sign_in"] = ask(
        "sign_in", "How may this service itself read its FHIR server (for scans and checks)", "none", choice=SIGN_INS
    )
    for key, question, way in (
        ("client_id", "client_id that the EHR gave this service", "key"),
        ("user", "User name there", "password"),
    ):
        if asked["sign_in"] == way:
            asked[key] = ask(key, question, "")
    asked["pacs"] = ask("pacs", "DICOMweb address of the image archive (empty: no scans)", "")
    if answers:
        raise click.ClickException(f"no such question: {', '.join(answers)}")
    for path in make(Choices(profile=chosen, **asked), folder):
        click.echo(f"written: {path}")
    _next(chosen, folder, asked)


def _given(pairs: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise click.ClickException(f"--answer {pair}: write KEY=VALUE")
        found[key] = value
    return found


def _next(chosen: Profile, folder: Path, asked: dict[str, Any]) -> None:
    click.echo("\nStill yours to do:")
    if not asked["jku"]:
        click.echo(f"  - put the EHR's public keys (a JWK Set) into {folder / asked['client']}.jwks.json")
    for name, needed in (
        ("fhir.token", asked["sign_in"] == "token"),
        ("fhir.password", asked["sign_in"] == "password"),
        ("pacs.token", bool(asked["pacs"])),
    ):
        if needed:
            click.echo(f"  - put the secret into {folder / 'secrets' / name}")
    for line in chosen.register_:
        click.echo(f"  - the EHR's team: {line}")
    settings = folder / "cds.toml"
    click.echo(f"\nThen:  cds --settings {settings} check\n       cds --settings {settings} site check --patient ID")


@click.command("profiles")
@click.argument("name", required=False)
def list_profiles(name: str | None) -> None:
    """Families of EHRs that settings can start from; with NAME what is known of one, and requests as it makes them."""
    console = Console(highlight=False)
    if name is None:
        _list(console)
        return
    found = profile(name)
    console.print(f"[bold]{found.title}[/]\n{found.for_}")
    console.print(f"Hooks: {', '.join(found.hooks)}. {'Reads' if found.discovery else 'Does not read'} /cds-services.")
    console.print("Its team registers:")
    for line in found.register_:
        console.print(f"  - {line}", markup=False)
    console.print(f"Written from: {found.source}", markup=False)
    for file in found.golden:
        one = golden(file)
        console.print(f"\n[bold]{file}[/] {one.about}")
        console.print_json(data=one.body)


def _list(console: Console) -> None:
    table = Table(box=None)
    table.add_column("profile")
    table.add_column("for")
    for name, found in profiles().items():
        table.add_row(name, found.for_)
    console.print(table)
