"""``cds models export-triton``."""

from __future__ import annotations

from pathlib import Path

import click

from cds.cli.models.found import model_of, registry_of, settings_of
from cds.inference import model_repository


@click.command("export-triton")
@click.argument("model_id", metavar="ID")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder of the model repository; made if it is not there.",
)
@click.pass_context
def export_triton(ctx: click.Context, model_id: str, output: Path) -> None:
    """Write the graphs of the model ID as a Triton model repository.

    Each graph gets a name that holds the beginning of its SHA-256, by which a worker with [inference] url asks for it;
    so a server with another version is never taken for this one.

    \b
    Example:
      cds models export-triton my-network --output /srv/models
      tritonserver --model-repository=/srv/models
    """
    model = model_of(registry_of(settings_of(ctx)), model_id)
    for name in model_repository.write(model.manifest, model.folder, output):
        click.echo(f"{output / name}")
