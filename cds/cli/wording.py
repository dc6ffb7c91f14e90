"""``cds wording``: every sentence a clinician may read, when, and how a site says it otherwise."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from cds.cards import site_wording
from cds.cards.occasions import Occasions
from cds.cards.phrasebook import ENGINE_CATALOGUE, Catalogues
from cds.services.declaration import installed_packages
from cds.settings import load


@click.group()
def wording() -> None:
    """The sentences on cards and pages: list them, hand them to a translator, check your own.

    A site says things in its own words by a folder of its sentences, named in the settings as wording_dir:

    \b
      cds wording list risk.recommend               what there is, and when it is read
      cds wording export nl -o wording/nl.po        all of a language, for a translator's program
      cds wording check wording                     would this folder be accepted?
    """


def folders(extra: tuple[Path, ...] = ()) -> list[Path]:
    """Catalogue folders of the engine and of installed and mounted services."""
    sources = (*installed_packages(), *extra)
    return [ENGINE_CATALOGUE, *(p / "catalogue" for p in sources if (p / "catalogue").is_dir())]


def _catalogues(ctx: click.Context, own: Path | None = None) -> tuple[Catalogues, Occasions]:
    settings = load(ctx.find_root().obj)
    found = folders(settings.hook_dirs)
    folder = own or settings.wording_dir
    return Catalogues(found, own=partial(site_wording.read, folder) if folder else None), Occasions(found)


@wording.command("list")
@click.argument("beginning", default="")
@click.option("--language", default="en", show_default=True, help="Of the sentences.")
@click.pass_context
def list_wording(ctx: click.Context, beginning: str, language: str) -> None:
    """Sentences whose key begins with BEGINNING, each under the moment at which it is read."""
    catalogues, occasions = _catalogues(ctx)
    if language not in catalogues.languages:
        raise click.UsageError(f"there is no language '{language}'; there are: {', '.join(catalogues.languages)}")
    texts = catalogues.book(language).texts
    said = [key for key in texts if key.startswith(beginning)]
    if not said:
        raise click.UsageError(f"no sentence's key begins with '{beginning}'")
    last = None
    for key in said:
        if (when := occasions.of(key)) != last:
            click.secho(f"\n{when}", bold=True)
            last = when
        click.echo(f"{key}: {texts[key]}")


@wording.command()
@click.argument("language")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Default: standard output.")
@click.pass_context
def export(ctx: click.Context, language: str, output: Path | None) -> None:
    """All sentences of LANGUAGE as a gettext PO file: English beside them, and when each is read."""
    catalogues, occasions = _catalogues(ctx)
    if language not in catalogues.languages:
        raise click.UsageError(f"there is no language '{language}'; there are: {', '.join(catalogues.languages)}")
    english = catalogues.book("en")
    when = {key: occasions.of(key) for key in english.texts}
    content = site_wording.exported(catalogues.book(language), english, when)
    if output is None:
        click.echo(content, nl=False)
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(content)
    except OSError as error:
        raise click.ClickException(f"{output} can't be written: {error.strerror}") from error


@wording.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.pass_context
def check(ctx: click.Context, folder: Path) -> None:
    """Would FOLDER be accepted as wording_dir? Exit 0 if so; else every fault with file and key."""
    plain, _ = _catalogues(ctx, None)
    own, _ = _catalogues(ctx, folder)
    changed = sum(
        own.book(language).texts[key] != text
        for language in plain.languages
        for key, text in plain.book(language).texts.items()
    )
    click.secho(f"{folder}: good. {changed} sentences differ from those in force.", fg="green")
