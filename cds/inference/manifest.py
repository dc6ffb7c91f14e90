"""``model.yaml``: what a model needs, what it gives, for whom, and on what evidence.

The manifest is the single source: prefetch templates, FHIR queries, feature extraction, the ledger's input
snapshot and the words on the card are derived from it. It is validated here so that a wrong line is named in
words a clinician can read.

Graph convention (``runtime.kind: onnx``): one input tensor ``x`` of shape ``[n, len(inputs)]``, float64, columns
in the order of ``inputs``, booleans as 0/1, never NaN (a missing input is given the value its ``absent`` names).
Every entry of ``outputs`` is a graph output of that name, float64, ``[n]`` or, where ``times`` or ``per_input``
say so, ``[n, k]``.
"""

from __future__ import annotations

import re
from datetime import date
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, model_validator

from cds.inference.attributes import Attributes
from cds.inference.contribution import Contribution
from cds.inference.faults import FaultAt
from cds.inference.resolved import faults
from cds.inference.volumes.bundle import Bundle
from cds.record.concepts import Concept, ConceptCode, Conversion, Strict, Text
from cds.record.inputs import Absent, Anchor, Duration, Input, Reduce, days

__all__ = [
    "Absent",
    "Anchor",
    "Concept",
    "ConceptCode",
    "Conversion",
    "Eligibility",
    "Evidence",
    "Input",
    "Manifest",
    "Output",
    "Reduce",
    "Rule",
    "Runtime",
    "Status",
    "Task",
    "days",
]


ID = re.compile(r"^[a-z][a-z0-9-]*$")


class Task(StrEnum):
    risk = "risk"
    survival = "survival"
    response = "response"
    dosing = "dosing"
    eligibility = "eligibility"
    finding = "finding"
    triage = "triage"


class Status(StrEnum):
    """How far a model is to be trusted. ``research`` and below speak only if the policy enables them by name."""

    established = "established"
    local_fit = "local-fit"
    research = "research"
    demonstration = "demonstration"
    unverified = "unverified"

    @property
    def needs_enabling(self) -> bool:
        return self in (Status.research, Status.demonstration, Status.unverified)


class Output(Strict):
    name: str
    kind: Literal["probability", "score", "survival", "bound", "comparator", "contributions", "category"]
    label: Text = Field(default_factory=dict)
    unit: str = "1"
    horizon: Duration | None = None
    times: tuple[float, ...] = ()
    """Months of a survival function; the output is ``[n, len(times)]``."""
    per_input: bool = False
    """One column an input (contributions on the model's own scale)."""
    lower: str | None = None
    upper: str | None = None
    """Names of the outputs that bound this one."""
    interval: float | None = None
    categories: dict[str, str] = Field(default_factory=dict)
    """``category``: number -> name."""
    category_labels: dict[str, Text] = Field(default_factory=dict)
    """Name -> how people call it, by language."""
    shown: bool = True
    """false: for the ledger and the committee, not a line on the card (a linear predictor)."""

    @property
    def series(self) -> bool:
        """Several numbers a patient."""
        return bool(self.times) or self.per_input

    @model_validator(mode="after")
    def _labels_name_categories(self) -> Output:
        if self.kind == "category" and not self.categories:
            raise ValueError(f"output '{self.name}' is a category: give 'categories', number -> name")
        for number in self.categories:
            try:
                written = f"{float(number):g}"
            except ValueError:
                written = ""
            if number != written:
                what = f"categories of '{self.name}': '{number}' is not a number as in \"0\" or \"1\""
                raise FaultAt(what, "categories", number)
        if list(self.times) != sorted(set(self.times)):
            raise FaultAt(f"the times of '{self.name}' must rise", "times")
        for name in self.category_labels.keys() - set(self.categories.values()):
            what = f"category_labels names '{name}', which is not among the categories of '{self.name}'"
            raise FaultAt(what, "category_labels", name)
        return self


