"""What became of the patients whom a policy would and would not have alerted: found, missed, and how sure that is.

A patient counts once, from the first call on. Whoever had the outcome before is no case to be found; whoever was not
followed long enough, and has not had it, is not known yet and counts neither way. Both are stated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import sqrt
from statistics import NormalDist

from cds.ledger.past import Outcome

NEEDED = 100
"""Events below which no figure of PPV or sensitivity is given."""
_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Cohort:
    """Patients with a known end."""

    cases: frozenset[str]
    others: frozenset[str]
    before: int
    """Had the outcome before the first call."""
    unknown: int
    """Not followed long enough."""

    @property
    def n(self) -> int:
        return len(self.cases) + len(self.others)


def cohort(first: Mapping[str, datetime], outcomes: Iterable[Outcome], within_days: int, end: datetime) -> Cohort:
    """``first``: patient -> first call. ``end``: until when outcomes are known."""
    had: dict[str, datetime] = {}
    for one in outcomes:
        if one.patient in first:
            had[one.patient] = min(one.at, had.get(one.patient, one.at))
    within = timedelta(days=within_days)
    cases, others, before, unknown = set(), set(), 0, 0
    for patient, called in first.items():
        at = had.get(patient)
        if at is not None and at < called:
            before += 1
        elif at is not None and at <= called + within:
            cases.add(patient)
        elif called + within <= end:
            others.add(patient)
        else:
            unknown += 1
    return Cohort(frozenset(cases), frozenset(others), before, unknown)


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
        share, z2 = self.value, _Z**2 / self.of
        middle, reach = share + z2 / 2, _Z * sqrt(share * (1 - share) / self.of + z2 / (4 * self.of))
        low, high = (middle - reach) / (1 + z2), (middle + reach) / (1 + z2)
        return (0.0 if self.part == 0 else low), (1.0 if self.part == self.of else high)


@dataclass(frozen=True)
class Found:
    """Of the cases, those alerted; of the alerted, the cases."""

    ppv: Share | None
    """None: nobody was alerted."""
    sensitivity: Share | None
    missed: Share | None

    @classmethod
    def of(cls, cohort: Cohort, alerted: Set[str]) -> Found:
        known = len(cohort.cases & alerted) + len(cohort.others & alerted)
        hits = len(cohort.cases & alerted)
        cases = len(cohort.cases)
        return cls(
            Share(hits, known) if known else None,
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


def net_benefit(cohort: Cohort, alerted: Set[str], threshold: float) -> float:
    """Vickers and Elkin 2006 (doi:10.1177/0272989X06295361): true positives less false ones, weighed by the odds of the
    risk at which one would act, per patient."""
    true, false = len(cohort.cases & alerted), len(cohort.others & alerted)
    return (true - false * threshold / (1 - threshold)) / cohort.n


def net_benefit_of_all(cohort: Cohort, threshold: float) -> float:
    """Had everybody been alerted."""
    return (len(cohort.cases) - len(cohort.others) * threshold / (1 - threshold)) / cohort.n
