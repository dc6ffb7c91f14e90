"""The record: what is known of one patient at one moment, and what was sent but could not be believed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from math import isclose
from typing import Literal

import msgspec

from cds.record.moments import Moment, completed_years, years_between


class ReferenceRange(msgspec.Struct, frozen=True, omit_defaults=True):
    """Between what the laboratory calls a result usual; in the concept's canonical unit, as the value is."""

    low: float | None = None
    high: float | None = None
    """None: usual without end on that side."""
    written: tuple[float | None, float | None] = (None, None)
    """The same limits in the unit of the value as sent."""
    text: str = ""
    """In the laboratory's own words, where it sent no limits."""

    def side(self, value: float) -> Literal["below", "above", ""]:
        """Where a value lies outside; a limit itself is inside, however it was converted."""
        if self.low is not None and value < self.low and not isclose(value, self.low):
            return "below"
        if self.high is not None and value > self.high and not isclose(value, self.high):
            return "above"
        return ""


class Fact(msgspec.Struct, frozen=True):
    """One coded, dated statement; ``value`` is in the concept's canonical unit."""

    concept: str
    source: str
    """``Type/id`` of the resource it came from."""
    when: Moment | None
    value: float | None = None
    unit: str | None = None
    answers: tuple[str, ...] = ()
    """Concepts of a coded answer."""
    original: str = ""
    """Value and unit as sent."""
    comparator: str | None = None
    """``<`` and its like: the value is only a bound."""
    status: str | None = None
    """Conditions: ``active`` or ``inactive``; orders and drugs: their own status."""
    remission: bool = False
    """Conditions: inactive, and not over: without treatment or under it, the disease is known still."""
    verification: str | None = None
    """Conditions: the verification status as sent; None when none was."""
    modalities: tuple[str, ...] = ()
    """ImagingStudy: DICOM modality codes."""
    title: str = ""
    """The code's text as sent (ImagingStudy ``unplaced``: its description), for showing; never for matching a
    concept."""
    texts: tuple[str, ...] = ()
    """Drugs: all that it is called, the text and every code's display, each once; of a formulation only these tell."""
    codes: tuple[tuple[str, str], ...] = ()
    """ServiceRequests and drugs: (system, code) as ordered, so that a site's own order codes can be recognised."""
    in_words: bool = False
    """Drugs: read from the texts of an order, which no code tells."""
    reference_range: ReferenceRange | None = None
    """Measurements: the laboratory's own; None when it sent none that is plainly this result's."""

    def reaches(self, threshold: float) -> bool | None:
        """At this value or above; None where that is not known: ``>14`` is above 6.5, ``>5`` may not be."""
        if self.value is None:
            return None
        if self.comparator in (">", ">="):
            return True if self.value >= threshold else None
        if self.comparator == "<" and self.value == threshold:
            return False
        if self.comparator in ("<", "<="):
            return False if self.value < threshold else None
        return None if self.comparator else self.value >= threshold

    @property
    def provisional(self) -> bool:
        """A suspicion, or one of a differential: never to be taken for the diagnosis, resolved or not."""
        return self.verification in ("provisional", "differential", "unconfirmed")


class Refused(msgspec.Struct, frozen=True):
    """A resource that names a concept we know but can't be used."""

    concept: str
    source: str
    reason: str
    """unit-missing, unit-unknown, unit-conflict, implausible, in-the-future, no-value, no-date; of a genomic result
    also origin-unknown, significance-unknown, copies-unknown, allele-unknown"""
    detail: str = ""
    when: Moment | None = None
    """When it was measured, where that could be read: an older value must not stand in for it. None, too, where no
    value was sent at all."""
    highest: float | None = None
    """Of a measurement without a known unit: the most it can be; None where nobody knows."""


UNREADABLE = frozenset({"unit-missing", "unit-unknown", "unit-conflict", "implausible"})
"""Reasons for which a measurement says nothing: it may be of any value."""


