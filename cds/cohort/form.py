"""Which column of a cohort file is which input of a model, in which unit, and what happened to each patient.

The form is a YAML file that people write; every text in it is taken as written (``Yes`` stays ``Yes``)::

    inputs:
      age: {column: Age, unit: a}
      ecog: {column: ECOG, values: {"0": 0, "1": 1, "2+": 2}}
      liver: {column: liver_mets, values: {Yes: 1, No: 0}}
      cacs: {unknown: true}
    outcome:
      time: {column: months, unit: mo}
      event: {column: died, values: {"1": 1, "0": 0}}
    subgroups: [centre]
    missing: ["", NA]
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from cds.errors import CohortError
from cds.inference.manifest import Manifest
from cds.inference.model import Model
from cds.record.concepts import Strict
from cds.record.inputs import Input
from cds.yaml_lines import YamlFault, line_of, parse, read_text

FILE = "columns.yaml"
"""In a model's folder: the form of the files it was fitted on."""


class Column(Strict):
    """Where a number comes from: a column, one value for everybody, or nowhere."""

    column: str | None = None
    """Name in the file's first line."""
    unit: str | None = None
    """UCUM unit, or a laboratory's spelling of it."""
    values: dict[str, float] = Field(default_factory=dict)
    """Text in the file -> number; capitals and outer blanks don't matter. Empty: the column holds numbers."""
    times: float = 1.0
    """Multiplied with the number in the file, first."""
    then: Literal["exp", "ln"] | None = None
    """Applied next."""
    factor: float = 1.0
    """Multiplied last: ``factor * then(times * number)``, in ``unit``."""
    constant: float | None = None
    """The same number for everybody, in the input's unit."""
    unknown: bool = False
    """Nobody's is known: the model answers as it does without this input."""

    @model_validator(mode="after")
    def _one_source(self) -> Column:
        if (self.column is not None) + (self.constant is not None) + self.unknown != 1:
            raise ValueError("give one of 'column', 'constant' and 'unknown: true'")
        if self.column is None and (self.unit or self.values or self.then):
            raise ValueError("'unit', 'values' and 'then' belong to a column")
        return self


class Outcome(Strict):
    event: Column
    """1: it happened (a death, a response); 0: it did not, or not while the patient was followed."""
    time: Column | None = None
    """Time until then, from the moment the model predicts at; needed for survival alone."""
    horizons: tuple[float, ...] = (6.0, 12.0, 18.0, 24.0)
    """Months at which calibration is judged; those beyond the model's curve are left out."""

    @model_validator(mode="after")
    def _columns(self) -> Outcome:
        for name, column in (("event", self.event), ("time", self.time)):
            if column is not None and column.column is None:
                raise ValueError(f"'{name}' needs a column: an outcome is each patient's own")
        if self.time is not None and not self.time.unit:
            raise ValueError("'time' needs its unit: d, mo or a")
        return self


class Form(Strict):
    inputs: dict[str, Column]
    """By the model's input names. Inputs not named are unknown for everybody, where the model can do without them."""
    outcome: Outcome
    subgroups: tuple[str, ...] = ()
    """Columns to report on value by value, beside the groups of the model's own inputs."""
    missing: tuple[str, ...] = ("", "NA", "N/A", "NaN", "null")
    """Texts that mean: not known."""
    population: dict[str, float] = Field(default_factory=dict)
    """In a model's own form: inputs that only say for whom the model is, which a cohort of such patients seldom holds,
    and what is taken for everybody where a file's form does not name them."""

    @property
    def columns(self) -> set[str]:
        """All it needs of a file, but for ``subgroups``."""
        read = (*self.inputs.values(), self.outcome.event, self.outcome.time)
        return {c.column for c in read if c is not None and c.column is not None}


def read_form(path: Path) -> Form:
    """Raises CohortError with file, line and what is wrong."""
    try:
        _, node = parse(read_text(path))
    except OSError as error:
        raise CohortError(f"{path} can't be read: {error.strerror}") from error
    except YamlFault as error:
        raise CohortError(error.at(path)) from error
    try:
        return Form.model_validate(_as_written(node))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        line = line_of(node, first["loc"])
        raise CohortError(f"{path}:{line}: {where}: {first['msg'].removeprefix('Value error, ')}") from error


def _as_written(node: yaml.Node | None) -> Any:
    """Every scalar as its text: a cell that says ``Yes`` or ``1`` is compared with what people read in the form."""
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _as_written(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_as_written(item) for item in node.value]
    return {} if node is None else node.value


def own_form(manifest: Manifest) -> Form:
    """The form of a file whose columns are named as the model's inputs, in the inputs' units, with ``event`` and, for
    survival, ``time`` in months."""
    survival = any(o.kind == "survival" for o in manifest.outputs)
    outcome = {"event": Column(column="event"), "time": Column(column="time", unit="mo") if survival else None}
    inputs = {i.name: Column(column=i.name, unit=None if i.unit == "1" else i.unit) for i in read_from_files(manifest)}
    return Form(inputs=inputs, outcome=Outcome.model_validate(outcome))


def read_from_files(manifest: Manifest) -> list[Input]:
    """The inputs a file can hold: not the orders being written, not what follows from the model or other inputs."""
    return [i for i in manifest.inputs if i.source in ("record", "patient.age", "patient.male")]


def population(model: Model) -> dict[str, Column]:
    """What is taken of everybody in a file, where its form says nothing: whoever gives a file for this model says that
    these are such patients. Never an input that the graph reads. Raises CohortError."""
    path = model.folder / FILE
    if not path.exists():
        return {}
    outside = {i.name for i in model.manifest.inputs if not i.graph}
    given = read_form(path).population
    if odd := sorted(set(given) - outside):
        raise CohortError(f"{path}: population names {', '.join(odd)}, which the model reads or does not know")
    return {name: Column(constant=value) for name, value in given.items()}


def fitting(model: Model, names: Collection[str]) -> tuple[Form, str] | None:
    """The form of a file with these columns, where it needs none from its owner, and what to call it: the inputs' own
    names, or the form in the model's folder. Raises CohortError where that one can't be read."""
    required = {i.name for i in read_from_files(model.manifest) if i.absent.does == "abstain"} | {"event"}
    required -= set(population(model))
    if required <= set(names):
        own = own_form(model.manifest)
        held = {name: column for name, column in own.inputs.items() if name in names}
        return own.model_copy(update={"inputs": held}), "the names of the inputs"
    path = model.folder / FILE
    if path.exists():
        form = read_form(path)
        if form.columns <= set(names):
            return form, f"the model's own {FILE}"
    return None
