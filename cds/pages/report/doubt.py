"""Periods in which a measurement means something else, and days on which a model's judgement of it changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from cds.cards.phrasebook import Phrasebook
from cds.inference.model import Model
from cds.inference.prediction import Prediction
from cds.pages.report.display import Confounder, Measured, Response
from cds.record.facts import Fact, Record
from cds.record.vocabulary import Vocabulary

Period = tuple[datetime, datetime, str]
_MOST_ASKED = 60
"""Values a model is asked about; the newest."""


def shown_in(fact: Fact, unit: str, vocabulary: Vocabulary) -> float | None:
    """The value in another unit of its concept; None for none."""
    if fact.value is None:
        return None
    there = vocabulary.conversion(fact.concept, unit)
    return None if there is None else (fact.value - there.offset) / there.factor


def periods(record: Record, lane: Measured, vocabulary: Vocabulary, words: Phrasebook) -> tuple[Period, ...]:
    """The oldest first; those of one kind that meet are one."""
    found: list[Period] = []
    for one in lane.confounders:
        found += _merged(_around(record, one, vocabulary), words.pick(one.label))
    return tuple(sorted(found))


def _around(record: Record, one: Confounder, vocabulary: Vocabulary) -> Iterable[tuple[datetime, datetime]]:
    width = timedelta(days=one.days)
    for fact in record.of(*one.concepts):
        if fact.when is None or fact.provisional:
            continue
        if one.at_least is None:
            yield fact.when.earliest, min(fact.when.latest + width, record.now)
            continue
        value = shown_in(fact, one.unit or "1", vocabulary)
        # a bound such as "<3" says nothing of being above
        if value is not None and value >= one.at_least and fact.comparator not in ("<", "<="):
            yield fact.when.earliest - width, min(fact.when.latest + width, record.now)


def _merged(spans: Iterable[tuple[datetime, datetime]], label: str) -> list[Period]:
    found: list[Period] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end), label)
        else:
            found.append((begin, end, label))
    return found


def changes(
    record: Record, facts: Iterable[Fact], response: Response, model: Model, words: Phrasebook
) -> tuple[tuple[datetime, str], ...]:
    """Where the model's category, asked as of the day of each value and knowing nothing later, became one of those
    marked. Empty where it does not assess, and where it fails (which its own card says)."""
    dated = sorted({f.when.latest for f in facts if f.when is not None})[-_MOST_ASKED:]
    found: list[tuple[datetime, str]] = []
    before: str | None = None
    for at in dated:
        answer = model.assess(_as_of(record, min(at, record.now)))
        category = answer.category(response.output) if isinstance(answer, Prediction) else None
        if category is not None and category != before and category in response.marks:
            found.append((at, _label(model, response, category, words)))
        before = category
    return tuple(found)


def _label(model: Model, response: Response, category: str, words: Phrasebook) -> str:
    output = next(o for o in model.manifest.outputs if o.name == response.output)
    return words.pick(output.category_labels.get(category, {})) or category


def _as_of(record: Record, at: datetime) -> Record:
    """What was known then, as far as today's record tells: later resources are left out."""

    def known(facts: list[Fact]) -> list[Fact]:
        return [f for f in facts if f.when is None or f.when.earliest <= at]

    return replace(
        record,
        now=at,
        facts={name: kept for name, facts in record.facts.items() if (kept := known(facts))},
        negative={name: kept for name, facts in record.negative.items() if (kept := known(facts))},
        refused=[r for r in record.refused if r.when is None or r.when.earliest <= at],
    )
