"""``cds models new``."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from string import Template

import click

from cds.inference import registry
from cds.inference.attributes import read_shared
from cds.inference.manifest import ID, Task
from cds.modelcards import write

_TEMPLATES = Path(__file__).parent / "scaffold"
_BUILT = {Task.risk: "probability", Task.response: "probability", Task.survival: "survival"}
"""Kind of graph by task; the others are rules, which need none."""
_SCHEMA = "manifest.schema.json"


@click.command()
@click.argument("model_id")
@click.option(
    "--task",
    type=click.Choice([t.value for t in Task]),
    prompt="What kind of question does it answer",
    help="What kind of question it answers; asked for when not given.",
)
@click.option("--title", prompt="What is it called on a card", help="English; the other languages are yours to write.")
@click.option(
    "--in",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Folder of models. Default: this one.",
)
def new(model_id: str, task: str, title: str, folder: Path) -> None:
    """Begin the model MODEL_ID: model.yaml with comments, vectors.yaml, card.md and, for a graph, build.py.

    What is written loads and passes `cds models check`, but for the places marked TO DO, which it names.
    """
    if not ID.match(model_id):
        raise click.UsageError(f"'{model_id}' can't be an id: lower case letters, digits and hyphens, a letter first")
    if (folder / model_id).exists():
        raise click.UsageError(f"{folder / model_id} exists already")
    kind = _BUILT.get(Task(task), "rules")
    target = folder / model_id
    try:
        target.mkdir(parents=True)
        _write(target, kind, _values(target, kind, task, title))
        built = _build(target) if kind != "rules" else ""
        if not built:
            model = replace(registry.read(target), shared=read_shared(folder))
            (target / "card.md").write_text(write(model, "markdown"), encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{target} can't be written: {error.strerror}") from error
    click.echo(f"{target} is there. Fill in what this names: cds models check {target}")
    if built:
        click.echo(built)


def _values(target: Path, kind: str, task: str, title: str) -> dict[str, str]:
    rules = kind == "rules"
    return {
        "id": target.name,
        "task": task,
        "title": title.replace('"', "'"),
        "today": date.today().isoformat(),
        "schema": _schema(target),
        "concept": f"{target.name}-{'finding' if rules else 'measured'}",
        "resource": "Condition" if rules else "Observation",
        "kind": "finding" if rules else "measurement",
        "kind_nl": "bevinding" if rules else "meting",
        "unit": "" if rules else "    unit: mg/L\n    plausible: [0, 1000]\n",
    }


def _schema(target: Path) -> str:
    """Path from the model's folder to the schema, which is put beside the models where there is none."""
    from cds.docs import manifest_schema  # it reads source files: only where it is needed

    published = target.parent.resolve().parent / "docs" / _SCHEMA
    if published.exists():
        return f"../../docs/{_SCHEMA}"
    beside = target.parent / _SCHEMA
    if not beside.exists():
        beside.write_text(manifest_schema(), encoding="utf-8")
    return f"../{_SCHEMA}"


def _write(target: Path, kind: str, values: dict[str, str]) -> None:
    values = values | {"card": _filled(f"card_{kind}", values).rstrip("\n")}
    inputs = ["graph_inputs"] if kind != "rules" else []
    manifest = "".join(_filled(part, values) for part in ("head", *inputs, kind, "tail"))
    (target / "model.yaml").write_text(manifest, encoding="utf-8")
    (target / "vectors.yaml").write_text(_filled(f"vectors_{kind}", values), encoding="utf-8")
    if kind != "rules":
        (target / "build.py").write_text(_filled(f"build_{kind}", values), encoding="utf-8")
    shared = target.parent / "attributes.yaml"
    if not shared.exists():
        shared.write_text(_filled("attributes", values), encoding="utf-8")


def _filled(name: str, values: dict[str, str]) -> str:
    return Template((_TEMPLATES / f"{name}.txt").read_text(encoding="utf-8")).substitute(values)


def _build(target: Path) -> str:
    """Run the builder; where its libraries are missing, what is left to be done."""
    if importlib.util.find_spec("spox") is None or importlib.util.find_spec("onnx") is None:
        return f"Its graph is not there yet: install spox and onnx, then: python {target / 'build.py'}"
    done = subprocess.run(  # nosec B603 # the builder this command has just written
        [sys.executable, str(target / "build.py")], capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode != 0:
        raise click.ClickException(f"its build.py failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return ""
