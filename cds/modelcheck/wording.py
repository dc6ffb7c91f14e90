"""Words: every sentence in every language, template fields that exist, headlines that fit on a card."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from cds.inference.contribution import Speech
from cds.inference.manifest import Input, Manifest, Output
from cds.modelcheck.subject import Finding, Subject

HEADLINE = 140
"""Characters of a card's summary (CDS Hooks 2.0.1: ``summary`` is under 140)."""
_ALWAYS = frozenset({"rules", "found"})
_DAY = "23 Nov 2026"


def findings(subject: Subject) -> Iterator[Finding]:
    m = subject.manifest
    for key, texts in _texts(m):
        for language in subject.languages:
            if not texts.get(language):
                yield subject.finding(f"has no words in '{language}'", *key)
        for language in sorted(set(texts) - set(subject.languages)):
            yield subject.finding(f"has words in '{language}', which the rest of the model lacks", *key)
    for name in ("title", "summary", "limits"):
        if not getattr(m.words, name):
            yield subject.finding("is empty", "words", name)
    counts = {language: len(limits) for language, limits in m.words.limits.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{n} in {language}" for language, n in counts.items())
        yield subject.finding(f"the languages have different numbers of limits: {told}", "words", "limits")
    yield from _unlabelled(subject)
    if m.card is not None:
        for position, speech in enumerate(m.card.speaks):
            yield from _speech(subject, speech, position)


def _texts(value: Any, key: tuple[int | str, ...] = ()) -> Iterator[tuple[tuple[int | str, ...], Mapping[str, Any]]]:
    """Every mapping of words by language that is not empty, with where it stands."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            if name != "parameters":
                yield from _texts(getattr(value, name), (*key, name))
    elif isinstance(value, Mapping):
        if "en" in value or "nl" in value:
            yield key, value
        else:
            for name, inner in value.items():
                yield from _texts(inner, (*key, name))
    elif isinstance(value, tuple | list):
        for position, inner in enumerate(value):
            yield from _texts(inner, (*key, position))


def _unlabelled(subject: Subject) -> Iterator[Finding]:
    m = subject.manifest
    groups: tuple[tuple[str, tuple[Any, ...]], ...] = (("inputs", m.inputs), ("outputs", m.outputs))
    for group, items in groups:
        for position, item in enumerate(items):
            if not item.label:
                yield subject.finding(f"'{item.name}' has no label", group, position)
    for position, rule in enumerate(m.runtime.rules):
        for name in ("label", "says"):
            if not getattr(rule, name):
                yield subject.finding(f"rule '{rule.id}' has no {name}", "runtime", "rules", position)
    if not m.population.description:
        yield subject.finding("is empty", "population", "description")


def _speech(subject: Subject, speech: Speech, position: int) -> Iterator[Finding]:
    m, known = subject.manifest, fields_of(subject.manifest)
    for part in ("summary", "recommendation", "more"):
        for language, text in getattr(speech, part).items():
            key = ("card", "speaks", position, part, language)
            try:
                used = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
            except ValueError as error:
                yield subject.finding(f"its braces don't match: {error}", *key)
                continue
            for name in sorted(set(used) - known):
                yield subject.finding(f"the field {{{name}}} is neither an input nor an output, rules or found", *key)
            if part == "summary" and set(used) <= known:
                filled = text.format_map({name: longest(m, name, language) for name in used})
                if len(filled) >= HEADLINE:
                    yield subject.finding(
                        f"can grow to {len(filled)} characters; a headline has under {HEADLINE}", *key
                    )


def notes(subject: Subject) -> Iterator[str]:
    """What is no fault of the folder, but worth knowing at this site."""
    card = subject.manifest.card
    wanted = [p.order for speech in card.speaks for p in speech.proposals] if card is not None else []
    for order in sorted(set(wanted) - subject.orders) if subject.orders is not None else ():
        yield f"this site's policy has no order '{order}', so it is not proposed"


def fields_of(m: Manifest) -> frozenset[str]:
    return _ALWAYS | {i.name for i in m.inputs} | {o.name for o in m.outputs}


def longest(m: Manifest, name: str, language: str) -> str:
    """The most room a field can take, as near as can be told without a patient."""
    if name == "rules":
        return _longest(r.label.get(language, "") for r in m.runtime.rules)
    if name == "found":
        return ", ".join(sorted((i.label.get(language, "") for i in m.inputs), key=len)[-2:])
    output = next((o for o in m.outputs if o.name == name), None)
    if output is not None:
        return _longest_output(output, language)
    return _longest_input(next(i for i in m.inputs if i.name == name), language)


def _longest_output(output: Output, language: str) -> str:
    if output.kind == "category":
        return _longest(output.category_labels.get(n, {}).get(language, n) for n in output.categories.values())
    if output.kind in ("probability", "comparator", "bound"):
        return "about 3 in 100,000" if language == "en" else "ongeveer 3 op de 100.000"
    return "-0.012" if output.unit == "1" else f"-0.012 {output.unit}"


def _longest_input(spec: Input, language: str) -> str:
    if spec.unit in ("1", "a"):
        return f"100 ({_DAY})" if spec.concepts else "100"
    return f"1234.5 {spec.unit} ({_DAY})"


def _longest(texts: Iterator[str]) -> str:
    return max(texts, key=len, default="")
