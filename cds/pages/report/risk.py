"""What a model that gives a chance or a score said: against whom, why, what is missing, and what if."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cds.cards.phrasebook import Phrasebook
from cds.charts import Bar, BarWords, RiskRow, Svg, available, comparison, contributions
from cds.inference.explain import comparator, headline
from cds.inference.manifest import Output
from cds.pages.report import words as say
from cds.pages.report.stored import StoredInput, Told

_MOST_BARS = 9
Interval = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """One input as the page lists it."""

    label: str
    value: str
    date: str
    sources: tuple[str, ...]
    share: str
    """What it contributed, in words; empty where that is not known or nothing."""


@dataclass(frozen=True)
class Answer:
    label: str
    text: str
    horizon: str
    ordinary: str
    """The same age and sex without findings, as a sentence; empty where the model has no such comparison."""
    charts: tuple[tuple[Svg, Svg], ...]
    """(for a page, for a phone)"""
    lines: tuple[Line, ...]
    method: str
    missing: tuple[tuple[str, str, str, str], ...]
    """(input, why it is missing, lowest answer, highest answer); the last two empty where it was not varied"""


def answer(words: Phrasebook, told: Told) -> Answer | None:
    """None for a model that gives neither a chance nor a score."""
    output = told.headline
    number = told.output(output.name) if output is not None else None
    if output is None or output.kind == "category" or number is None or isinstance(number, tuple):
        return None
    low, high = (told.output(name) if name is not None else None for name in (output.lower, output.upper))
    interval = (low, high) if isinstance(low, int | float) and isinstance(high, int | float) else None
    base = _ordinary(told, output)
    shares = _shares(told)
    return Answer(
        label=say.output_label(words, output),
        text=say.with_interval(words, output, number, interval),
        horizon=say.horizon(words, output),
        ordinary=_beside(words, output, number, base) if base is not None else "",
        charts=tuple(_charts(words, told, output, number, base, interval)),
        lines=tuple(_line(words, i, shares.get(i.spec.name), output, told) for i in told.inputs if i.told),
        method=say.method(words, told.explanation) if told.explanation is not None else "",
        missing=tuple(_missing(words, told, output, number)),
    )


def _beside(words: Phrasebook, output: Output, number: float, base: float) -> str:
    """Against the same age and sex, as a sentence."""
    if output.kind != "probability":
        return words("report.ordinary", value=say.answer(words, output, base))
    own, other = (say.beside(words, chance, say.per(number, base)) for chance in (number, base))
    return words("report.ordinary_chance", own=own, value=other)


def lines_of(words: Phrasebook, told: Told) -> tuple[Line, ...]:
    """What was read from the record, without what it contributed."""
    return tuple(
        Line(say.label(words, i.spec), say.read(words, i), say.day(words, i.date), i.sources, "")
        for i in told.inputs
        if i.told
    )


def _ordinary(told: Told, output: Output) -> float | None:
    """Of the same age and sex: the model's own comparison, else the comparator of the explanation."""
    own = next((o for o in told.manifest.outputs if o.kind == "comparator"), None)
    if own is not None and isinstance(found := told.output(own.name), float):
        return found
    explained = told.explanation
    if explained is not None and explained.compared is not None and explained.scale == output.name:
        return explained.compared
    prediction = told.again
    if prediction is None or headline(prediction) is None or told.model.graph is None:
        return None
    ordinary = comparator(told.model, prediction)
    return float(told.model.score(ordinary[None, :])[output.name][0]) if ordinary is not None else None


def _shares(told: Told) -> Mapping[str, float]:
    explained = told.explanation
    return {s.feature.input.name: s.value for s in explained.shares} if explained is not None else {}


def _line(words: Phrasebook, given: StoredInput, share: float | None, output: Output, told: Told) -> Line:
    return Line(
        label=say.label(words, given.spec),
        value=say.read(words, given),
        date=say.day(words, given.date),
        sources=given.sources,
        share=_share_text(words, told, output, share) if share else "",
    )


def _share_text(words: Phrasebook, told: Told, output: Output, share: float) -> str:
    """On the answer's own scale: percentage points of a chance, points of a score; else only the direction."""
    explained = told.explanation
    direction = "raises" if share > 0 else "lowers"
    if explained is not None and explained.scale == output.name:
        if output.kind == "probability":
            return words(f"report.share.{direction}.chance", points=words.significant(abs(share) * 100, 2))
        return words(f"report.share.{direction}.score", points=words.significant(abs(share), 2))
    if explained is not None and explained.method == "model" and output.kind == "score":
        # the points of a score add up to it
        return words(f"report.share.{direction}.score", points=words.significant(abs(share), 2))
    return words(f"report.share.{direction}.plain")


def _missing(words: Phrasebook, told: Told, output: Output, number: float) -> list[tuple[str, str, str, str]]:
    """What could change the answer most comes first."""
    varied = {name: (low, high) for name, low, high in say.spread(words, told, output, number)}
    order = {name: place for place, name in enumerate(varied)}
    found = []
    for given in (i for i in told.inputs if i.wanting):
        name = say.label(words, given.spec)
        low, high = varied.get(name, ("", ""))
        found.append((name, say.absence(words, given), low, high))
    return sorted(found, key=lambda row: order.get(row[0], len(order)))


def _charts(
    words: Phrasebook, told: Told, output: Output, number: float, base: float | None, interval: Interval | None
) -> list[tuple[Svg, Svg]]:
    if not available():
        return []
    found = []
    title = words.pick(told.manifest.words.title)
    if base is not None and output.kind == "probability":
        found.append(_compared(words, output, number, base, interval, title))
    bars = tuple(
        Bar(say.label(words, s.feature.input), s.value, _share_text(words, told, output, s.value))
        for s in (told.explanation.shares if told.explanation is not None else ())[:_MOST_BARS]
    )
    if bars:
        named = BarWords(lower=words("report.bars.lower"), higher=words("report.bars.higher"))
        heading = words("report.bars.title", model=title)
        described = words("report.bars.described")
        wide, narrow = (contributions(bars, named, heading, described, narrow=small) for small in (False, True))
        found.append((wide, narrow))
    return found


def _compared(
    words: Phrasebook, output: Output, number: float, base: float, interval: Interval | None, title: str
) -> tuple[Svg, Svg]:
    per = say.per(number, base)
    low, high = (per * bound for bound in interval) if interval is not None else (None, None)
    rows = (
        RiskRow(words("report.compared.patient"), per * number, low, high, say.beside(words, number, per)),
        RiskRow(words("report.compared.ordinary"), per * base, None, None, say.beside(words, base, per)),
    )
    named = BarWords(axis=words("report.compared.axis", total=words.number(per, 0)))
    heading = words("report.compared.title", model=title)
    described = words("report.compared.described", patient=rows[0].text, ordinary=rows[1].text)
    return comparison(rows, named, heading, described), comparison(rows, named, heading, described, narrow=True)
