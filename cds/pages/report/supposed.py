"""What if: the answer with other values in place of the missing ones, or of those on record. Worked out when asked,
shown beside the stored answer, kept nowhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cds.cards import wording
from cds.cards.phrasebook import Phrasebook
from cds.inference.prediction import Failed, NotAssessed, Prediction
from cds.pages.report import amounts
from cds.pages.report.amounts import FINDINGS, MILESTONES
from cds.pages.report.curves import curve_of, survival_of
from cds.pages.report.stored import Told
from cds.record.features import Feature
from cds.record.inputs import Input, Reduce

_NUMBER = re.compile(r"[+-]?\d{1,9}(?:\.\d{1,9})?")


@dataclass(frozen=True)
class Option:
    value: str
    label: str


@dataclass(frozen=True)
class Field:
    """One input as a control of the form."""

    name: str
    """Of the input; the control is called ``in.<name>``."""
    label: str
    hint: str
    """What is on record, and what range is allowed."""
    options: tuple[Option, ...]
    """A choice; empty: a number."""
    unit: str
    given: str
    """As typed."""
    error: str
    missing: bool
    finding: bool
    """A yes or no on record: listed apart, they are many."""


@dataclass(frozen=True)
class Changed:
    label: str
    before: str
    after: str


@dataclass(frozen=True)
class Compared:
    label: str
    before: str
    after: str


@dataclass(frozen=True)
class Supposed:
    """The hypothetical answer beside the stored one."""

    changes: tuple[Changed, ...]
    rows: tuple[Compared, ...]
    why_not: str
    """Why there is no answer to these values."""


@dataclass(frozen=True)
class Form:
    model: str
    fields: tuple[Field, ...]
    result: Supposed | None = None
    empty: bool = False
    """It was sent without any value."""

    @property
    def errors(self) -> tuple[Field, ...]:
        return tuple(f for f in self.fields if f.error)

    @property
    def used(self) -> bool:
        return self.result is not None or self.empty or bool(self.errors)


def form(told: Told, words: Phrasebook, sent: Mapping[str, str] | None = None) -> Form | None:
    """The form of a model; with ``sent``, what was typed and what comes of it. None: it can't be asked again."""
    if told.model is None or not told.repeatable:
        return None
    open_ones = [f for f in told.features if _open(f)]
    if not open_ones:
        return None
    typed = {f.input.name: (sent or {}).get(f"in.{f.input.name}", "").strip()[:40] for f in open_ones}
    values: dict[str, float] = {}
    errors: dict[str, str] = {}
    for feature in open_ones:
        if typed[feature.input.name]:
            try:
                values[feature.input.name] = read(feature.input, typed[feature.input.name], words)
            except ValueError as error:
                errors[feature.input.name] = str(error)
    fields = tuple(_field(f, words, typed[f.input.name], errors.get(f.input.name, "")) for f in open_ones)
    ordered = tuple(sorted(fields, key=lambda f: (not f.missing, f.finding)))
    if sent is None or errors:
        return Form(told.id, ordered)
    if not values:
        return Form(told.id, ordered, empty=True)
    return Form(told.id, ordered, _supposed(told, values, words))


def _open(feature: Feature) -> bool:
    """Who the patient is stands; only a missing age or sex may be filled in. Constants are the model's."""
    source = feature.input.source
    return source == "record" or (source in ("patient.age", "patient.male") and not feature.found)


def read(spec: Input, text: str, words: Phrasebook) -> float:
    """The number that was typed or chosen. Raises ValueError with a sentence for the reader."""
    label = wording.capital(amounts.label(words, spec))
    options = _options(spec, words)
    if options:
        for option in options:
            if option.value == text:
                return spec.values[text] if text in spec.values else float(text)
        raise ValueError(words("report.page.what_if.choose", label=label))
    plain = text.replace(",", ".").replace("−", "-").replace(" ", "")
    if _NUMBER.fullmatch(plain) is None or not math.isfinite(float(plain)):
        raise ValueError(words("report.page.what_if.number", label=label))
    number = float(plain)
    if spec.range is not None and not spec.range[0] <= number <= spec.range[1]:
        raise ValueError(words("report.page.what_if.outside", label=label, range=_range(spec, words)))
    if spec.reduce is Reduce.count and (number < 0 or number != int(number)):
        raise ValueError(words("report.page.what_if.number", label=label))
    if number < 0 and spec.reduce not in (Reduce.change_per_year, Reduce.days_since):
        raise ValueError(words("report.page.what_if.negative", label=label))
    return number


