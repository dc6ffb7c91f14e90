"""What became of the patients whom a policy would and would not have alerted: found, missed, and how sure that is.

A patient counts once, from the first call on. Whoever had the outcome before is no case to be found; whoever was not
followed long enough, and has not had it, is not known yet and counts neither way. Both are stated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from cds.committee.charter import Charter
from cds.committee.follow import MONTH_DAYS, Ascertainment, follow
from cds.ledger.past import Became
from cds.measures.proportions import wilson_counts
from cds.preview.cells import rounded
from cds.record.inputs import days
from cds.record.moments import day_beside

NEEDED = 100
"""Events below which no figure of PPV or sensitivity is given."""


@dataclass(frozen=True)
class Outcomes:
    """What the committee knows of what became of patients, and how it reads that."""

    charter: Charter
    became: Mapping[str, Became]
    """By client."""
    now: datetime


@dataclass(frozen=True)
class Cohort:
    """Patients with a known end."""

    cases: frozenset[str]
    others: frozenset[str]
    before: int
    """Had the outcome before the first call."""
    unknown: int
    """Not followed long enough."""
    told: tuple[Ascertainment, ...] = ()
    """How the outcomes came to be known, one a client."""

    @property
    def n(self) -> int:
        return len(self.cases) + len(self.others)


def cohort(first: Mapping[tuple[str, str], datetime], outcome: str, within_days: int, known: Outcomes) -> Cohort:
    """``first``: (client, patient) -> first call. Followed as the committee follows. Whoever could not be followed for
    the whole time yet counts neither way, with the outcome or without: cases alone would make it look commoner."""
    by_client: dict[str, list[tuple[str, datetime]]] = defaultdict(list)
    for (client, patient), at in first.items():
        by_client[client].append((patient, at))
    mature = known.now.date() - timedelta(days=days(known.charter.maturity))
    cases, others, before, unknown, told = set[str](), set[str](), 0, 0, []
    for client, who in sorted(by_client.items()):
        became = known.became.get(client, Became())
        found = follow(who, outcome, known.charter, became.events, became.sweeps, became.contacts, known.now)
        before += found.ascertainment.earlier
        told.append(found.ascertainment)
        end = found.ascertainment.through or mature
        kept = [person for person, stays in zip(who, found.kept.tolist(), strict=True) if stays]
        people = zip(kept, found.people.months.tolist(), found.people.event.tolist(), strict=True)
        for (patient, at), months, ended in people:
            followed = round(months * MONTH_DAYS)
            if day_beside(at, known.now) + timedelta(days=within_days) > end:
                unknown += 1
            elif ended and followed <= within_days:
                cases.add(patient)
            elif followed >= within_days:
                others.add(patient)
            else:
                unknown += 1
    return Cohort(frozenset(cases), frozenset(others), before, unknown, tuple(told))


@dataclass(frozen=True)
class Share:
    """A proportion with its 95% interval (Wilson)."""

    part: int
    of: int

    @property
    def value(self) -> float:
        return self.part / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """Unlike the plain interval, it does not claim that what was never seen can't happen."""
        found = wilson_counts(self.part, self.of)
        return found.lower, found.upper


@dataclass(frozen=True)
class Found:
    """Of the cases, those alerted; of the alerted, the cases."""

    ppv: Share | None
    """None: nobody was alerted."""
    sensitivity: Share | None
    missed: Share | None

    @classmethod
    def of(cls, cohort: Cohort, alerted: Set[str], least: int = 1) -> Found:
        """``least``: to which counts are rounded, where their exact shares would tell a hidden one. That all are found
        is told as it is, and never of a policy that misses one."""
        cases = len(cohort.cases)
        found = len(cohort.cases & alerted)
        known = rounded(found + len(cohort.others & alerted), least)
        hits = found if found == cases else min(rounded(found, least), (cases - 1) // least * least)
        return cls(
            Share(min(hits, known), known) if known else None,
            Share(hits, cases) if cases else None,
            Share(cases - hits, cases) if cases else None,
        )


@dataclass(frozen=True)
class Lack:
    """Why no figure is given."""

    code: str
    """``no_case``, ``too_few_cases`` or ``too_few_others``."""
    count: int
    needed: int


def lacking(cohort: Cohort, needed: int) -> Lack | None:
    """None where figures can be given."""
    if not cohort.cases:
        return Lack("no_case", 0, needed)
    if len(cohort.cases) < needed:
        return Lack("too_few_cases", len(cohort.cases), needed)
    if len(cohort.others) < needed:
        return Lack("too_few_others", len(cohort.others), needed)
    return None


def net_benefit(cohort: Cohort, alerted: Set[str], threshold: float, least: int = 1) -> float:
    """Vickers and Elkin 2006 (doi:10.1177/0272989X06295361): true positives less false ones, weighed by the odds of the
    risk at which one would act, per patient. ``least``: to which both are rounded."""
    true, false = (rounded(len(each & alerted), least) for each in (cohort.cases, cohort.others))
    return (true - false * threshold / (1 - threshold)) / cohort.n


def net_benefit_of_all(cohort: Cohort, threshold: float) -> float:
    """Had everybody been alerted."""
    return (len(cohort.cases) - len(cohort.others) * threshold / (1 - threshold)) / cohort.n
