"""``cds models score``."""

from __future__ import annotations

import csv
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from cds.cli.models.cohort import Cohort, Raw, cohort, record
from cds.cli.models.found import model_of, names_of, registry_of, settings_of
from cds.cli.models.patients import Source, moment
from cds.inference.crew import crew
from cds.inference.prediction import Assessment, Failed, NotAssessed, Prediction

COLUMNS = ("patient", "model", "version", "outcome", "reason", "output", "value", "missing")
_FORMATS = (".csv", ".ndjson")


@click.command()
@click.argument("model_ids", nargs=-1, required=True, metavar="MODEL_ID...")
@click.option(
    "--patients",
    "places",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    help="NDJSON, or a folder of it: a Bundle a patient, or the resources of a bulk export. May be given again.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="A .csv or .ndjson file.")
@click.option("--now", type=click.DateTime(["%Y-%m-%d"]), help="As of this day. Default: today.")
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=min(2, os.cpu_count() or 1),
    show_default=True,
    help="Processes that read and score.",
)
@click.pass_context
def score(
    ctx: click.Context,
    model_ids: tuple[str, ...],
    places: tuple[Path, ...],
    out: Path,
    now: datetime | None,
    processes: int,
) -> None:
    """Models on many patients: to validate a model here, or to see what a threshold would do.

    Every patient gets a row for each model, also where it gives no answer, with the reason. The answers are those of a
    call. The file names patients by their ids: keep it where patients' data may lie.

    \b
      cds models score endpac nice-ng12 --patients export/ --out scores.csv --now 2026-11-23
    """
    if out.suffix not in _FORMATS:
        raise click.UsageError(f"--out {out}: end its name in .csv or .ndjson")
    settings = settings_of(ctx)
    found = registry_of(settings)
    models = [model_of(found, id) for id in dict.fromkeys(model_ids)]
    source = Source(settings, found.vocabulary, moment(now), names_of(settings))
    patients = cohort(places)
    counts: Counter[tuple[str, str]] = Counter()
    number, started = 0, time.perf_counter()
    with (
        _written(out) as write,
        crew(models, lambda raw: record(source, raw), _rows, processes) as hands,
        _progress(patients) as advance,
    ):
        for told in hands.score(patients):
            for one in told:
                for row in one.rows:
                    write(row)
                counts.update(
                    (row.model, row.outcome if row.outcome != "not-assessed" else row.reason) for row in one.rows
                )
            number += len(told)
            advance(sum(one.size for one in told), number)
        if not number:  # before the file takes its name
            unread = f"; {patients.lost.lines} lines are no FHIR resource" if patients.lost.lines else ""
            raise click.ClickException(f"no patient was found{unread}")
    _summary(patients, counts, number, time.perf_counter() - started, out)


@dataclass(frozen=True)
class Row:
    """What one model said of one patient."""

    patient: str
    model: str
    version: str
    outcome: str
    """``predicted``, ``not-assessed`` or ``failed``"""
    reason: str
    outputs: dict[str, Any]
    """Numbers, series and names of categories; of rules also which held."""
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Told:
    rows: tuple[Row, ...]
    size: int


def _rows(raw: Raw, answers: tuple[Assessment, ...]) -> Told:
    return Told(tuple(_row(raw.id, answer) for answer in answers), raw.size)


def _row(patient: str, answer: Assessment) -> Row:
    m = answer.manifest
    missing = tuple(f.input.name for f in answer.features if f.wanting)
    if isinstance(answer, Prediction):
        outputs: dict[str, Any] = dict(answer.outputs)
        outputs |= {o.name: answer.category(o.name) for o in m.outputs if o.kind == "category"}
        if m.runtime.rules:
            outputs["rules"] = list(answer.rules)
        return Row(patient, m.id, m.version, "predicted", "", outputs, missing)
    if isinstance(answer, NotAssessed):
        return Row(patient, m.id, m.version, "not-assessed", answer.reason, {}, missing)
    return Row(patient, m.id, m.version, "failed", answer.error if isinstance(answer, Failed) else "", {}, missing)


@contextmanager
def _written(out: Path) -> Iterator[Callable[[Row], None]]:
    """Into a file beside it, which takes the name when it is whole: what bears the name is complete."""
    part = out.with_name(f".{out.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            yield _csv(file) if out.suffix == ".csv" else _ndjson(file)
        part.replace(out)
    except OSError as error:
        raise click.ClickException(f"{out} can't be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _ndjson(file: TextIO) -> Callable[[Row], None]:
    def write(row: Row) -> None:
        told = {"patient": row.patient, "model": row.model, "version": row.version, "outcome": row.outcome}
        answer = {"outputs": row.outputs} if row.outcome == "predicted" else {"reason": row.reason}
        file.write(json.dumps({**told, **answer, "missing": row.missing}, ensure_ascii=False) + "\n")

    return write


def _csv(file: TextIO) -> Callable[[Row], None]:
    """A line an output that is one number or name; a line without one where there was no answer."""
    writer = csv.writer(file)
    writer.writerow(COLUMNS)

    def write(row: Row) -> None:
        head = (row.patient, row.model, row.version, row.outcome, row.reason)
        single = {name: v for name, v in row.outputs.items() if not isinstance(v, tuple | list)}
        for name, value in (single or {"": ""}).items():
            writer.writerow((*head, name, value, " ".join(row.missing)))

    return write


@contextmanager
def _progress(patients: Cohort) -> Iterator[Callable[[int, int], None]]:
    """On standard error, where that is a terminal."""
    columns = (
        TextColumn("{task.fields[count]} patients"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("score", total=max(patients.size, 1), count=0)
        yield lambda size, number: progress.update(task, advance=size, count=f"{number:,}")


def _summary(patients: Cohort, counts: Counter[tuple[str, str]], number: int, seconds: float, out: Path) -> None:
    lost = patients.lost
    click.echo(f"{out}: {number:,} patients, {60 * number / max(seconds, 1e-9):,.0f} a minute", err=True)
    for model in dict.fromkeys(model for model, _ in counts):
        parts: Sequence[str] = [f"{n:,} {outcome}" for (m, outcome), n in counts.most_common() if m == model]
        click.echo(f"  {model}: {', '.join(parts)}", err=True)
    if lost.lines or lost.strangers:
        click.echo(
            f"  not used: {lost.lines} lines that are no FHIR resource, {lost.strangers} resources of patients "
            "that no file holds",
            err=True,
        )
    if any(outcome == "failed" for _, outcome in counts):
        raise click.ClickException("some answers failed; the file says which and why")
