"""``cds models import monai``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cds.cli.models.import_network import chosen_recipe, imported, shared_options
from cds.networks import monai as networks


@click.command()
@click.argument("bundle", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@shared_options
def monai(bundle: Path, model_id: str, folder: Path, **words: Any) -> None:
    """Import a MONAI bundle: DIR holds configs/inference.json, configs/metadata.json and models/model.pt.

    Networks UNet, BasicUNet, SegResNet and DynUNet on CT; anything else is refused by name.
    """
    recipe = chosen_recipe(**words)
    if len(recipe.stages) != 1:
        raise click.UsageError(f"the recipe has {len(recipe.stages)} networks; a bundle is one")
    imported(
        folder / model_id, recipe, [networks.source(bundle)], "MONAI in torch", f"the bundle {bundle.resolve().name}"
    )
