"""What the answer would be with other values: computed from the reader's form, shown, and kept nowhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from cds.cards import wording
from cds.cards.phrasebook import MINUS, Phrasebook
from cds.inference.prediction import Failed, NotAssessed, Prediction
from cds.pages.report import criteria
from cds.pages.report import words as say
from cds.pages.report.stored import StoredInput, Told
from cds.record.inputs import Input, Reduce

_SIGNED = (Reduce.change_per_year, Reduce.days_since)


def _asked(spec: Input) -> bool:
    """Whether it may be supposed: not who the patient is, nor the age at which something was first measured; no test
    could tell otherwise. Nor what only decides for whom the model speaks."""
    return spec.source in ("record", "drafts") and spec.reduce is not Reduce.first_at_least and spec.graph


_ANSWERS = ("probability", "score", "category", "survival")


@dataclass(frozen=True)
class Field:
    """One input of the form."""

    name: str
    label: str
    unit: str
    now: str
    """What was answered with; for a missing input, why it is missing."""
    choices: tuple[tuple[str, str], ...]
    """(value, words); empty: a number."""
    low: str
    high: str
    missing: bool


@dataclass(frozen=True)
class Supposed:
    changes: tuple[tuple[str, str], ...]
    """(input, supposed value)"""
    before: str
    after: str
    """Empty where the model could not answer then either."""
    faults: tuple[str, ...]
    why_not: str = ""
    """Why there is no answer to these values."""


def fields(words: Phrasebook, told: Told) -> tuple[Field, ...]:
    """Missing inputs first; nothing where the model has changed since."""
    if not told.askable or not any(o.shown and o.kind in _ANSWERS for o in told.manifest.outputs):
        return ()
    asked = [i for i in told.inputs if _asked(i.spec)]
    return tuple(_field(words, i) for i in sorted(asked, key=lambda i: i.found))


def _field(words: Phrasebook, given: StoredInput) -> Field:
    spec = given.spec
    choices = _choices(words, spec)
    low, high = (words.figure(v) for v in spec.range) if spec.range is not None else ("", "")
    now = say.value(words, spec, given.value) if given.found else say.absence(words, given)
    label, unit = say.label(words, spec), say.unit(words, spec.unit)
    return Field(spec.name, label, unit, now, tuple(choices), low, high, not given.found)


def _choices(words: Phrasebook, spec: Input) -> list[tuple[str, str]]:
    """(value, words) of an input that is no number; a count is one."""
    choices: list[tuple[str, str]] = []
    if spec.reduce in (Reduce.presence, Reduce.new):
        choices = [("1", words("report.value.yes")), ("0", words("report.value.no"))]
    elif spec.values:
        choices = [(f"{number:g}", say.value(words, spec, number)) for number in sorted(set(spec.values.values()))]
        choices = [(v, said) for v, said in choices if spec.range is None or spec.range[0] <= float(v) <= spec.range[1]]
    return choices


def suppose(words: Phrasebook, told: Told, form: Mapping[str, str]) -> Supposed:
    """``form``: by input name, as typed; empty ones stay as they are. Faults are sentences; with any, nothing is
    computed."""
    values, faults, changes = {}, [], []
    known = {i.spec.name: i.spec for i in told.inputs if _asked(i.spec)}
    for name, spec in known.items():
        typed = form.get(name, "").strip()
        if not typed:
            continue
        label = say.label(words, spec)
        number = _number(typed)
        if number is None:
            faults.append(words("report.what_if.no_number", input=label))
            continue
        if choices := _choices(words, spec):
            if typed not in dict(choices):
                faults.append(words("report.what_if.no_choice", input=label))
                continue
        elif number < 0 and spec.range is None and spec.reduce not in _SIGNED:
            faults.append(words("report.what_if.negative", input=label))
            continue
        if spec.range is not None and not spec.range[0] <= number <= spec.range[1]:
            low, high = (words.number(bound, 2) for bound in spec.range)
            faults.append(words("report.what_if.out_of_range", input=label, low=low, high=high))
            continue
        values[name] = number
        changes.append((label, say.value(words, spec, number)))
    if not values and not faults:
        faults.append(words("report.what_if.nothing"))
    before = _before(words, told) if told.entry.outcome == "predicted" else ""
    if faults:
        return Supposed((), before, "", tuple(faults))
    found = told.changed(values)
    if isinstance(found, Prediction):
        if (both := _chances(told, found)) is not None:
            before, after = (wording.beside(words, chance, wording.per(*both)) for chance in both)
        else:
            by_name = {f.input.name: f for f in found.features}
            held = criteria.named(words, told, found.rules, by_name, values)
            after = _headline(words, told, found.outputs, held)
        return Supposed(tuple(changes), before, after, ())
    return Supposed(tuple(changes), before, "", (), _why_not(words, found))


def _before(words: Phrasebook, told: Told) -> str:
    features = {i.spec.name: i.feature for i in told.inputs} if told.askable else {}
    return _headline(words, told, told.entry.outputs, criteria.named(words, told, told.rules, features))


def _chances(told: Told, found: Prediction) -> tuple[float, float] | None:
    """(as stored, supposed) where the answer is a chance."""
    output = told.headline
    if output is None or output.kind != "probability" or output.series or told.foretells_life:
        return None
    before = told.output(output.name)
    return (before, found.number(output.name)) if isinstance(before, float) else None


def _why_not(words: Phrasebook, found: NotAssessed | Failed) -> str:
    if isinstance(found, Failed):
        return words("engine.abstained.failed")
    if found.lacking:
        lacking = words.join(say.label(words, f.input) for f in found.lacking)
        return words("report.what_if.still", inputs=lacking)
    return words.pick(found.says)


def _number(typed: str) -> float | None:
    """As people write it, with a point or a comma, and any minus; None for what is none, or none a body has."""
    try:
        number = float(typed.replace(",", ".").replace(MINUS, "-"))
    except ValueError:
        return None
    return number if math.isfinite(number) and abs(number) < 1e9 else None


def _headline(words: Phrasebook, told: Told, outputs: Mapping[str, object], held: list[str]) -> str:
    """``held``: names of the criteria that hold."""
    if told.manifest.runtime.rules:
        return wording.capital(words.join(held)) if held else words("report.criteria.none")
    curve = next((o for o in told.manifest.outputs if o.kind == "survival" and o.name in outputs), None)
    if curve is None:
        output = next((o for o in told.manifest.outputs if o.shown and o.kind in _ANSWERS and o.name in outputs), None)
        number = outputs[output.name] if output is not None else None
        return say.answer(words, output, float(number)) if output and isinstance(number, int | float) else ""
    alive = outputs.get(curve.name)
    if not isinstance(alive, list | tuple):
        return ""
    shares = [
        words("report.survival.at", months=words.number(m, 0), value=words.number(100 * alive[curve.times.index(m)], 0))
        for m in (6.0, 12.0, 24.0)
        if m in curve.times
    ]
    return words.join(shares)
