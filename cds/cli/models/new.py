"""``cds models new``."""

from __future__ import annotations

import click


@click.command()
@click.argument("model_id")
def new(model_id: str) -> None:
    """Begin a model folder."""
