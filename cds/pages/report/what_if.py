"""What the answer would be with other values: computed from the reader's form, shown, and kept nowhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from cds.cards.phrasebook import Phrasebook
from cds.pages.report import words as say
from cds.pages.report.stored import StoredInput, Told
from cds.record.inputs import Input, Reduce


def _asked(spec: Input) -> bool:
    """Whether it may be supposed: not who the patient is, nor the age at which something was first measured; no test
    could tell otherwise."""
    return spec.source in ("record", "drafts") and spec.reduce is not Reduce.first_at_least


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


def fields(words: Phrasebook, told: Told) -> tuple[Field, ...]:
    """Missing inputs first; nothing where the model has changed since."""
    if not told.same_model or (told.headline is None and told.of_kind("survival") is None):
        return ()
    asked = [i for i in told.inputs if _asked(i.spec)]
    return tuple(_field(words, i) for i in sorted(asked, key=lambda i: i.found))


def _field(words: Phrasebook, given: StoredInput) -> Field:
    spec = given.spec
    choices: list[tuple[str, str]] = []
    if spec.is_flag:
        choices = [("1", words("report.value.yes")), ("0", words("report.value.no"))]
    elif spec.values:
        choices = [(f"{number:g}", say.value(words, spec, number)) for number in sorted(set(spec.values.values()))]
    low, high = (f"{v:g}" for v in spec.range) if spec.range is not None else ("", "")
    now = say.value(words, spec, given.value) if given.found else say.absence(words, given)
    label, unit = say.label(words, spec), say.unit(spec.unit)
    return Field(spec.name, label, unit, now, tuple(choices), low, high, not given.found)


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
        if spec.range is not None and not spec.range[0] <= number <= spec.range[1]:
            low, high = (words.number(bound, 2) for bound in spec.range)
            faults.append(words("report.what_if.out_of_range", input=label, low=low, high=high))
            continue
        values[name] = number
        changes.append((label, say.value(words, spec, number)))
    if not values and not faults:
        faults.append(words("report.what_if.nothing"))
    before = _headline(words, told, told.entry.outputs)
    if faults:
        return Supposed((), before, "", tuple(faults))
    found = told.changed(values)
    return Supposed(tuple(changes), before, _headline(words, told, found.outputs) if found is not None else "", ())


def _number(typed: str) -> float | None:
    """As people write it, with a point or a comma; None for what is none, or none a body has."""
    try:
        number = float(typed.replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) and abs(number) < 1e9 else None


def _headline(words: Phrasebook, told: Told, outputs: Mapping[str, object]) -> str:
    curve = told.of_kind("survival")
    if curve is None:
        output = told.headline
        number = outputs.get(output.name) if output is not None else None
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
