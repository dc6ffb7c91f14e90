"""What a model reads: one input, how it is reduced to a number, and what its absence does."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from functools import lru_cache
from typing import Annotated, Literal, Protocol

from pydantic import AfterValidator, Field, field_validator, model_validator

from cds.record.concepts import ConceptCode, Strict, Text
from cds.record.systems import canonical_system

_DURATION = re.compile(r"^([+-]?\d+)([dmy])$")
DAYS = {"d": 1.0, "m": 365.25 / 12, "y": 365.25}


@lru_cache(maxsize=256)
def days(duration: str) -> float:
    """``"12m"`` -> 365.25; ``"-90d"`` -> -90. Months and years are mean Gregorian ones."""
    match = _DURATION.match(duration)
    if match is None:
        raise ValueError(f"{duration!r} is not a duration: write a whole number and d, m or y, such as 12m")
    return int(match[1]) * DAYS[match[2]]


def months(duration: str) -> float:
    """``"2y"`` -> 24."""
    return days(duration) / DAYS["m"]


def length(duration: str) -> str:
    """A period people set: not negative, ten years at most. Raises ValueError."""
    if not 0 <= days(duration) <= 3653:
        raise ValueError(f"{duration!r} is too long or negative: write between 0d and 10y")
    return duration


Length = Annotated[str, AfterValidator(length)]


def _check_duration(value: str) -> str:
    days(value)
    return value


Duration = Annotated[str, AfterValidator(_check_duration), Field(examples=["90d", "12m", "-18m"])]


class Absent(Strict):
    """What happens when an input can't be had."""

    does: Literal["abstain", "assume"] = "abstain"
    """``abstain``: no answer without it; ``assume``: ``value`` is put in its place, and the card says so."""
    value: float | None = None
    """The value put in its place (``assume``); normally the cohort's mean or the reference level."""
    vary: tuple[float, ...] = ()
    """Values it might have had: the answer is computed for each, and the spread is shown."""
    weights: tuple[float, ...] = ()
    """The cohort's share of each of ``vary``: the answer is then integrated over them, and its interval widens."""
    why: Text = Field(default_factory=dict)
    """Why that value, in words, where it isn't plain."""

    @model_validator(mode="after")
    def _value_when_assumed(self) -> Absent:
        if self.does == "assume" and self.value is None:
            raise ValueError("'absent.does: assume' needs 'absent.value', the value to assume")
        if self.does == "abstain" and (self.value is not None or self.vary):
            raise ValueError("'absent.does: abstain' takes neither 'value' nor 'vary'")
        if self.weights and (len(self.weights) != len(self.vary) or abs(sum(self.weights) - 1) > 1e-6):
            raise ValueError("'absent.weights' needs one share for each of 'vary', adding up to 1")
        if any(w < 0 for w in self.weights):
            raise ValueError("'absent.weights' are shares: none can be negative")
        return self


class Anchor(Strict):
    """Another input's date, as the moment this one is read at."""

    input: str
    """Name of an input declared before this one."""
    offset: Duration = "0d"
    """Moment aimed at, relative to that input's date: ``-12m``."""
    window: tuple[Duration, Duration] = ("-90d", "90d")
    """Earliest and latest acceptable, relative to the anchor's date (not to the offset)."""

    @field_validator("window")
    @classmethod
    def _durations(cls, value: tuple[str, str]) -> tuple[str, str]:
        if days(value[0]) > days(value[1]):
            raise ValueError("window must run from earlier to later, such as [-18m, -6m]")
        return value


class Limited(Protocol):
    @property
    def concepts(self) -> tuple[str, ...]: ...
    @property
    def at_least(self) -> float | None: ...


class Known(Strict):
    """What may be on record: a coded fact, or a measurement this high."""

    concepts: tuple[str, ...] = Field(min_length=1)
    """Names from the vocabulary, any of which counts."""
    at_least: float | None = None
    """Of measurements: only one of this much or more counts, and a single one not where a lower one came after it and
    before the window, of the same kind or of one named before it."""


def limits_of(several: Iterable[Limited]) -> dict[str, float]:
    """By concept, from what value on a measurement counts."""
    return {concept: one.at_least for one in several if one.at_least is not None for concept in one.concepts}