@dataclass
class Record:
    now: datetime
    patient_id: str
    birth: Moment | None = None
    male: bool | None = None
    """None: neither male nor female is recorded."""
    deceased: bool = False
    facts: dict[str, list[Fact]] = field(default_factory=dict)
    """By concept, newest first; undated last."""
    negative: dict[str, list[Fact]] = field(default_factory=dict)
    """What was tested for and not found, by concept. Only where a result says so: the rest is unknown."""
    refused: list[Refused] = field(default_factory=list)
    """What can't be used, newest first; undated last."""
    unread: frozenset[str] = frozenset()
    """Resource types that could not be had, or not whole: what is not found there is unknown, not absent."""
    unsupported: frozenset[str] = frozenset()
    """Those of ``unread`` that this hospital's server keeps for nobody."""
    orders: list[Fact] = field(default_factory=list)
    """Every ServiceRequest that stands, whatever its code."""
    unplaced: list[Fact] = field(default_factory=list)
    """Imaging studies with those of their modalities of which no code tells here what was imaged, newest first; with
    none where the modality is not told."""
    drafts: Record | None = None
    """Orders in the making, read like a record of their own; None where the hook has none."""
    unrecognised: list[Fact] = field(default_factory=list)
    """Drugs of no concept that could not be told: a reference that leads nowhere, no code at all, or none of a code
    system that is known here (the G-Standaard's, say, without ATC beside it and not in the site's ConceptMap)."""
    untold: list[Fact] = field(default_factory=list)
    """Drugs of no concept that may be any: known by a text alone, or by a code of a system of which only the
    ingredients are known here (an RxNorm product)."""
    supposed: list[Fact] = field(default_factory=list)
    """Drugs of no concept that are taken for others than ours: the site maps what matters of their code system, and not
    them. Their texts are read still, in case it missed one. Among drafts, plans of a whole treatment, too
    (``cds.record.plans``)."""
    written: list[Fact] = field(default_factory=list)
    """Among drafts: the drugs that the texts of ``unrecognised``, ``untold`` and ``supposed`` name as to be given, a
    fact each. Read only for inputs that ask for it (``named_in_text``)."""
    ahead: list[Fact] = field(default_factory=list)
    """Drugs of a concept that are dated later than now: of no concern to a model, and an order of one stands."""
    ended: list[Fact] = field(default_factory=list)
    """Among drafts: drugs, of no concept too, whose order is signed to end it, or does not stand; none of them is being
    ordered."""
    stops: list[Fact] = field(default_factory=list)
    """Agreements to stop a drug that don't say which order they end, and so end every one of it; among drafts they are
    of ``ended`` too, and on record those end what was ordered before their day."""
    replaced: set[str] = field(default_factory=set)
    """``Type/id`` of the orders in whose place drafts come (``priorPrescription``), or that were stopped on record."""
    foreign: int = 0
    """Resources of another patient, or of nobody, that were not used."""
    malformed: int = 0
    """Resources that can't be read, or whose modifiers can't."""
    problems: int = 0
    """Conditions that stand, with a code of a system that is known here, of a concept or not."""
    uncoded: int = 0
    """Conditions that stand and have none: a text alone, or codes of systems that nobody mapped."""
    day: date | None = None
    """Of ``now``, in the hospital; None: in UTC."""
    language: str | None = None
    """That the patient speaks (``cds.record.language``); for the committee alone."""

    @property
    def today(self) -> date:
        return self.day or self.now.date()

    @property
    def unnamed(self) -> int:
        """Drugs that could not be told."""
        return len(self.unrecognised)

    @property
    def all_uncoded(self) -> bool:
        """There are problems, and nobody here could read one of them."""
        return self.uncoded > 0 and self.problems == 0

    @property
    def lost(self) -> int:
        """Resources that were sent and are not in the record."""
        return self.unnamed + self.foreign + self.malformed

    @property
    def age(self) -> int | None:
        return None if self.birth is None else completed_years(self.birth, self.now)

    def age_at(self, at: datetime) -> float | None:
        return None if self.birth is None else years_between(self.birth, at)

    def of(self, *concepts: str) -> list[Fact]:
        """Facts of any of the concepts, newest first."""
        if len(concepts) == 1:
            return self.facts.get(concepts[0], [])
        found = [fact for name in concepts for fact in self.facts.get(name, ())]
        found.sort(key=_newest_first)
        return found

    def has(self, *concepts: str, within_days: float | None = None) -> Fact | None:
        """The newest fact of any of the concepts, if there is one (in the last ``within_days``)."""
        for fact in self.of(*concepts):
            if within_days is None:
                return fact
            if fact.when is not None and fact.when.days_before(self.now) <= within_days:
                return fact
        return None

    def known_for(self, *concepts: str, longer_than: float, risen: datetime | None = None) -> Fact | None:
        """The newest fact older than that many days; suspicions aside. ``risen``: when a measurement rose from a lower
        one, which what was called off could not be part of. It could be all the same where that is in remission, or
        where an active entry followed it before that moment: then it was coded anew, and never over."""
        old = self._before(longer_than, *concepts)
        if risen is None:
            return next(iter(old), None)
        told = (f.when for f in self.of(*concepts) if f.when and f.status != "inactive" and not f.provisional)
        again = max((when.middle for when in told if when.latest < risen), default=None)
        return next((f for f in old if f.status != "inactive" or f.remission or _before_that(f, again)), None)

    def once_for(self, *concepts: str, longer_than: float, at_least: float | None) -> Fact | None:
        """The newest fact older than that many days, or else one without a date, suspicions aside; of measurements, the
        newest of ``at_least``. What was called off counts, and so does what a lower value followed; where there is none
        of those, a measurement that can't be read and may have been as high: without a value, and as sent."""
        told = self.of(*concepts)
        undated = (f for f in told if f.when is None and not f.provisional)
        old = (*self._before(longer_than, *concepts), *undated) if told else ()
        found = next((f for f in old if at_least is None or f.reaches(at_least)), None)
        return found if found is not None or at_least is None else self._not_read(concepts, longer_than, at_least)

    def _not_read(self, concepts: tuple[str, ...], longer_than: float, at_least: float) -> Fact | None:
        for one in self.refused:
            if one.concept not in concepts or one.reason not in UNREADABLE or one.when is None:
                continue
            if one.when.days_before(self.now) > longer_than and (one.highest is None or one.highest >= at_least):
                return Fact(one.concept, one.source, one.when, original=one.detail)
        return None

    def measured_for(
        self, *concepts: str, longer_than: float, at_least: float, beside: Mapping[str, float]
    ) -> Fact | None:
        """The newest measurement of ``at_least`` that is older than that many days. A single high value with a lower
        one of that age after it is no diagnosis, and does not count. ``beside``: limits of other concepts, by which it
        is confirmed or contradicted as well."""
        found = next((f for f in self._before(longer_than, *concepts) if f.reaches(at_least)), None)
        if found is None or found.when is None:
            return found
        limits = {**beside, **dict.fromkeys(concepts, at_least)}
        old = self._before(longer_than, *limits)
        if taken_on(f for f in old if f.reaches(limits[f.concept])) > 1:
            return found
        since = (f for f in old if f.when is not None and f.when.middle > found.when.middle)
        return None if any(f.reaches(limits[f.concept]) is False for f in since) else found

    def _before(self, longer_than: float, *concepts: str) -> list[Fact]:
        told = (f for f in self.of(*concepts) if f.when is not None and f.when.days_before(self.now) > longer_than)
        return [f for f in told if not f.provisional]

    def add(self, fact: Fact) -> None:
        self.facts.setdefault(fact.concept, []).append(fact)

    def arrange(self) -> None:
        for facts in (*self.facts.values(), *self.negative.values(), self.unplaced):
            if len(facts) > 1:
                facts.sort(key=_newest_first)
        if len(self.refused) > 1:
            self.refused.sort(key=_newest_first)


def taken_on(measured: Iterable[Fact]) -> int:
    """How many times something was measured: two values of one concept and one day are one sample in two units."""
    return len({(f.concept, f.when.middle.date()) for f in measured if f.when is not None})


def _before_that(fact: Fact, moment: datetime | None) -> bool:
    return moment is not None and fact.when is not None and fact.when.middle < moment


def _newest_first(fact: Fact | Refused) -> float:
    return -fact.when.stamp if fact.when is not None else float("inf")
