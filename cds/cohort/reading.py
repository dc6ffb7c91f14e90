"""A cohort file in a model's terms. Refuses what would give a wrong figure in silence: a missing column, a unit nobody
can place, a code nobody explained. The sentences name columns and lines, never a value: it may be somebody's name."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from cds.cohort.form import Column, Form, population, read_from_files
from cds.cohort.measures import Array
from cds.errors import CohortError
from cds.inference.model import Model
from cds.record import units
from cds.record.features import Feature
from cds.record.inputs import Input
from cds.record.units import Linear
from cds.record.vocabulary import Vocabulary

MOST_OUT_OF_RANGE = 0.25
"""Of the known values of an input; more are taken for a wrong unit."""
_MONTHS = 12.0
"""In a year, the base of units of time."""


@dataclass(frozen=True)
class Cohort:
    """Patients whose outcome is known, in the order of the file."""

    features: tuple[tuple[Feature, ...], ...]
    """[n][inputs], in the manifest's order."""
    event: Array
    """[n], 1 or 0"""
    months: Array | None
    """[n], above 0"""
    groups: dict[str, tuple[str, ...]]
    """By column of ``subgroups``: each patient's text, empty where not known."""
    without_outcome: int
    """Lines left out because what happened, or when, is not known."""
    never_known: tuple[str, ...]
    """Inputs that the file does not hold."""
    horizons: tuple[float, ...] = ()
    """Months at which calibration is judged."""


def header(path: Path) -> tuple[str, ...]:
    """Names of the columns. Raises CohortError."""
    return _table(path)[0]


def read(path: Path, form: Form, model: Model, vocabulary: Vocabulary) -> Cohort:
    """Raises CohortError."""
    names, lines = _table(path)
    inputs = model.manifest.inputs
    _require_known(form, model)
    taken = population(model)
    used = {i.name: form.inputs.get(i.name) or taken.get(i.name) for i in read_from_files(model.manifest)}
    _require_columns(path, names, form, used, inputs)
    place = {name: at for at, name in enumerate(names)}
    known = _Cells(path, lines, place, {text.strip().casefold() for text in form.missing})
    event = known.numbers(form.outcome.event, Linear(1.0))
    _require(path, form.outcome.event, event, lambda v: v not in (0.0, 1.0), "is neither 0 nor 1: give its 'values'")
    months = None
    if form.outcome.time is not None:
        months = known.numbers(form.outcome.time, _months(form.outcome.time, path))
        _require(path, form.outcome.time, months, lambda v: v < 0, "is before the beginning")
    columns = [_of(spec, used.get(spec.name), known, vocabulary, len(lines)) for spec in inputs]
    has_outcome = [at for at, e in enumerate(event) if e is not None and (months is None or (months[at] or 0.0) > 0)]
    unheld = [n for n, column in used.items() if column is None or column.unknown]
    return Cohort(
        tuple(tuple(column[at] for column in columns) for at in has_outcome),
        np.array([event[at] for at in has_outcome], dtype=float),
        None if months is None else np.array([months[at] for at in has_outcome], dtype=float),
        {name: tuple(known.text(name, at) for at in has_outcome) for name in form.subgroups},
        len(lines) - len(has_outcome),
        tuple(unheld),
        form.outcome.horizons,
    )


