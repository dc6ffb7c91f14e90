"""``cds models import``: what both kinds of checkpoint have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from cds.cli.models.found import folders_of, settings_of
from cds.networks import recipe as recipes
from cds.networks.folder import Made, Source, make
from cds.networks.recipe import Recipe

_Command = TypeVar("_Command", bound=Callable[..., Any])


@click.group("import")
def import_() -> None:
    """Turn published weights of a network that reads scans into a model's folder.

    The weights are read without running anything in them, exported to ONNX and compared with the framework they come
    from. What was imported stays silent until the policy acknowledges its licence and this hospital has validated it;
    docs/import-a-network.md has the whole way.
    """


def recipe_named(name: str) -> Recipe:
    """A file, or the name of one in a package's ``recipes`` folder. Raises UsageError."""
    if Path(name).is_file():
        return recipes.read(Path(name))
    known = {
        p.stem: p
        for folder in folders_of(settings_of(click.get_current_context()))
        for p in sorted(folder.glob("recipes/*.yaml"))
    }
    if name not in known:
        raise click.UsageError(f"there is no recipe '{name}'; known are: {', '.join(sorted(known)) or 'none'}")
    return recipes.read(known[name])


def imported(folder: Path, recipe: Recipe, sources: list[Source], framework: str, origin: str) -> Made:
    """Write the folder and say what has to be known of it."""
    licence = recipe.licence
    click.echo(f"Licence of the weights: {licence.told}\n")
    _shared_words(folder.parent)
    made = make(folder, recipe, sources, framework, origin, click.echo)
    size = sum(p.stat().st_size for p in folder.glob("*.onnx")) / 1e6
    click.secho(f"\n{folder} is there: {len(made.graphs)} graphs, {size:.0f} MB.", fg="green")
    click.echo(f"Look at it, and test it on this machine:  cds models check {folder}")
    click.echo(
        f"It runs only where the policy says:\n  models:\n    {folder.name}: {{licence_acknowledged: {licence.name!r}}}"
    )
    return made


def _shared_words(models: Path) -> None:
    """What the models of a folder have in common is for the hospital to say; asked for where nobody has yet."""
    path = models / "attributes.yaml"
    if not path.exists():
        models.mkdir(parents=True, exist_ok=True)
        path.write_text((Path(__file__).parent / "scaffold" / "attributes.txt").read_text(encoding="utf-8"), "utf-8")


def shared_options(command: _Command) -> _Command:
    """Options of both commands."""
    for option in (
        click.option("--id", "model_id", required=True, help="The model's id: lower case letters, digits, hyphens."),
        click.option(
            "--in",
            "folder",
            type=click.Path(file_okay=False, path_type=Path),
            default=Path(),
            help="Folder of models. Default: this one.",
        ),
        click.option("--recipe", help="What the checkpoint does not say: a YAML file, or a packaged recipe's name."),
        click.option("--title", default="", help="Without a recipe: its name on cards, in English."),
        click.option("--licence", default="", help="Without a recipe: short name of the weights' licence."),
        click.option("--notice", default="", help="Without a recipe: what that licence asks for, in a sentence."),
        click.option("--lesion", default="", help="Without a recipe: the class that is looked for."),
        click.option(
            "--within", multiple=True, help="Without a recipe: a class lesions must lie in or at; repeatable."
        ),
    ):
        command = option(command)
    return command


def chosen_recipe(
    recipe: str | None,
    title: str,
    licence: str,
    notice: str,
    lesion: str,
    within: tuple[str, ...],
    keep: tuple[str, ...] = (),
    margin_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Recipe:
    """Raises UsageError where neither a recipe nor its place-holders are given."""
    if recipe is not None:
        return recipe_named(recipe)
    if missing := [n for n, v in (("--title", title), ("--licence", licence), ("--lesion", lesion)) if not v]:
        raise click.UsageError(f"give --recipe, or {', '.join(missing)}")
    return recipes.plain(title, licence, notice, lesion, within, keep, margin_mm)
