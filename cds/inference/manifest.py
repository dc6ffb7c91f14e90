"""``model.yaml``: what a model needs, what it gives, for whom, and on what evidence.

The manifest is the single source: prefetch templates, FHIR queries, feature extraction, the ledger's input
snapshot and the words on the card are derived from it. It is validated here so that a wrong line is named in
words a clinician can read.

Graph convention (``runtime.kind: onnx``): one input tensor ``x`` of shape ``[n, len(inputs)]``, float64, columns
in the order of ``inputs``, booleans as 0/1, never NaN (a missing input is given the value its ``absent`` names).
Inputs with ``graph: false`` are no columns.
Every entry of ``outputs`` is a graph output of that name, float64, ``[n]`` or, where ``times`` or ``per_input``
say so, ``[n, k]``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from cds.inference.attributes import Attributes
from cds.inference.contribution import Contribution
from cds.inference.faults import FaultAt
from cds.inference.fingerprint import fingerprint_of_rules
from cds.inference.origin import Guideline, Licence, Source
from cds.inference.resolved import faults
from cds.inference.volumes.bundle import Bundle
from cds.record.concepts import Concept, ConceptCode, Conversion, Strict, Text
from cds.record.inputs import Absent, Anchor, Duration, Input, Modality, Reduce, days

__all__ = [
    "Absent",
    "Anchor",
    "Concept",
    "ConceptCode",
    "Conversion",
    "Eligibility",
    "Evidence",
    "Guideline",
    "Input",
    "Licence",
    "Manifest",
    "Output",
    "Reduce",
    "Rule",
    "Runtime",
    "Source",
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

    @property
    def for_patients(self) -> bool:
        """A network of this status may be for clinical use, if it says that it is: somebody has validated it."""
        return self in (Status.established, Status.local_fit)


class Output(Strict):
    name: str
    """Lower case; for a graph, the name of its output."""
    kind: Literal["probability", "score", "survival", "bound", "comparator", "contributions", "category"]
    """What the number is. ``bound`` bounds another output; ``comparator`` is the same person without findings;
    ``contributions`` has one column an input."""
    label: Text = Field(default_factory=dict)
    """What it is called on cards, by language. Where that names the time a chance holds for, it does so in figures
    ("risk of cancer within 2 years"): the engine then does not say it again."""
    unit: str = "1"
    """UCUM unit; ``1`` for none."""
    horizon: Duration | None = None
    """Within what time: ``24m``, ``5y``. A probability needs one."""
    curve: str | None = None
    """Name of the survival output, or of its bound, that this number is read off: the share alive at ``horizon``, or
    the months ``until`` a share is left. The engine reads it; the graph does not give it. With an input missing it is
    read off the averaged curve, since an average of times is no time of that curve."""
    until: float | None = Field(default=None, gt=0, lt=1)
    """With ``curve``: share still alive, 0.1 for "1 in 10 lives longer". Where the curve ends above that share, the
    output is its last month, and cards say "or more"."""
    times: tuple[float, ...] = ()
    """Months of a survival function; the output is ``[n, len(times)]``."""
    per_input: bool = False
    """One column an input (contributions on the model's own scale)."""
    lower: str | None = None
    """Name of the output that is this one's lower bound."""
    upper: str | None = None
    """Names of the outputs that bound this one."""
    interval: float | None = None
    """Coverage of those bounds: 0.95."""
    categories: dict[str, str] = Field(default_factory=dict)
    """``category``: number -> name."""
    category_labels: dict[str, Text] = Field(default_factory=dict)
    """Name -> how people call it, by language."""
    category_says: dict[str, Text] = Field(default_factory=dict)
    """Name -> a sentence on what it meant where the model was studied, by language. The report shows it."""
    log_of: Literal["hazard", "odds"] | None = None
    """``contributions``: of which factor they are the natural logarithm. The report then gives the factor; ``hazard``
    is against the average patient of the cohort."""
    input_labels: dict[str, Text] = Field(default_factory=dict)
    """``contributions``: name of an input -> what its column stands for, where that is several inputs together."""
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
        for key in ("category_labels", "category_says"):
            for name in getattr(self, key).keys() - set(self.categories.values()):
                what = f"{key} names '{name}', which is not among the categories of '{self.name}'"
                raise FaultAt(what, key, name)
        if self.kind != "contributions" and (self.log_of is not None or self.input_labels):
            raise FaultAt(f"'{self.name}' is no contributions: 'log_of' and 'input_labels' are theirs", "kind")
        if self.curve is not None and (self.horizon is None) is (self.until is None):
            raise FaultAt(f"'{self.name}' is read off a curve: give its 'horizon' or 'until', not both", "curve")
        if self.until is not None and self.curve is None:
            raise FaultAt(f"'{self.name}' has 'until': give the 'curve' it is read off", "until")
        return self


class Condition(Strict):
    """One test of a declarative rule; exactly one of the comparisons."""

    input: str
    """Name of the input that is tested."""
    minus: str | None = None
    """Another input, taken off first: the test is then on the difference."""
    at_least: float | None = None
    """Holds from this value on."""
    at_most: float | None = None
    """Holds up to this value."""
    below: float | None = None
    """Holds under this value."""
    above: float | None = None
    """Holds over this value."""
    present: bool | None = None
    """true: holds when the finding is there; false: when it is not."""

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
    """As the guideline numbers it; vectors and cards name it."""
    label: Text
    """Its short name on cards, by language."""
    all: tuple[Condition, ...] = ()
    """Tests that must all hold."""
    any: tuple[Condition, ...] = ()
    """Tests of which ``needs`` must hold."""
    needs: int = Field(1, ge=1)
    """How many of ``any`` must hold."""
    gives: str
    """The category this rule yields when it holds; of several that hold, the one declared first decides."""
    says: Text
    """Its sentence on the card, by language."""


class Runtime(Strict):
    kind: Literal["onnx", "rules", "volume"]
    """``onnx``: a graph on tabular inputs; ``rules``: criteria written here; ``volume``: a network on a scan."""
    file: str | None = None
    """``onnx``: the graph's file in this folder, ``model.onnx``."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """``onnx``: SHA-256 of that file; build.py writes it."""
    rules: tuple[Rule, ...] = ()
    """``rules``: the weightiest first."""
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

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what computes: the graph, or a network's stages as declared; empty for rules."""
        return self.volume.fingerprint if self.volume is not None else self.sha256 or ""


class Need(Strict):
    """One test of for whom the model speaks: an input or a concept, and what it must be."""

    input: str | None = None
    """Name of an input; or give ``concepts``."""
    concepts: tuple[str, ...] = ()
    """Names from the vocabulary, any of which counts; or give ``input``."""
    at_least: float | None = None
    """The input's lowest acceptable value; of ``concepts``, only a measurement of this much or more counts. With
    ``older_than`` a single one does not where a lower one came after it and before the window, of the same kind or of
    one so tested before it."""
    at_most: float | None = None
    """The input's highest acceptable value."""
    present: bool | None = None
    """true: must be on record; false: must not be."""
    older_than: Duration | None = None
    """With ``present: false``: only a fact recorded longer ago than this excludes, unless called off since. What is in
    remission is not called off, nor what an active entry followed before the crossing that ``first_at_least`` reads."""

    @model_validator(mode="after")
    def _input_or_concepts(self) -> Need:
        if bool(self.input) == bool(self.concepts) and not getattr(self, "any", ()):
            raise ValueError("eligibility needs either 'input' or 'concepts'")
        if self.concepts and self.present is None:
            raise ValueError("eligibility by concepts needs 'present: true' or 'present: false'")
        return self


class Eligibility(Need):
    """For whom the model speaks. An input or a concept, and what it must be; or several such tests."""

    any: tuple[Need, ...] = ()
    """Instead of a test: several, of which one must hold."""
    says: Text
    """Why the model does not speak when this fails."""

    @property
    def needs(self) -> tuple[Need, ...]:
        """The tests, of which one must hold."""
        return self.any or (self,)

    @model_validator(mode="after")
    def _one_or_several(self) -> Eligibility:
        if self.any and (self.input or self.concepts):
            raise ValueError("eligibility needs 'any' or a test of its own, not both")
        return self


class Population(Strict):
    description: Text
    """For whom the model was made, one sentence by language."""
    eligibility: tuple[Eligibility, ...] = ()
    """Tests before it speaks; the first that fails is the reason given."""


class Evidence(Strict):
    """One study of this model: where its figures come from."""

    stage: Literal["derivation", "internal-validation", "external-validation"]
    """Where it was made, tested on the same source, or tested elsewhere."""
    cohort: Text
    """Who was studied, by language."""
    n: int | None = None
    """Patients."""
    events: int | None = None
    """Outcomes among them."""
    metric: str | Text
    """Such as ``AUROC``, ``C-index``, ``calibration slope``."""
    value: float | None = None
    """The figure, as published; never rounded up."""
    interval: tuple[float, float] | None = None
    """Its 95% interval, as published."""
    note: Text = Field(default_factory=dict)
    """What a reader must know beside it, by language."""
    source: str
    """A key of ``sources``."""


class Words(Strict):
    """The model's own sentences, per language."""

    title: Text
    """Its name on cards, by language."""
    summary: Text = Field(default_factory=dict)
    """What it answers and from what, one or two sentences by language."""
    limits: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """What the model can't do, as sentences."""


class Manifest(Strict):
    id: str = Field(pattern=ID.pattern)
    """The folder's name, such as ``my-model``. Never changes: the ledger and the policy know the model by it."""
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    """Major.minor.patch. A new graph, rule or limit is a new version."""
    released: date
    """Day of this version, as 2026-11-23."""
    task: Task
    """What kind of question it answers."""
    status: Status
    """How far it is to be trusted. ``research``, ``demonstration`` and ``unverified`` run only where the policy
    names them."""
    words: Words
    """Its own sentences, in every language."""
    unused: dict[Modality, Text] = Field(default_factory=dict)
    """Kinds of evidence that it does not read, and what each would add or why nobody knows: half a sentence by
    language, which cards give beside the kinds that spoke."""
    population: Population
    """For whom it speaks."""
    inputs: tuple[Input, ...] = ()
    """What it reads of the record, in the order of the graph's columns; a network that reads scans has none."""
    outputs: tuple[Output, ...] = Field(min_length=1)
    """What it gives."""
    runtime: Runtime
    """How it computes: a pinned graph, declared rules, or a network on scans."""
    evidence: tuple[Evidence, ...] = ()
    """Where its figures come from, one entry a study and measure."""
    sources: dict[str, Source] = Field(min_length=1)
    """Publications and files the numbers come from, by a short name that evidence, thresholds and vectors cite."""
    guideline: Guideline | None = None
    """Of criteria that somebody published: when, until when they hold unread, and whose care they are."""
    licence: Licence
    """Under what terms its numbers may be used."""
    attributes: Attributes = Field(default_factory=lambda: Attributes.model_validate({}))
    """Source attributes for regulators and committees; see ``cds.inference.attributes``."""
    card: Contribution | None = None
    """What the model itself puts on a card; None where a file in ``hooks/`` does the talking."""
    concepts: dict[str, Concept] = Field(default_factory=dict)
    """Concepts only this model needs; shared ones live in a ``vocabulary`` folder."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Facts a card needs beside the outputs (group medians of a score, say), each with its source."""

    @property
    def clinical_use(self) -> bool:
        """Readings of scans may reach patients' cards and records: its volume and its status both allow it."""
        return self.runtime.volume is not None and self.runtime.volume.clinical_use and self.status.for_patients

    @cached_property
    def columns(self) -> tuple[int, ...]:
        """Positions of the inputs that are columns of the graph."""
        return tuple(position for position, spec in enumerate(self.inputs) if spec.graph)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of what decides: the graph, a network's stages as declared, or the rules with what they read."""
        return fingerprint_of_rules(self) if self.runtime.kind == "rules" else self.runtime.fingerprint

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        made = super().model_copy(update=update, deep=deep)
        # a copy takes what was worked out along, and another edition of rules has a fingerprint of its own
        made.__dict__.pop("fingerprint", None)
        made.__dict__.pop("columns", None)
        return made

    @model_validator(mode="after")
    def _names_resolve(self) -> Manifest:
        if not self.inputs and self.runtime.kind != "volume":
            raise ValueError("a model that reads the record needs 'inputs'")
        for fault in faults(self):
            raise fault
        return self