class Reduce(Enum):
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
    """Newest coded answer, or coded finding, turned into a number by ``values``; with an anchor, inside its window."""
    lowest = "lowest"
    """Lowest value within ``within`` or, anchored, inside the anchor's window; of equals the newest. A value known as
    a bound (``<2``) counts as that bound."""
    highest = "highest"
    """Highest value, read the same way."""
    ratio = "ratio"
    """Newest value / value nearest the anchor; in ``%`` where that is the input's unit."""
    course = "course"
    """Days since the newest course began: the newest run of facts that no pause longer than ``gap`` breaks. Other
    inputs may be anchored on its beginning."""
    line = "line"
    """Which line of treatment: how many lines the drugs of ``concepts`` make up, drugs in the making among them. A
    pause longer than ``gap`` ends a line, and so does another drug. Drugs count that were given in the last ``gap``
    or, with an anchor, since that moment. Other inputs may be anchored on the newest line's beginning."""
    days_since = "days_since"
    """Days since the newest fact; with an anchor, days from the anchor's date to the newest fact."""


class Modality(Enum):
    """Which kind of evidence an input is: a card says which of them spoke."""

    clinical = "clinical"
    laboratory = "laboratory"
    pathology = "pathology"
    molecular = "molecular"
    imaging = "imaging"
    family = "family"


