"""The committee's evaluation of a simulated hospital, day after day, straight from its columns.

What ``cds.committee.evaluate`` reads from a ledger row by row is cut from arrays here, so that years take seconds;
every measure, limit and verdict is the committee's own. A test writes a hospital into a ledger and finds both ways
equal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, cast

import numpy as np

from cds.committee.burden import answered, burdened
from cds.committee.cohort import Cohort, Target
from cds.committee.findings import Finding
from cds.committee.follow import MONTH_DAYS, Ascertainment, FollowUp
from cds.committee.steadiness import reached
from cds.committee.watch_arrival import Risked, arriving
from cds.committee.watch_inputs import Seen, drifting, failing
from cds.committee.watch_outcomes import judged
from cds.ledger.response import GivenCard
from cds.ledger.verdicts import Verdict
from cds.measures.censoring import Followed
from cds.measures.estimate import Flags
from cds.measures.fairness import bands
from cds.record.inputs import days
from cds.simulation.hospital import FOUND, STATES, SWEEP_D, Drawn, Whole, threshold
from cds.simulation.subject import charter, manifest

SITE = "simulated"
_REMEMBERED = 60
"""Verdicts: as many as the ledger's history gives."""


@dataclass(frozen=True)
class Day:
    """One evaluation, at noon."""

    day: int
    verdict: Verdict


