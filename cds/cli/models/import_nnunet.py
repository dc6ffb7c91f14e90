"""``cds models import nnunet``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cds.cli.models.import_network import chosen_recipe, imported, shared_options
from cds.networks import nnunet as networks

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("folder_of_weights", metavar="DIR", required=False, type=_FOLDER)
@click.option("--coarse", type=_FOLDER, help="Two networks: the one that finds where to look.")
@click.option("--fine", type=_FOLDER, help="Two networks: the one that looks there.")
@click.option("--configuration", help="Such as 3d_fullres. Default: as the folder's name says.")
@click.option("--checkpoint", help="File in each fold's folder. Default: the recipe's, else the last, else the best.")
@click.option(
    "--fold", "folds", multiple=True, help="Only this fold; repeatable. Default: all of them, as an ensemble."
)
@click.option("--mirror/--no-mirror", default=True, help="Look at mirrored views, too, as nnU-Net does by default.")
@click.option("--keep", multiple=True, help="Without a recipe: class of the first network that says where to look.")
@click.option(
    "--margin-mm", type=float, nargs=3, default=(20.0, 20.0, 20.0), help="Without a recipe: added around it, z y x."
)
@shared_options
def nnunet(
    folder_of_weights: Path | None,
    coarse: Path | None,
    fine: Path | None,
    configuration: str | None,
    checkpoint: str | None,
    folds: tuple[str, ...],
    mirror: bool,
    keep: tuple[str, ...],
    margin_mm: tuple[float, float, float],
    model_id: str,
    folder: Path,
    **words: Any,
) -> None:
    """Import nnU-Net v2: DIR holds plans.json, dataset.json and fold_0, fold_1 and so on; or --coarse and --fine."""
    if (folder_of_weights is None) == (coarse is None) or (coarse is None) != (fine is None):
        raise click.UsageError("give one folder, or both --coarse and --fine")
    given = [d for d in (folder_of_weights, coarse, fine) if d is not None]
    if len(given) == 2 and not keep and words["recipe"] is None:
        raise click.UsageError("give --recipe, or --keep: which class of the first network says where to look")
    recipe = chosen_recipe(keep=keep if len(given) == 2 else (), margin_mm=margin_mm, **words)
    if len(recipe.stages) != len(given):
        raise click.UsageError(f"the recipe has {len(recipe.stages)} networks, {len(given)} were given")
    sources = [
        networks.source(
            directory,
            configuration=configuration,
            checkpoint=checkpoint or stage.checkpoint,
            folds=folds,
            mirror=mirror,
        )
        for stage, directory in zip(recipe.stages, given, strict=True)
    ]
    origin = " and ".join(f"nnU-Net's {d.resolve().name}" for d in given)
    imported(folder / model_id, recipe, sources, "nnU-Net in torch", origin)
