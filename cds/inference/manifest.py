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
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Text = dict[str, str]
"""Words by language tag: ``{"en": ..., "nl": ...}``."""


class Strict(BaseModel):
    """People write these files: an unknown key is a typing error, not an extension."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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


_DURATION = re.compile(r"^([+-]?\d+)([dmy])$")
DAYS = {"d": 1.0, "m": 365.25 / 12, "y": 365.25}


def days(duration: str) -> float:
    """``"12m"`` -> 365.25; ``"-90d"`` -> -90. Months and years are mean Gregorian ones."""
    match = _DURATION.match(duration)
    if match is None:
        raise ValueError(f"{duration!r} is not a duration: write a whole number and d, m or y, such as 12m")
    return int(match[1]) * DAYS[match[2]]


def _check_duration(value: str) -> str:
    days(value)
    return value


Duration = Annotated[str, Field(examples=["90d", "12m", "-18m"])]


class Absent(Strict):
    """What happens when an input can't be had."""

    does: Literal["abstain", "assume"] = "abstain"
    value: float | None = None
    """The value put in its place (``assume``); normally the cohort's mean or the reference level."""
    vary: tuple[float, ...] = ()
    """Values it might have had: the answer is computed for each, and the spread is shown."""
    why: Text = Field(default_factory=dict)
    """Why that value, in words, where it isn't plain."""

    @model_validator(mode="after")
    def _value_when_assumed(self) -> Absent:
        if self.does == "assume" and self.value is None:
            raise ValueError("'absent.does: assume' needs 'absent.value', the value to assume")
        if self.does == "abstain" and (self.value is not None or self.vary):
            raise ValueError("'absent.does: abstain' takes neither 'value' nor 'vary'")
        return self


class Anchor(Strict):
    """Another input's date, as the moment this one is read at."""

    input: str
    offset: Duration = "0d"
    window: tuple[Duration, Duration] = ("-90d", "90d")
    """Earliest and latest acceptable, relative to the anchor's date (not to the offset)."""

    @field_validator("window")
    @classmethod
    def _durations(cls, value: tuple[str, str]) -> tuple[str, str]:
        if days(value[0]) > days(value[1]):
            raise ValueError("window must run from earlier to later, such as [-18m, -6m]")
        return value


class Reduce(StrEnum):
    latest = "latest"
    """Newest value within ``within``."""
    earliest = "earliest"
    nearest = "nearest"
    """Value closest to the anchor's date plus offset, inside its window."""
    change_per_year = "change_per_year"
    """(value near the anchor - value near anchor+offset) / years between; negative is a loss."""
    count = "count"
    presence = "presence"
    """1 if an active, not refuted fact exists (in ``within``, if given), else 0."""
    new = "new"
    """1 if the first occurrence ever lies in ``within``, else 0."""
    first_at_least = "first_at_least"
    """Date of the first value >= ``threshold`` that has a lower one before it within ``preceded_by``; the input's
    value is the patient's age in years at that date. Other inputs may anchor on it."""
    coded = "coded"
    """Newest coded answer, turned into a number by ``values``."""


class Input(Strict):
    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    label: Text
    source: Literal["record", "patient.age", "patient.male", "constant"] = "record"
    concepts: tuple[str, ...] = ()
    """Names from the vocabulary; several are alternatives, in order of preference."""
    reduce: Reduce | None = None
    within: Duration | None = None
    threshold: float | None = None
    preceded_by: Duration | None = None
    values: dict[str, float] = Field(default_factory=dict)
    """``coded``: answer concept -> number."""
    anchor: Anchor | None = None
    unit: str = "1"
    range: tuple[float, float] | None = None
    """Inclusive range the model was made for; outside it counts as absent, with that reason."""
    absent: Absent = Absent()
    constant: float | None = None

    @field_validator("within", "preceded_by")
    @classmethod
    def _durations(cls, value: str | None) -> str | None:
        return None if value is None else _check_duration(value)

    @model_validator(mode="after")
    def _hangs_together(self) -> Input:
        if self.source == "record" and (not self.concepts or self.reduce is None):
            raise ValueError(f"input '{self.name}' reads the record, so it needs 'concepts' and 'reduce'")
        if self.source != "record" and (self.concepts or self.reduce):
            raise ValueError(f"input '{self.name}' comes from {self.source}: 'concepts' and 'reduce' don't apply")
        if self.source == "constant" and self.constant is None:
            raise ValueError(f"input '{self.name}' is a constant: give 'constant'")
        if self.reduce is Reduce.first_at_least and self.threshold is None:
            raise ValueError(f"input '{self.name}' reduces by first_at_least: give 'threshold'")
        if self.reduce is Reduce.coded and not self.values:
            raise ValueError(f"input '{self.name}' is coded: give 'values', answer -> number")
        if self.reduce in (Reduce.nearest, Reduce.change_per_year) and self.anchor is None:
            raise ValueError(f"input '{self.name}' reduces by {self.reduce}: give 'anchor'")
        if self.reduce is Reduce.new and self.within is None:
            raise ValueError(f"input '{self.name}' reduces by new: give 'within'")
        return self

    @property
    def is_flag(self) -> bool:
        """Absence of a coded fact is an answer (0), not a gap."""
        return self.reduce in (Reduce.presence, Reduce.new, Reduce.count) or self.source == "patient.male"


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