class Input(Strict):
    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    """Lower case with underscores; the order of inputs is the order of the graph's columns."""
    label: Text
    """What it is called on cards, by language."""
    source: Literal["record", "drafts", "patient.age", "patient.male", "constant", "inputs"] = "record"
    """``drafts``: the orders in the making, on order-select and order-sign; ``inputs``: worked out from others by
    ``powers``."""
    graph: bool = True
    """false: decides for whom or when the model speaks, and is no column of the graph."""
    powers: dict[str, float] = Field(default_factory=dict)
    """``source: inputs``: the product of these inputs, each to its power; -1 divides. It is absent when one of them
    is, and its absence does nothing of its own."""
    modality: Modality = Modality.clinical
    """Which kind of evidence it is."""
    concepts: tuple[str, ...] = ()
    """Names from the vocabulary; several are alternatives, in order of preference."""
    reduce: Reduce | None = None
    """How facts become one number."""
    named_in_text: bool = False
    """``drafts``: a drug counts, too, that only an order's text names, and the card says so. For what must not be
    missed; never where a number rests on which drug it is."""
    within: Duration | None = None
    """Only facts of this long ago at most: ``90d``, ``12m``, ``5y``."""
    threshold: float | None = None
    """``first_at_least``: the value to be reached."""
    preceded_by: Duration | None = None
    """``first_at_least``: a lower value must lie at most this long before."""
    unless: tuple[Known, ...] = ()
    """``new``, ``first_at_least``: what makes it no first time when it has been on record for longer than ``within``: a
    diagnosis, or a measurement that says the same."""
    gap: Duration | None = None
    """``course``, ``line``: a longer pause between two facts ends one and begins the next."""
    except_codes: tuple[ConceptCode, ...] = ()
    """``course``: drugs of ``concepts`` that are not meant, by their own code: of a class those with another use."""
    values: dict[str, float] = Field(default_factory=dict)
    """Answer or finding -> number: all there is for ``coded``; for ``latest`` and its like, beside plain numbers."""
    anchor: Anchor | None = None
    """Read around another input's date."""
    unit: str = "1"
    """UCUM unit of the number, the concept's own; ``1`` for none."""
    range: tuple[float, float] | None = None
    """Inclusive range the model reads: what its cohort held, or else what a person can have; a value outside it
    counts as absent, with that reason."""
    absent: Absent = Absent()
    """What its absence does."""
    constant: float | None = None
    """``source: constant``: the value."""
    reference: float | None = None
    """The comparator's value: an ordinary patient of the same age and sex. For explanations."""
    unrecorded: Literal["no", "unknown"] = "no"
    """``presence`` and ``new``: what it means that nothing is recorded. ``no`` where a record would hold it (a
    diagnosis), ``unknown`` where records often don't (a symptom asked for at the bedside)."""

    @model_validator(mode="after")
    def _hangs_together(self) -> Input:
        if self.source == "drafts" and self.reduce not in (Reduce.presence, Reduce.count):
            raise ValueError(f"input '{self.name}' reads orders in the making: reduce by presence or count")
        if self.named_in_text and (self.source != "drafts" or self.reduce is not Reduce.presence):
            raise ValueError(f"input '{self.name}' has 'named_in_text': that needs 'drafts', reduced by presence")
        if self.source in ("record", "drafts") and (not self.concepts or self.reduce is None):
            raise ValueError(f"input '{self.name}' reads the record, so it needs 'concepts' and 'reduce'")
        if self.source not in ("record", "drafts") and (self.concepts or self.reduce):
            raise ValueError(f"input '{self.name}' comes from {self.source}: 'concepts' and 'reduce' don't apply")
        if self.source == "constant" and self.constant is None:
            raise ValueError(f"input '{self.name}' is a constant: give 'constant'")
        if self.reduce is Reduce.first_at_least and self.threshold is None:
            raise ValueError(f"input '{self.name}' reduces by first_at_least: give 'threshold'")
        if self.unless and (self.reduce not in (Reduce.new, Reduce.first_at_least) or self.within is None):
            raise ValueError(
                f"input '{self.name}' has 'unless': that needs 'reduce: new' or 'first_at_least', and 'within'"
            )
        if self.reduce is Reduce.coded and not self.values:
            raise ValueError(f"input '{self.name}' is coded: give 'values', answer -> number")
        if self.reduce in (Reduce.nearest, Reduce.change_per_year, Reduce.ratio) and self.anchor is None:
            raise ValueError(f"input '{self.name}' reduces by {self.reduce.value}: give 'anchor'")
        if self.reduce is Reduce.new and self.within is None:
            raise ValueError(f"input '{self.name}' reduces by new: give 'within'")
        if self.reduce in (Reduce.course, Reduce.line) and self.gap is None:
            raise ValueError(f"input '{self.name}' reduces by {self.reduce.value}: give 'gap', the pause that ends one")
        if self.except_codes and self.reduce is not Reduce.course:
            raise ValueError(f"input '{self.name}' has 'except_codes': that needs 'reduce: course'")
        if (self.source == "inputs") is not bool(self.powers):
            raise ValueError(f"input '{self.name}': 'source: inputs' and 'powers' belong together")
        if self.source == "inputs" and self.graph:
            raise ValueError(
                f"input '{self.name}' is worked out from others: the graph does that itself, 'graph: false'"
            )
        if self.reduce in (Reduce.course, Reduce.days_since) and self.unit != "d":
            raise ValueError(f"input '{self.name}' reduces by {self.reduce.value}: its unit is d, days")
        if self.reduce is Reduce.ratio and self.unit not in ("1", "%"):
            raise ValueError(f"input '{self.name}' is a ratio: its unit is 1 or %")
        return self

    def leaves_out(self, codes: Iterable[tuple[str, str]]) -> bool:
        """Whether a drug of these codes, as (system, code), is one of ``except_codes``."""
        left_out = {(one.system, one.code) for one in self.except_codes}
        return bool(left_out) and any((canonical_system(system), code) in left_out for system, code in codes)

    @property
    def reads(self) -> tuple[str, ...]:
        """Concepts it looks for: what it is read from, and what voids it."""
        return (*self.concepts, *(c for known in self.unless for c in known.concepts))

    def diagnosis(self, concept: str = "") -> str:
        """What the first time is one of: a manifest lists the general diagnosis first; without one, what is read
        itself. ``concept``: of what says that it may be older."""
        diagnoses = [known.concepts for known in self.unless if known.at_least is None] or [self.concepts]
        return next((names[0] for names in diagnoses if concept in names), diagnoses[0][0])

    @property
    def is_flag(self) -> bool:
        """Absence of a coded fact is an answer (0), not a gap."""
        return self.reduce in (Reduce.presence, Reduce.new, Reduce.count) or self.source == "patient.male"
