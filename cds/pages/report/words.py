"""How the report writes values, chances and reasons: the words of cards, for stored answers."""

from __future__ import annotations

import math
import re

from cds.cards import doubts, wording
from cds.cards.phrasebook import Phrasebook
from cds.inference.explain import spreads
from cds.inference.manifest import Output
from cds.inference.prediction import Prediction
from cds.pages.report.stored import StoredInput, Told
from cds.record.inputs import Input, Reduce
from cds.record.moments import parse

_ANNOTATION = re.compile(r"\{[^}]*\}")
_UCUM = {"1": "", "a": "", "kg/m2": "kg/m²", "10*9/L": "10⁹/L", "mm[Hg]": "mmHg"}

_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_ONE_MEASUREMENT = (Reduce.latest, Reduce.earliest, Reduce.nearest, Reduce.lowest, Reduce.highest)


def unit(words: Phrasebook, code: str) -> str:
    """A UCUM unit as people write it; an annotation such as ``{score}`` is none."""
    bare = _ANNOTATION.sub("", code)
    plain = _UCUM.get(bare, bare.replace("[", "").replace("]", ""))
    return words("report.value.a_year", unit=plain.removesuffix("/a")) if plain.endswith("/a") else plain


def value(words: Phrasebook, spec: Input, number: float | None) -> str:
    """The value of an input: yes or no for a flag, the coded answer's name, else number and unit."""
    if number is None:
        return words("report.value.none")
    if spec.source == "patient.male":
        return words("report.value.male" if number else "report.value.female")
    if spec.is_flag:
        return words("report.value.yes" if number else "report.value.no")
    if spec.reduce is Reduce.first_at_least:
        return words("report.value.at_age", age=words.number(math.floor(number), 0))
    for answer, code in spec.values.items():
        if code == number and words.concept(answer) != answer:
            return words.concept(answer)
    if spec.unit == "d":  # nobody counts hundredths of them
        return words.counted("engine.days", round(number))
    return f"{words.number(number, 2)} {unit(words, spec.unit)}".strip()


def read(words: Phrasebook, given: StoredInput) -> str:
    """The value of an input that was read, in the hospital's own unit where it is one measurement; of a first time that
    may be none it says so."""
    if given.written and given.spec.reduce in _ONE_MEASUREMENT:
        return spelt(words, given.written)
    return doubts.marked(words, "found", _reached(words, given) or value(words, given.spec, given.value), given.older)


def spelt(words: Phrasebook, written: str) -> str:
    """Number and unit as the hospital wrote them."""
    return _spelt(wording.as_written(words, written))


def _reached(words: Phrasebook, given: StoredInput) -> str:
    """Of a first value at a threshold, which value it was; empty for any other input, and where it is not known."""
    if given.spec.reduce is not Reduce.first_at_least or not given.written or given.value is None:
        return ""
    written = _spelt(wording.as_written(words, given.written))
    return words("report.value.reached", value=written, age=words.number(math.floor(given.value), 0))


def tested(words: Phrasebook, given: StoredInput) -> str:
    """What a criterion was held against, in the unit of its limit, and its day."""
    found = _reached(words, given) or value(words, given.spec, given.value)
    if given.date:
        found = words("report.value.dated", value=found, day=day(words, given.date))
    return doubts.marked(words, "found", found, given.older)


def between(words: Phrasebook, low: float | None, high: float | None, unit: str, digits: int) -> str:
    """Limits of which at least one is there; the last figure brings the unit."""
    least, most = (words.number(end, digits) if end is not None else "" for end in (low, high))
    if low is not None and high is not None:
        return words("report.reference.between", low=least, high=f"{most} {unit}".strip())
    if high is not None:
        return words("report.reference.up_to", limit=f"{most} {unit}".strip())
    return words("report.reference.from", limit=f"{least} {unit}".strip())


def reference(words: Phrasebook, given: StoredInput) -> str:
    """What the laboratory calls usual, beside one measurement; empty where it did not say."""
    sent = given.reference
    if not sent or given.spec.reduce not in _ONE_MEASUREMENT:
        return ""
    low, high, unit = sent.get("low"), sent.get("high"), given.written.partition(" ")[2]
    if low is None and high is None:
        return words("report.reference.usual", limits=sent.get("text", ""))
    limits = between(words, low, high, unit, 2)
    return words(f"report.reference.{sent.get('side', 'usual')}", limits=_spelt(limits))


def _spelt(written: str) -> str:
    """Keyboards have no raised figures and no µ."""
    raised = re.sub(r"\b10[\^*](\d)/", lambda power: f"10{_RAISED[int(power[1])]}/", written).replace("/m2", "/m²")
    return re.sub(r"\bu(?=mol\b|g\b|L\b)", "µ", raised)


def label(words: Phrasebook, spec: Input) -> str:
    """What an input is called; a model's "male sex: 0" is a person's sex."""
    if spec.source == "patient.male":
        return words("report.value.sex")
    return wording.capital(words.pick(spec.label))


def day(words: Phrasebook, text: str) -> str:
    return words.day(parse(text)) if text else ""


def absence(words: Phrasebook, given: StoredInput) -> str:
    return words(f"engine.absent.{given.state}", detail=given.sent)


def answer(words: Phrasebook, output: Output, number: float) -> str:
    """A chance in people, a category by its name, else the figure with its unit."""
    if output.kind == "probability":
        return wording.chance(words, number)
    if output.kind == "category":
        name = output.categories.get(f"{number:g}", "")
        return words.pick(output.category_labels.get(name, {})) or name
    return f"{words.number(number, 1)} {unit(words, output.unit)}".strip()


def answers(words: Phrasebook, output: Output, *several: float) -> tuple[str, ...]:
    """Answers that stand beside each other: chances each of as many people."""
    if output.kind == "probability":
        return wording.chances(words, *several)
    return tuple(answer(words, output, one) for one in several)


def with_interval(words: Phrasebook, output: Output, number: float, interval: tuple[float, float] | None) -> str:
    if interval is None:
        return answer(words, output, number)
    value, low, high = answers(words, output, number, *interval)
    return words("engine.said.interval", value=value, low=low, high=high)


def output_label(words: Phrasebook, output: Output) -> str:
    return wording.capital(wording.output_label(words, output))


def spread(words: Phrasebook, told: Told, output: Output, base: float) -> list[tuple[str, str, str]]:
    """(input, lowest, highest answer) over the values a missing input might have had, the widest first."""
    prediction: Prediction | None = told.again
    rows = []
    for feature, *ends in spreads(prediction.what_if if prediction is not None else (), output.name, base).values():
        low, high = answers(words, output, *ends)
        rows.append((label(words, feature.input), low, high))
    return rows
