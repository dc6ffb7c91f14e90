"""From predictions and events to follow-up: who had the outcome when, who was free of it until when, who was looked at.

What is assumed on the way is kept beside the numbers, because each of it bends them: how late the record is, what
silence means, and that people with a card are looked at more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from cds.committee.charter import Charter
from cds.ledger.outcomes import OutcomeEvent, Sweep
from cds.measures.censoring import Followed
from cds.measures.estimate import Flags
from cds.record.inputs import DAYS, days
from cds.record.moments import day_beside

MONTH_DAYS = DAYS["m"]


@dataclass(frozen=True)
class Ascertainment:
    """How the outcomes of a cohort came to be known; told with every measure that rests on them."""

    outcome: str
    sources: tuple[str, ...]
    """Such as ``fhir`` or ``registry:national``."""
    through: date | None
    """Up to this day, maturity taken off, silence counts as free of the outcome. None: it never does."""
    maturity: str
    follow: str
    """``sweep`` or ``contact``: see the charter."""
    earlier: int
    """People left out because they had the outcome already."""
    faults: tuple[str, ...]
    """Of the newest sweep of each source."""

    @property
    def told(self) -> tuple[str, ...]:
        """The assumptions as sentences, for commands and reports in English."""
        if self.through is None:
            known = "no source is complete, so people count as free of it only up to the day they were last seen"
        elif self.follow == "contact":
            known = f"people are followed to the day they were last seen, {self.through} at the latest"
        else:
            known = f"people without it count as free of it until {self.through}: who went elsewhere can't be told"
        lines = [
            f"outcomes from {', '.join(self.sources) or 'nowhere'}; {known}",
            f"the newest {self.maturity} are left out, since outcomes reach the record late",
            "people with a card are looked at more often, which makes sensitivity look better than it is",
        ]
        if self.earlier:
            lines.append(f"{self.earlier} people had it before they were predicted and are left out")
        return (*lines, *(f"could not be asked: {fault}" for fault in self.faults))


@dataclass(frozen=True)
class FollowUp:
    """In the order of the people that were asked about; ``kept`` says whose rows these are."""

    kept: Flags
    people: Followed
    looked: Flags
    """Somebody looked for the outcome, or found it, before follow-up ended."""
    ascertainment: Ascertainment


def follow(
    who: Sequence[tuple[str, datetime]],
    outcome: str,
    charter: Charter,
    events: Iterable[OutcomeEvent],
    sweeps: Iterable[Sweep],
    contacts: Mapping[str, datetime],
    now: datetime,
) -> FollowUp:
    """``who``: patient key and moment of the prediction; each patient once."""
    through, sources, faults = _known(outcome, sweeps)
    mature = now.date() - timedelta(days=days(charter.maturity))
    until = min(through, mature) if through is not None else None
    rule = charter.follow if until is not None else "contact"
    by_patient: defaultdict[str, list[OutcomeEvent]] = defaultdict(list)
    for event in events:
        by_patient[event.patient_key].append(event)
    kept, months, ended, looked = [], list[float](), list[bool](), list[bool]()
    for key, at in who:
        mine = by_patient.get(key, ())
        start = day_beside(at, now)
        first = min((e.day for e in mine if e.kind == "event" and e.outcome == outcome), default=None)
        if first is not None and first <= start:
            kept.append(False)
            continue
        kept.append(True)
        end = _end(mine, outcome, start, until or mature, rule, _day(contacts.get(key), now), charter)
        happened = first is not None and first <= end
        last = first if happened and first is not None else end
        months.append(max(0, (last - start).days) / MONTH_DAYS)
        ended.append(happened)
        seen = any(e.kind == "looked" and e.outcome == outcome and start <= e.day <= last for e in mine)
        looked.append(seen or happened)
    told = Ascertainment(outcome, sources, until, charter.maturity, rule, len(kept) - sum(kept), faults)
    flags = np.asarray(kept, dtype=bool)
    return FollowUp(
        flags, Followed(np.asarray(months, dtype=np.float64), np.asarray(ended, dtype=bool)),
        np.asarray(looked, dtype=bool), told,
    )  # fmt: skip


def _day(at: datetime | None, now: datetime) -> date | None:
    return day_beside(at, now) if at is not None else None


def _end(
    mine: Sequence[OutcomeEvent],
    outcome: str,
    start: date,
    until: date,
    rule: str,
    contact: date | None,
    charter: Charter,
) -> date:
    """The last day somebody is known to be free of the outcome, if it did not come."""
    if rule == "sweep":
        return max(start, until)
    fatal = charter.outcomes[outcome].death
    died = any(e.kind == "event" and e.outcome in charter.outcomes and charter.outcomes[e.outcome].death for e in mine)
    if died and not fatal:
        # whoever has died of something else will not get it any more, and that is known for good
        return max(start, until)
    # an event of the outcome itself is a day the patient was seen, too: else it would lie behind the end
    seen = [e.day for e in mine if e.day <= until]
    if contact is not None:
        seen.append(min(contact, until))
    return max([start, *seen])


def _known(outcome: str, sweeps: Iterable[Sweep]) -> tuple[date | None, tuple[str, ...], tuple[str, ...]]:
    """(complete up to, sources, faults of the newest sweep of each)"""
    newest: dict[str, Sweep] = {}
    through: date | None = None
    for sweep in sweeps:  # newest first
        name = f"{sweep.source}:{sweep.name}" if sweep.name else sweep.source
        newest.setdefault(name, sweep)
        if sweep.through is not None and outcome in sweep.outcomes:
            through = sweep.through if through is None else max(through, sweep.through)
    faults = tuple(fault for sweep in newest.values() for fault in sweep.faults)
    return through, tuple(sorted(newest)), faults
