"""One model's part of the report: what it said, why, or why it said nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from cds.cards import wording
from cds.cards.phrasebook import Phrasebook
from cds.pages.report import criteria, risk, what_if
from cds.pages.report import words as say
from cds.pages.report.reading import Reading, reading
from cds.pages.report.stored import Told
from cds.studies import reasons


@dataclass(frozen=True)
class Section:
    """One model's part of the page."""

    id: str
    """The model's, for anchors and forms."""
    title: str
    kind: str
    """``answer``, ``criteria``, ``category``, ``reading`` (of a scan), ``silent`` (it said nothing, and why)"""
    research: str
    """What it is that is not established; empty otherwise."""
    status: str
    """The same in a word or two."""
    answer: risk.Answer | None = None
    category: str = ""
    criteria: tuple[criteria.Criterion, ...] = ()
    lines: tuple[risk.Line, ...] = ()
    why: str = ""
    lacking: tuple[tuple[str, str], ...] = ()
    """(input, why it is missing)"""
    fields: tuple[what_if.Field, ...] = ()
    changed: bool = False
    reading: Reading | None = None


@dataclass(frozen=True)
class Glance:
    """A section in one line, for who has five seconds."""

    id: str
    title: str
    said: str
    more: str
    """Against whom."""
    status: str
    """What the model is, where it is not established."""


def glance(words: Phrasebook, one: Section) -> Glance:
    if one.answer is not None:
        said = (
            words("report.glance.band", value=one.answer.text, band=one.answer.band)
            if one.answer.band
            else one.answer.text
        )
    elif one.kind == "criteria":
        held = [c.name for c in one.criteria if c.held]
        said = wording.capital(words.join(held)) if held else words("report.criteria.none")
    elif one.reading is not None:
        said = one.reading.answers[0][1] if one.reading.answers else ""
    else:
        said = one.category or words("report.glance.silent")
    more = one.answer.ordinary if one.answer is not None else ""
    return Glance(one.id, one.title, said, more, one.status)


def section(words: Phrasebook, told: Told) -> Section:
    found, status = told.manifest, told.manifest.status
    made = partial(
        Section,
        found.id,
        words.pick(found.words.title),
        research=words(f"engine.status.{status.value}") if status.needs_enabling else "",
        status=words(f"engine.status.short.{status.value}") if status.needs_enabling else "",
        changed=not told.same_model,
    )
    if told.entry.outcome != "predicted":
        reason = told.entry.reason or "failed"
        lacking = tuple((say.label(words, i.spec), say.absence(words, i)) for i in told.lacking)
        asked = what_if.fields(words, told) if told.entry.reason == "input-absent" else ()
        return made(kind="silent", why=_why(words, told, reason), lacking=lacking, fields=asked)
    if (seen := reading(words, told)) is not None:
        return made(kind="reading", reading=seen)
    fields, lines = what_if.fields(words, told), risk.lines_of(words, told)
    category = _category(words, told)
    if found.runtime.rules:
        held = criteria.criteria(words, told)
        return made(kind="criteria", category=category, criteria=held, lines=lines, fields=fields)
    answer = risk.answer(words, told)
    if answer is not None:
        return made(kind="answer", answer=answer, fields=fields)
    return made(kind="category", category=category, lines=lines, fields=fields)


def _why(words: Phrasebook, told: Told, reason: str) -> str:
    """Why it said nothing, as its card put it."""
    key = f"engine.abstained.{'failed' if told.entry.outcome == 'failed' else reason}"
    if key in words.texts:
        return words(key)
    return words.pick(reasons.words(reason)) if told.manifest.runtime.volume is not None else reason


def _category(words: Phrasebook, told: Told) -> str:
    output = told.of_kind("category")
    number = told.output(output.name) if output is not None else None
    if output is None or not isinstance(number, int | float):
        return ""
    return wording.capital(say.answer(words, output, number))
