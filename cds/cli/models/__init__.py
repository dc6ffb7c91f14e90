"""``cds models``: everything people do with a model folder, one file a command."""

from __future__ import annotations

import click

from cds.cli.models.check import check
from cds.cli.models.export import export
from cds.cli.models.export_triton import export_triton
from cds.cli.models.import_monai import monai
from cds.cli.models.import_network import import_
from cds.cli.models.import_nnunet import nnunet
from cds.cli.models.listing import list_models
from cds.cli.models.new import new
from cds.cli.models.run import run
from cds.cli.models.score import score
from cds.cli.models.show import show
from cds.cli.models.validate import validate

__all__ = ["models"]


@click.group()
def models() -> None:
    """The models: list, show, check, run on one patient, score many, validate on a cohort, export as cards, begin or
    import one."""


for kind in (nnunet, monai):
    import_.add_command(kind)
for command in (list_models, show, check, run, score, validate, export, export_triton, new, import_):
    models.add_command(command)
