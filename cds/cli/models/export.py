"""``cds models export``."""

from __future__ import annotations

from pathlib import Path

import click

from cds.cli.models.found import model_of, registry_of, settings_of
from cds.modelcards import FORMATS, write


@click.command()
@click.argument("model_id")
@click.option(
    "--format", "kind", type=click.Choice(list(FORMATS)), default="markdown", show_default=True, help="Of the card."
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Default: standard output.")
@click.pass_context
def export(ctx: click.Context, model_id: str, kind: str, output: Path | None) -> None:
    """A model card, made from the manifest.

    \b
      markdown   for people: models/ID/card.md
      html       the same as one self-contained page
      chai       Coalition for Health AI, Applied Model Card v0.2 (XML)
      hti1       the 31 source attributes of 45 CFR 170.315(b)(11)(iv)(B) (JSON)
      fhir       Device, Library and DocumentReference of HL7 AI Transparency on FHIR (a Bundle, R4)
    """
    text = write(model_of(registry_of(settings_of(ctx)), model_id), kind)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{output} can't be written: {error.strerror}") from error