class Watcher:
    """Of one hospital; ask for its days in order, since a verdict rests on those before it."""

    def __init__(self, hospital: Drawn, outcomes_every: int = 1) -> None:
        """``outcomes_every``: days for which what was found of outcomes is kept; they only arrive once a week."""
        self._h = hospital
        self._outcomes_every = outcomes_every
        self._kept: tuple[int, list[Finding]] | None = None
        self._charter = charter()
        self._manifest = manifest()
        self._past: list[Verdict] = []
        self._card_rows = np.flatnonzero(hospital.carded)
        self._given = [self._card(int(row)) for row in self._card_rows]
        self._columns = {spec.name: n for n, spec in enumerate(self._manifest.inputs)}

    def over(self, first: int, last: int, every: int = 1) -> Iterator[Day]:
        for day in range(first, last, every):
            yield self.on(day)

    def on(self, day: int) -> Day:
        """The verdict of this day. A stop is told and changes nothing: the hospital goes on, so that more is seen."""
        findings = self.findings(day)
        now = self.moment(day)
        found = reached(findings, self._past, self._charter.steadiness, now, stopped=False)
        verdict = Verdict(
            id=str(day), at=now, model=self._manifest.id, site=SITE, model_version=self._manifest.version,
            charter_version=self._charter.version, since=now - self._length(self._charter.period), until=now,
            level=found.level, raised=found.raised, streak=found.streak,
            findings=tuple(f.plain for f in findings),
        )  # fmt: skip
        self._past = [verdict, *self._past[: _REMEMBERED - 1]]
        return Day(day, verdict)

    def moment(self, day: float) -> datetime:
        """Evaluations are at noon of a day."""
        start = datetime.combine(self._h.plan.start, time(12), UTC)
        return start + timedelta(days=day)

    @staticmethod
    def _length(text: str) -> timedelta:
        return timedelta(days=days(text))

    def findings(self, day: int) -> list[Finding]:
        now, at = day + 0.5, self._h.at
        start = now - days(self._charter.period)
        ends = np.searchsorted(at, [start - days(self._charter.baseline), start, now - days(self._charter.quick), now])
        oldest, begin, quick, end = (int(e) for e in ends)
        before, recent = self._seen(oldest, begin), self._seen(begin, end)
        few = 3 * self._charter.minimum.share
        if end - quick < few:
            quick = max(begin, end - few)
        found = failing(self._seen(quick, end), before, self._manifest, self._charter)
        found += drifting(recent, before, self._manifest, self._charter)
        if self._kept is None or day - self._kept[0] >= self._outcomes_every:
            self._kept = day, self._outcomes(day, end)
        return found + self._kept[1] + self._burden(oldest, begin, end)

    def _seen(self, begin: int, end: int) -> Seen:
        h, rows = self._h, slice(begin, end)
        found = Seen(rows=end - begin, failed=0)
        fresh = np.zeros(end - begin, dtype=bool)
        fresh[np.unique(h.person[rows], return_index=True)[1]] = True
        for name, n in self._columns.items():
            states = h.states[rows, n]
            counts = np.bincount(states, minlength=len(STATES))
            found.states[name] = Counter({s: int(c) for s, c in zip(STATES, counts, strict=True) if c})
            kept = h.values[rows, n][fresh & (states == FOUND)]
            if len(kept):
                found.values[name] = _listed(kept)
        told = h.risk[rows][fresh & h.answered[rows]]
        if len(told):
            found.answers[self._manifest.outputs[0].name] = _listed(told)
        return found

    def _outcomes(self, day: int, end: int) -> list[Finding]:
        h = self._h
        rows = np.flatnonzero(h.answered[:end])
        rows = rows[np.sort(np.unique(h.person[rows], return_index=True)[1])]
        people = Cohort((), h.risk[rows], h.carded[rows])
        horizon = days(str(self._manifest.outputs[0].horizon))
        target = Target(self._manifest.outputs[0], horizon / MONTH_DAYS, threshold())
        groups = self._groups(rows)
        found = judged(self._manifest.id, people, self._follow(rows, day), target, self._charter, groups)
        event, known = np.full(h.people, np.nan), np.full(h.people, np.nan)
        event[h.event_person], known[h.event_person] = h.event_day, h.event_known
        known[known > day] = np.nan
        mine = h.person[rows]
        risked = Risked(np.floor(h.at[rows]), event[mine], known[mine])
        asked = [float(d) for d in range(0, day + 1, SWEEP_D)]
        return [*found, arriving(self._manifest.id, "fhir", risked, asked, horizon, self._charter)]

    def _follow(self, rows: Whole, day: int) -> FollowUp:
        """As ``cds.committee.follow`` does with ``follow: sweep``."""
        h = self._h
        until = min(day // SWEEP_D * SWEEP_D, day - int(days(self._charter.maturity)))
        start = h.at[rows].astype(np.int64)
        known = h.event_known <= day
        first = np.full(h.people, np.iinfo(np.int64).max)
        first[h.event_person[known]] = h.event_day[known]
        mine = first[h.person[rows]]
        kept = mine > start
        end = np.maximum(start, until)
        happened = mine <= end
        months = np.maximum(0, np.where(happened, mine, end) - start) / MONTH_DAYS
        told = Ascertainment("event", (), None, self._charter.maturity, "sweep", int((~kept).sum()), ())
        return FollowUp(kept, Followed(months[kept], happened[kept]), happened[kept], told)

    def _groups(self, rows: Whole) -> dict[str, dict[str, Flags]]:
        h, place = self._h, self._columns
        male, smoker = h.values[rows, place["male"]], h.values[rows, place["smoker"]]
        age = np.asarray(h.values[rows, place["age"]])
        return {
            "sex": {"male": male == 1, "female": male == 0},
            "age": bands(age, self._charter.subgroups["age"].bands),
            "language": {"en": ~h.dutch[rows], "nl": h.dutch[rows]},
            "smoker": {"yes": smoker == 1, "no": smoker == 0},
        }

    def _burden(self, oldest: int, begin: int, end: int) -> list[Finding]:
        cards, before = self._cards(begin, end), self._cards(oldest, begin)
        return [
            *burdened(self._manifest.id, end - begin, cards, self._charter),
            answered(self._manifest.id, cards, before, self._charter),
        ]

    def _cards(self, begin: int, end: int) -> list[GivenCard]:
        first, last = np.searchsorted(self._card_rows, [begin, end])
        return self._given[first:last]

    def _card(self, row: int) -> GivenCard:
        h = self._h
        outcome = "accepted" if h.accepted[row] else "overridden" if h.overridden[row] else None
        at = self.moment(float(h.at[row]) - 0.5)
        person, clinician = str(h.person[row]), str(h.clinician[row])
        return GivenCard(str(row), at, person, clinician, "risk", opened=False, outcome=outcome, reason=None)


def _listed(values: Any) -> list[float]:
    """An array where the committee's rows make a list: its measures take both."""
    return cast(list[float], values)
