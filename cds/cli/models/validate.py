"""``cds models validate``."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import NoReturn

import click

from cds.cli.models.found import model_of, registry_of, settings_of
from cds.errors import CohortError
from cds.inference.model import Model

_NEEDED = ("lifelines", "matplotlib", "pandas", "scipy")


@click.command()
@click.argument("model_id")
@click.option(
    "--data",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    required=True,
    help="CSV, UTF-8: a first line with column names, then a line a patient.",
)
@click.option(
    "--columns",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="Form: which column is which input, in which unit. Default: the model's columns.yaml, or the inputs' names.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the page, the figures and the plot. Default: validation-MODEL_ID.",
)
@click.option(
    "--least-events",
    type=click.IntRange(min=10),
    default=100,
    show_default=True,
    help="Outcomes needed; with fewer than 100 the page says that they prove nothing.",
)
@click.option("--draws", type=click.IntRange(20, 10_000), default=300, show_default=True, help="Bootstraps.")
@click.pass_context
def validate(
    ctx: click.Context,
    model_id: str,
    data: Path,
    columns: Path | None,
    output: Path | None,
    least_events: int,
    draws: int,
) -> None:
    """How well does MODEL_ID, as shipped, do on the cohort of a file?

    Writes validation.md, validation.json and calibration.svg: C-index or AUC, calibration at 6, 12, 18 and 24 months,
    coverage of one patient's own range, subgroups, each with its interval and number of patients. No patient's row is
    written anywhere. The form of the file is explained in docs/validate-a-model.md.
    """
    lacking = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if lacking:
        raise click.ClickException(f"needs {', '.join(lacking)}: install the extra 'validate'")
    from cds.cohort import form as forms
    from cds.cohort import judge, page, reading

    found = registry_of(settings_of(ctx))
    model = model_of(found, model_id)
    judge.measured_by(model)
    if columns is not None:
        form, name = forms.read_form(columns), f"the form {columns.name}"
    else:
        form, name = forms.fitting(model, reading.header(data)) or _no_form(model, data)
    cohort = reading.read(data, form, model, found.vocabulary)
    figures = judge.judge(model, cohort, least_events=least_events, draws=draws)
    target = output or Path(f"validation-{model_id}")
    try:
        written = page.write(figures, target, said=f"The file was read by {name}.")
    except OSError as error:
        raise click.ClickException(f"{target} can't be written: {error.strerror}") from error
    click.echo(page.summary(figures))
    click.echo(written)


def _no_form(model: Model, data: Path) -> NoReturn:
    from cds.cohort import form as forms

    inputs = ", ".join(i.name for i in forms.read_from_files(model.manifest))
    own = f" nor those of {model.folder / forms.FILE}" if (model.folder / forms.FILE).exists() else ""
    raise CohortError(
        f"the columns of {data} are not named as the model's inputs ({inputs}; event, time){own}: write a form that "
        "says which column is which, and give it with --columns (docs/validate-a-model.md)"
    )
