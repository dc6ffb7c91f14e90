"""Drugs as courses: what was given or ordered within one cycle is one treatment; the same again without a long pause
goes on; a regimen has its name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cds.cards.phrasebook import Phrasebook
from cds.pages.report.display import Treatments
from cds.record.facts import Fact, Record

_STANDING = frozenset({"active"})


@dataclass(frozen=True)
class Dose:
    drug: str
    """Concept, by formulation."""
    at: datetime
    fact: Fact


@dataclass(frozen=True)
class Course:
    label: str
    begin: datetime
    end: datetime | None
    """Of the last dose or order; None while an order of it stands."""


def doses(record: Record, treatments: Treatments) -> list[Dose]:
    """Dated ones, the oldest first; each resource once."""
    found: dict[str, Dose] = {}
    for concept in treatments.concepts:
        for fact in record.of(concept):
            if fact.when is not None:
                drug = _formulated(fact, treatments)
                found.setdefault(fact.source, Dose(drug, fact.when.middle, fact))
    return sorted(found.values(), key=lambda dose: dose.at)


def name_of(dose: Dose, treatments: Treatments, words: Phrasebook) -> str:
    own = dose.drug == treatments.other and dose.fact.title
    return dose.fact.title if own else words.concept(dose.drug)


def courses(given: list[Dose], treatments: Treatments, now: datetime, words: Phrasebook) -> list[Course]:
    """The oldest first."""
    gap = timedelta(days=treatments.gap_days)
    running: dict[str, list[Dose]] = {}
    found: list[Course] = []
    for cycle in _cycles(given, timedelta(days=treatments.cycle_days)):
        label = _regimen(cycle, treatments, words)
        before = running.get(label)
        if before is not None and cycle[0].at - before[-1].at > gap:
            found.append(_course(label, before, now - gap))
            before = None
        running[label] = [*(before or ()), *cycle]
    found += [_course(label, all_doses, now - gap) for label, all_doses in running.items()]
    return sorted(found, key=lambda course: course.begin)


def _course(label: str, given: list[Dose], since: datetime) -> Course:
    last = max(dose.at for dose in given)
    # an order nobody ended says little once nothing has happened for a long time
    stands = last >= since and any(
        d.fact.status in _STANDING and d.fact.source.startswith("MedicationRequest/") for d in given
    )
    return Course(label, given[0].at, None if stands else last)


def _cycles(given: Iterable[Dose], width: timedelta) -> list[list[Dose]]:
    found: list[list[Dose]] = []
    for dose in given:
        if found and dose.at - found[-1][0].at <= width:
            found[-1].append(dose)
        else:
            found.append([dose])
    return found


def _regimen(cycle: list[Dose], treatments: Treatments, words: Phrasebook) -> str:
    drugs = {dose.drug for dose in cycle}
    for regimen in treatments.regimens:
        if drugs - set(treatments.beside) == set(regimen.all) - set(treatments.beside):
            return words.pick(regimen.label)
    return " + ".join(dict.fromkeys(name_of(dose, treatments, words) for dose in cycle))


def _formulated(fact: Fact, treatments: Treatments) -> str:
    text = fact.title.lower()
    for one in treatments.formulations:
        if fact.concept == one.of and any(word in text for word in one.words):
            return one.concept
    return fact.concept