def _options(spec: Input, words: Phrasebook) -> tuple[Option, ...]:
    if spec.source == "patient.male":
        return Option("1", words("report.page.sex.male")), Option("0", words("report.page.sex.female"))
    if spec.reduce in FINDINGS:
        return Option("1", words("report.page.yes")), Option("0", words("report.page.no"))
    return tuple(Option(concept, words.concept(concept)) for concept in spec.values)


def _range(spec: Input, words: Phrasebook) -> str:
    assert spec.range is not None
    low, high = (words.number(v, 3) for v in spec.range)
    return amounts.with_unit(words, words("report.page.what_if.range", low=low, high=high), spec.unit)


def _field(feature: Feature, words: Phrasebook, typed: str, error: str) -> Field:
    spec = feature.input
    row = amounts.given(words, feature)
    recorded = words("report.page.what_if.recorded", value=f"{row.value}, {row.day}" if row.day else row.value)
    hint = recorded if feature.found else words("report.page.what_if.missing", why=row.value)
    options = _options(spec, words)
    if spec.range is not None and not options:
        hint += " " + words("report.page.what_if.allowed", range=_range(spec, words))
    return Field(
        spec.name,
        wording.capital(amounts.label(words, spec)),
        hint,
        options,
        "" if options else amounts.unit_text(words, spec.unit),
        typed,
        error,
        not feature.found,
        feature.found and spec.reduce in FINDINGS,
    )


def _supposed(told: Told, values: Mapping[str, float], words: Phrasebook) -> Supposed:
    assert told.model is not None
    features = tuple(_with(f, values) for f in told.features)
    after = told.model.retell(features)
    changes = tuple(
        Changed(
            wording.capital(amounts.label(words, f.input)),
            amounts.value(words, f),
            amounts.of_input(words, f.input, values[f.input.name]),
        )
        for f in told.features
        if f.input.name in values
    )
    if not isinstance(after, Prediction):
        return Supposed(changes, (), _why(after, words))
    return Supposed(changes, tuple(_rows(told.prediction, after, words)), "")


def _with(feature: Feature, values: Mapping[str, float]) -> Feature:
    if feature.input.name not in values:
        return feature
    return Feature(feature.input, values[feature.input.name], "found")


def _why(after: NotAssessed | Failed, words: Phrasebook) -> str:
    if isinstance(after, Failed):
        return words("engine.abstained.failed")
    if after.lacking:
        return words("report.page.what_if.still", items=words.join(wording.absence(words, f) for f in after.lacking))
    return words.pick(after.says)


def _rows(before: Prediction | None, after: Prediction, words: Phrasebook) -> Iterable[Compared]:
    if survival_of(after) is not None:
        found, was = curve_of(after), curve_of(before) if before is not None else None
        for m in MILESTONES:
            old = amounts.share(words, was.at(m)) if was is not None else words("report.page.what_if.none")
            yield Compared(words("report.page.what_if.alive_after", months=m), old, amounts.share(words, found.at(m)))
        return
    for output in after.manifest.outputs:
        if not output.shown or output.series or output.kind not in ("probability", "score", "category"):
            continue
        old = amounts.result(words, output, before.number(output.name)) if before else words("report.page.what_if.none")
        yield Compared(amounts.label_of(words, output), old, amounts.result(words, output, after.number(output.name)))
    if after.manifest.runtime.rules:
        labels = {r.id: words.pick(r.label) for r in after.manifest.runtime.rules}

        def held(said: Prediction | None) -> str:
            names = [labels[r] for r in said.rules if r in labels] if said is not None else []
            return words.join(names) if names else words("report.page.what_if.no_rule")

        yield Compared(words("report.page.what_if.rules"), held(before), held(after))