class Condition(Strict):
    """One test of a declarative rule; exactly one of the comparisons."""

    input: str
    minus: str | None = None
    """Another input, taken off first: the test is then on the difference."""
    at_least: float | None = None
    at_most: float | None = None
    below: float | None = None
    above: float | None = None
    present: bool | None = None

    @model_validator(mode="after")
    def _one_comparison(self) -> Condition:
        if self.minus is not None and self.present is not None:
            raise ValueError("a difference ('minus') is compared with a number; 'present' does not apply")
        given = [k for k in ("at_least", "at_most", "below", "above", "present") if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError("a rule's test needs exactly one of at_least, at_most, below, above, present")
        return self


class Rule(Strict):
    id: str
    label: Text
    all: tuple[Condition, ...] = ()
    any: tuple[Condition, ...] = ()
    needs: int = Field(1, ge=1)
    """How many of ``any`` must hold."""
    gives: str
    """The category this rule yields when it holds; of several that hold, the one declared first decides."""
    says: Text


class Runtime(Strict):
    kind: Literal["onnx", "rules", "volume"]
    file: str | None = None
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    rules: tuple[Rule, ...] = ()
    otherwise: str | None = None
    """``rules``: the category when no rule holds."""
    volume: Bundle | None = None
    """``volume``: the stages of a network that reads a scan; its predictions come from study jobs, not from calls."""

    @model_validator(mode="after")
    def _complete(self) -> Runtime:
        if self.kind == "onnx" and not (self.file and self.sha256):
            raise ValueError("an onnx runtime needs 'file' and the 'sha256' of that file")
        if self.kind == "rules" and not self.rules:
            raise ValueError("a rules runtime needs at least one rule")
        if (self.kind == "volume") is not (self.volume is not None):
            raise ValueError("a volume runtime, and no other, needs 'volume': its stages")
        return self


class Eligibility(Strict):
    """For whom the model speaks. An input or a concept, and what it must be."""

    input: str | None = None
    concepts: tuple[str, ...] = ()
    at_least: float | None = None
    at_most: float | None = None
    present: bool | None = None
    older_than: Duration | None = None
    """With ``present: false``: only a fact recorded longer ago than this excludes."""
    says: Text
    """Why the model does not speak when this fails."""

    @model_validator(mode="after")
    def _input_or_concepts(self) -> Eligibility:
        if bool(self.input) == bool(self.concepts):
            raise ValueError("eligibility needs either 'input' or 'concepts'")
        if self.concepts and self.present is None:
            raise ValueError("eligibility by concepts needs 'present: true' or 'present: false'")
        return self


class Population(Strict):
    description: Text
    eligibility: tuple[Eligibility, ...] = ()


class Evidence(Strict):
    """One study of this model: where its figures come from."""

    stage: Literal["derivation", "internal-validation", "external-validation"]
    cohort: Text
    n: int | None = None
    events: int | None = None
    metric: str | Text
    """Such as ``AUROC``, ``C-index``, ``calibration slope``."""
    value: float | None = None
    interval: tuple[float, float] | None = None
    note: Text = Field(default_factory=dict)
    source: str
    """A key of ``sources``."""


class Source(Strict):
    citation: str
    url: str | None = None
    published: str | None = None
    note: str | None = None


class Licence(Strict):
    name: str
    notice: str


class Words(Strict):
    """The model's own sentences, per language."""

    title: Text
    summary: Text = Field(default_factory=dict)
    limits: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """What the model can't do, as sentences."""


class Manifest(Strict):
    id: str = Field(pattern=ID.pattern)
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    released: date
    task: Task
    status: Status
    words: Words
    population: Population
    inputs: tuple[Input, ...] = ()
    """What it reads of the record, in the order of the graph's columns; a network that reads scans has none."""
    outputs: tuple[Output, ...] = Field(min_length=1)
    runtime: Runtime
    evidence: tuple[Evidence, ...] = ()
    sources: dict[str, Source] = Field(min_length=1)
    licence: Licence
    attributes: Attributes = Field(default_factory=lambda: Attributes.model_validate({}))
    """Source attributes for regulators and committees; see ``cds.inference.attributes``."""
    card: Contribution | None = None
    """What the model itself puts on a card; None where a file in ``hooks/`` does the talking."""
    concepts: dict[str, Concept] = Field(default_factory=dict)
    """Concepts only this model needs; shared ones live in a ``vocabulary`` folder."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Facts a card needs beside the outputs (group medians of a score, say), each with its source."""

    @model_validator(mode="after")
    def _names_resolve(self) -> Manifest:
        if not self.inputs and self.runtime.kind != "volume":
            raise ValueError("a model that reads the record needs 'inputs'")
        for fault in faults(self):
            raise fault
        return self
