"""``cds models``: what runs, for whom, on what evidence."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Column, Table

from cds.inference import registry
from cds.inference.manifest import Manifest
from cds.settings import load


def _load(ctx: click.Context) -> registry.Registry:
    settings = load(ctx.find_root().obj)
    return registry.load([*registry.installed_folders(), *settings.model_dirs])


@click.group()
def models() -> None:
    """The models: list them, or show one with its evidence, inputs and limits."""


@models.command("list")
@click.pass_context
def list_models(ctx: click.Context) -> None:
    """Every model found: built in, from installed packages and from mounted folders."""
    table = Table(Column("id", no_wrap=True), "version", "task", "status", "title", "runtime")
    for model in _load(ctx).models.values():
        m = model.manifest
        table.add_row(m.id, m.version, m.task.value, m.status.value, m.words.title.get("en", ""), m.runtime.kind)
    Console().print(table)


@models.command()
@click.argument("model_id")
@click.option("--language", default="en", show_default=True, help="Language of the model's own words.")
@click.pass_context
def show(ctx: click.Context, model_id: str, language: str) -> None:
    """One model: population, inputs with units and ranges, evidence, limits, sources."""
    found = _load(ctx).models
    if model_id not in found:
        raise click.UsageError(f"there is no model '{model_id}'; known are: {', '.join(sorted(found))}")
    _print(Console(), found[model_id].manifest, language)


def _print(console: Console, m: Manifest, language: str) -> None:
    def pick(texts: dict[str, str]) -> str:
        return texts.get(language) or texts.get("en", "")

    console.print(f"[bold]{pick(m.words.title)}[/] ({m.id} {m.version}, {m.released}, {m.status.value})")
    console.print(pick(m.words.summary))
    console.print(f"For: {pick(m.population.description)}")
    inputs = Table("input", "from", "unit", "range", "if absent", title="Inputs", title_justify="left")
    for i in m.inputs:
        source = ", ".join(i.concepts) if i.source == "record" else i.source
        how = f" ({i.reduce.value}{', ' + i.within if i.within else ''})" if i.reduce else ""
        absent = "abstains" if i.absent.does == "abstain" else f"assumes {i.absent.value:g}"
        if i.is_flag:
            absent = "counts as no"
        inputs.add_row(pick(i.label), source + how, i.unit, f"{i.range[0]:g}–{i.range[1]:g}" if i.range else "", absent)
    console.print(inputs)
    evidence = Table("stage", "cohort", "n", "metric", "value", "interval", title="Evidence", title_justify="left")
    for e in m.evidence:
        interval = f"{e.interval[0]:g}–{e.interval[1]:g}" if e.interval else ""
        value = f"{e.value:g}" if e.value is not None else ""
        evidence.add_row(
            e.stage,
            pick(e.cohort),
            str(e.n or ""),
            pick(e.metric) if isinstance(e.metric, dict) else e.metric,
            value,
            interval,
        )
    console.print(evidence)
    console.print("[bold]Limits[/]")
    for limit in m.words.limits.get(language) or m.words.limits.get("en", ()):
        console.print(f"  · {limit}")
    console.print("[bold]Sources[/]")
    for cited in m.sources.values():
        console.print(f"  · {cited.citation} {cited.url or ''}")
    console.print(f"[bold]Licence[/] {m.licence.name}: {m.licence.notice}")
