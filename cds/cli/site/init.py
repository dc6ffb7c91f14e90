"""``cds site init``: a few questions, and the settings are written. ``cds site profiles``: what is known of EHRs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cds.errors import SettingsError
from cds.site.families import Profile, golden, offered, profile, profiles


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--profile", "family", help="Family of the EHR; see `cds site profiles`. Asked for if not given.")
@click.option("--answer", "given", multiple=True, help="KEY=VALUE: answers a question beforehand. Give several.")
@click.option("--yes", is_flag=True, help="Take what is offered for everything not answered.")
def init(folder: Path, family: str | None, given: tuple[str, ...], yes: bool) -> None:
    """Write settings with comments, and the secrets that can be made here, into FOLDER. Nothing is overwritten.

    Questions: public_url, client, fhir, plain_http, issuer, jku, timezone, language, postgres, sign_in, client_id,
    user, pacs, pacs_sign_in, pacs_user. A wrong answer is asked for again.
    """
    from cds.site.first_settings import Choices, make, refuse_second

    refuse_second(folder)
    asking = _Asking(_given(given), taken=yes)
    if family is None:
        _list(Console())
        family = asking.prompt("profile", "Which of these is closest", "smart-generic", click.Choice(list(profiles())))
    chosen = profile(family)
    asked = _asked(chosen, asking, shown=not yes)
    if asking.answers:
        raise click.ClickException(
            f"no such question: {', '.join(asking.answers)} (some are asked only after certain others; see --help)"
        )
    for path in make(Choices(profile=chosen, **asked), folder):
        click.echo(f"written: {path}")
    _next(chosen, folder, asked)


@dataclass
class _Asking:
    answers: dict[str, str]
    """Those given beforehand and not yet used."""
    taken: bool
    """Whether what is offered is taken for all others."""

    def __call__(self, key: str, question: str, offer: str) -> str:
        from cds.site.questions import CHOICES, checked

        if key in self.answers:
            return checked(key, self.answers.pop(key))
        if self.taken:
            return checked(key, offer)
        return self.prompt(key, question, offer, click.Choice(CHOICES[key]) if key in CHOICES else None)

    def prompt(self, key: str, question: str, offer: str, kind: click.Choice[str] | None = None) -> str:
        """Asked until the answer is one that can be written."""
        from cds.site.questions import checked

        def proven(answer: str) -> str:
            try:
                return checked(key, kind.convert(answer, None, None) if kind else answer)
            except SettingsError as error:
                raise click.UsageError(str(error)) from error

        try:
            # an offer of nothing is an answer, too
            shown = bool(offer)
            return str(click.prompt(question, offer, type=kind, show_default=shown, value_proc=proven))
        except click.Abort as stop:
            told = "--profile NAME" if key == "profile" else f"--answer {key}=..."
            raise click.ClickException(
                f"stopped at '{question}'; nothing was written. Without a terminal: {told} answers it, "
                "--yes takes what is offered for all that is not answered"
            ) from stop


def _asked(chosen: Profile, ask: _Asking, *, shown: bool) -> dict[str, Any]:
    """What `Choices` needs."""
    from cds.site.questions import unsealed

    found: dict[str, Any] = {
        "public_url": ask("public_url", "Address that the EHR will call", "https://cds.hospital.example"),
        "client": ask("client", "Short name for this EHR", "main-ehr"),
        "fhir": ask("fhir", "Its FHIR base address", chosen.questions.fhir),
    }
    fhir = found["fhir"]
    if unsealed(fhir):
        sealed = ask("plain_http", "http leaves records open on the way. Does something else encrypt them", "no")
        found["more"] = {"allow_plain_http": sealed == "yes"}
    if shown:
        click.echo(offered(chosen.questions.hint, fhir))
    found["issuer"] = ask("issuer", "iss of its tokens", offered(chosen.questions.issuer, fhir))
    # keys are fetched over https alone
    jku = "" if unsealed(fhir) else offered(chosen.questions.jku, fhir)
    found["jku"] = ask("jku", "Address of its keys (-: they come as a file)", jku)
    found["timezone"] = ask("timezone", "Time zone", chosen.settings.get("timezone", "UTC"))
    found["language"] = ask("language", "Language of cards", chosen.settings.get("language", "en"))
    postgres = ask("postgres", "PostgreSQL for the ledger (needed for more than one machine)", "no")
    found["postgres"] = postgres == "yes"
    found["sign_in"] = ask("sign_in", "How may this service itself read its FHIR server (for scans and checks)", "none")
    if found["sign_in"] == "key":
        found["client_id"] = ask("client_id", "client_id that the EHR gave this service", "")
    if found["sign_in"] == "password":
        found["user"] = ask("user", "User name there", "")
    found["pacs"] = ask("pacs", "DICOMweb address of the image archive (-: no scans)", "")
    if found["pacs"]:
        found["pacs_sign_in"] = ask("pacs_sign_in", "How may this service sign in to the archive", "token")
        if found["pacs_sign_in"] == "password":
            found["pacs_user"] = ask("pacs_user", "User name at the archive", "")
    return found


def _given(pairs: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise click.ClickException(f"--answer {pair}: write KEY=VALUE")
        found[key] = value
    return found


def _next(chosen: Profile, folder: Path, asked: dict[str, Any]) -> None:
    from cds.site.questions import unsealed

    click.echo("\nStill yours to do:")
    if not asked["jku"]:
        click.echo(f"  - put the EHR's public keys (a JWK Set) into {folder / asked['client']}.jwks.json")
    for name, needed in (
        ("fhir.token", asked["sign_in"] == "token"),
        ("fhir.password", asked["sign_in"] == "password"),
        ("pacs.token", asked.get("pacs_sign_in") == "token"),
        ("pacs.password", asked.get("pacs_sign_in") == "password"),
        ("pacs.crt", asked.get("pacs_sign_in") == "certificate"),
        ("pacs.key", asked.get("pacs_sign_in") == "certificate"),
    ):
        if needed:
            click.echo(f"  - put the secret into {folder / 'secrets' / name}")
    if unsealed(asked["pacs"]) and asked["pacs_sign_in"] in ("token", "password"):
        click.echo("  - the archive's address is http: give the https one, or allow_plain_credentials in [pacs.main]")
    for line in chosen.register_:
        click.echo(f"  - the EHR's team: {line}")
    settings = folder / "cds.toml"
    click.echo(f"\nThen:  cds --settings {settings} ledger upgrade")
    click.echo(f"       cds --settings {settings} check\n       cds --settings {settings} site check --patient ID")


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