class Condition(Strict):
    """One test of a declarative rule; exactly one of the comparisons."""

    input: str
    at_least: float | None = None
    at_most: float | None = None
    below: float | None = None
    above: float | None = None
    present: bool | None = None

    @model_validator(mode="after")
    def _one_comparison(self) -> Condition:
        given = [k for k in ("at_least", "at_most", "below", "above", "present") if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError("a rule's test needs exactly one of at_least, at_most, below, above, present")
        return self


class Rule(Strict):
    id: str
    label: Text
    all: tuple[Condition, ...] = ()
    any: tuple[Condition, ...] = ()
    gives: str
    """The category this rule yields when it holds."""
    says: Text


class Runtime(Strict):
    kind: Literal["onnx", "rules"]
    file: str | None = None
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    rules: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Runtime:
        if self.kind == "onnx" and not (self.file and self.sha256):
            raise ValueError("an onnx runtime needs 'file' and the 'sha256' of that file")
        if self.kind == "rules" and not self.rules:
            raise ValueError("a rules runtime needs at least one rule")
        return self


class Eligibility(Strict):
    """For whom the model speaks. An input or a concept, and what it must be."""

    input: str | None = None
    concepts: tuple[str, ...] = ()
    at_least: float | None = None
    at_most: float | None = None
    present: bool | None = None
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
    metric: str
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


class ConceptCode(Strict):
    system: str
    code: str
    display: str = ""


class Conversion(Strict):
    """``canonical = value * factor + offset`` for a unit that plain arithmetic can't reach."""

    unit: str
    factor: float
    offset: float = 0.0
    source: str


class Concept(Strict):
    """One clinical idea and every code it arrives under. Matched on system + code, never on display."""

    resource: Literal[
        "Observation",
        "Condition",
        "Medication",
        "Procedure",
        "ServiceRequest",
        "ImagingStudy",
        "FamilyMemberHistory",
        "Encounter",
        "answer",
    ]
    label: Text
    codes: tuple[ConceptCode, ...] = ()
    """A trailing ``*`` on an ICD-10 code takes its children too."""
    exclude: tuple[ConceptCode, ...] = ()
    unit: str | None = None
    """Canonical UCUM unit of the value; every accepted unit is converted to it."""
    molar_mass: float | None = None
    """g/mol: allows molar <-> mass conversion."""
    conversions: tuple[Conversion, ...] = ()
    plausible: tuple[float, float] | None = None
    """Values outside can't be true of a living patient and are refused."""
    derive: Literal["bmi"] | None = None
    source: str = ""


class Words(Strict):
    """The model's own sentences, per language."""

    title: Text
    summary: Text = Field(default_factory=dict)
    limits: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """What the model can't do, as sentences."""


class Manifest(Strict):
    id: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    released: date
    task: Task
    status: Status
    words: Words
    population: Population
    inputs: tuple[Input, ...] = Field(min_length=1)
    outputs: tuple[Output, ...] = Field(min_length=1)
    runtime: Runtime
    evidence: tuple[Evidence, ...] = ()
    sources: dict[str, Source] = Field(min_length=1)
    licence: Licence
    concepts: dict[str, Concept] = Field(default_factory=dict)
    """Concepts only this model needs; shared ones live in a ``vocabulary`` folder."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Facts a card needs beside the outputs (group medians of a score, say), each with its source."""

    @model_validator(mode="after")
    def _names_resolve(self) -> Manifest:
        names = [i.name for i in self.inputs]
        outputs = {o.name for o in self.outputs}
        for duplicate in {n for n in names if names.count(n) > 1}:
            raise ValueError(f"two inputs are called '{duplicate}'")
        for i in self.inputs:
            if i.anchor and (i.anchor.input not in names or names.index(i.anchor.input) >= names.index(i.name)):
                raise ValueError(
                    f"input '{i.name}' is anchored on '{i.anchor.input}', which is not declared before it"
                )
        for rule in self.runtime.rules:
            for condition in (*rule.all, *rule.any):
                if condition.input not in names:
                    raise ValueError(f"rule '{rule.id}' tests '{condition.input}', which is not an input")
        for test in self.population.eligibility:
            if test.input is not None and test.input not in names:
                raise ValueError(f"eligibility tests '{test.input}', which is not an input")
        for o in self.outputs:
            for bound in (o.lower, o.upper):
                if bound is not None and bound not in outputs:
                    raise ValueError(f"output '{o.name}' is bounded by '{bound}', which is not an output")
        for item in self.evidence:
            if item.source not in self.sources:
                raise ValueError(f"evidence cites '{item.source}', which is not under 'sources'")
        return self