def _table(path: Path) -> tuple[tuple[str, ...], list[list[str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CohortError(f"{path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CohortError(f"{path} is not UTF-8 text: save it as CSV, UTF-8") from error
    first, _, _ = text.partition("\n")
    delimiter = max(",;\t", key=first.count)
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
    if len(rows) < 2:
        raise CohortError(f"{path} holds no patient: a first line with column names, then a line a patient")
    names = tuple(name.strip() for name in rows[0])
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(names):
            raise CohortError(f"{path}:{line}: has {len(row)} cells, the first line has {len(names)}")
    return names, rows[1:]


def _require_known(form: Form, model: Model) -> None:
    names = [i.name for i in read_from_files(model.manifest)]
    for name in form.inputs:
        if name not in names:
            raise CohortError(f"the form names '{name}', no input of {model.manifest.id}: {', '.join(names)}")


def _require_columns(
    path: Path, names: Sequence[str], form: Form, used: dict[str, Column | None], inputs: Sequence[Input]
) -> None:
    """All that is lacking at once, each with the nearest name in the file."""
    lacking = []
    by_name = {i.name: i for i in inputs}
    for name, column in used.items():
        if (column is None or column.unknown) and by_name[name].absent.does == "abstain":
            lacking.append(f"the model can't answer without '{name}': the form has to say in which column it stands")
    wanted = [*used.items(), ("outcome.event", form.outcome.event), ("outcome.time", form.outcome.time)]
    named = [(what, c.column) for what, c in wanted if c is not None] + [("subgroups", c) for c in form.subgroups]
    for what, text in named:
        if text is not None and text not in names:
            near = get_close_matches(text, names, 1)
            lacking.append(f"there is no column '{text}' ({what})" + (f"; '{near[0]}' is there" if near else ""))
    if lacking:
        raise CohortError(f"{path}: " + ". ".join(lacking))


@dataclass(frozen=True)
class _Cells:
    path: Path
    lines: list[list[str]]
    place: dict[str, int]
    missing: set[str]

    def text(self, column: str, at: int) -> str:
        cell = self.lines[at][self.place[column]].strip()
        return "" if cell.casefold() in self.missing else cell

    def numbers(self, column: Column, unit: Linear) -> list[float | None]:
        """A number a line, in the model's unit; None where not known."""
        assert column.column is not None
        values = {text.strip().casefold(): value for text, value in column.values.items()}
        found: list[float | None] = []
        wrong: list[int] = []
        for at in range(len(self.lines)):
            cell = self.text(column.column, at)
            number = values.get(cell.casefold()) if values else _number(cell)
            if cell and number is None:
                wrong.append(at)
            found.append(None if number is None else unit(_made(column, number)))
        if wrong:
            what = "is not among its 'values'" if values else "is not a number"
            raise CohortError(f"{self.path}: column '{column.column}' {what} in {_told(wrong)}")
        return found


def _number(cell: str) -> float | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _made(column: Column, number: float) -> float:
    scaled = column.times * number
    if column.then == "exp":
        scaled = math.exp(min(scaled, 700.0))
    elif column.then == "ln":
        scaled = math.log(scaled) if scaled > 0 else math.nan
    return column.factor * scaled


def _told(at: Sequence[int]) -> str:
    """Lines of the file, counted from 1 with the column names."""
    shown = ", ".join(str(a + 2) for a in at[:5])
    return f"line {shown}" if len(at) == 1 else f"{len(at)} lines, such as {shown}"


def _require(
    path: Path, column: Column, found: Sequence[float | None], wrong: Callable[[float], bool], what: str
) -> None:
    at = [i for i, value in enumerate(found) if value is not None and (math.isnan(value) or wrong(value))]
    if at:
        raise CohortError(f"{path}: column '{column.column}' {what} in {_told(at)}")


def _months(column: Column, path: Path) -> Linear:
    years = units.conversion(column.unit or "", "a")
    if years is None:
        raise CohortError(f"{path}: column '{column.column}': '{column.unit}' is no unit of time: d, mo or a")
    return Linear(years.factor * _MONTHS)


def _of(spec: Input, column: Column | None, known: _Cells, vocabulary: Vocabulary, count: int) -> list[Feature]:
    """One input for every line."""
    if spec.source in ("drafts", "constant"):
        # nothing is being ordered in a file
        return [Feature(spec, 0.0 if spec.source == "drafts" else spec.constant, "found")] * count
    if column is None or column.unknown:
        return [Feature(spec, None, "missing")] * count
    if column.constant is not None:
        return [Feature(spec, column.constant, "found")] * count
    numbers = known.numbers(column, _conversion(spec, column, known.path, vocabulary))
    _require(known.path, column, numbers, lambda v: False, "has no logarithm")
    features = [_feature(spec, value) for value in numbers]
    outside = [at for at, f in enumerate(features) if f.state == "out-of-range"]
    if len(outside) > MOST_OUT_OF_RANGE * sum(n is not None for n in numbers):
        assert spec.range is not None
        raise CohortError(
            f"{known.path}: column '{column.column}' lies outside {spec.range[0]:g} to {spec.range[1]:g} {spec.unit}, "
            f"the range of '{spec.name}', in {_told(outside)}: is its unit really {column.unit or spec.unit}?"
        )
    return features


def _conversion(spec: Input, column: Column, path: Path, vocabulary: Vocabulary) -> Linear:
    if column.values or spec.is_flag or spec.unit == "1":
        return Linear(1.0)
    if not column.unit:
        raise CohortError(f"{path}: column '{column.column}' needs its unit: '{spec.name}' is read in {spec.unit}")
    found = (
        vocabulary.conversion(spec.concepts[0], column.unit)
        if spec.concepts
        else units.conversion(column.unit, spec.unit)
    )
    if found is None:
        raise CohortError(
            f"{path}: column '{column.column}' is said to be in '{column.unit}', which can't be turned into "
            f"{spec.unit}, the unit of '{spec.name}'"
        )
    return found


def _feature(spec: Input, value: float | None) -> Feature:
    if value is None:
        return Feature(spec, None, "missing")
    if spec.range is not None and not spec.range[0] <= value <= spec.range[1]:
        return Feature(spec, None, "out-of-range")
    return Feature(spec, value, "found")
