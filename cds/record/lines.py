"""Lines of treatment, told from the drugs ordered and given: which one is this, and when did it begin?

A line ends with a long pause, or when a drug is added after the line's first weeks. Formulations that share their
ingredient's code are one drug, so a change between them begins no line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cds.record.facts import Fact

JOINS_DAYS = 7.0
"""A drug first given this long after a line began still belongs to it: not all of a combination starts on one day.
After that it is another regimen. This product's choice."""


@dataclass
class Line:
    began: datetime
    facts: list[Fact] = field(default_factory=list)
    """Oldest first."""
    drugs: set[str] = field(default_factory=set)


def lines(given: Sequence[Fact], ordered: Sequence[Fact], now: datetime, gap: float) -> list[Line]:
    """Oldest first. ``given``: dated drugs of the record; ``ordered``: drugs in the making, which start now; ``gap``: a
    longer pause, in days, ends a line."""
    dated = sorted(((f.when.middle, f) for f in given if f.when is not None), key=lambda pair: pair[0])
    found: list[Line] = []
    newest: datetime | None = None
    for at, fact in [*dated, *((now, f) for f in ordered)]:
        line = found[-1] if found else None
        if line is None or newest is None or _days(newest, at) > gap or _adds(line, fact, at):
            line = Line(at)
            found.append(line)
        line.facts.append(fact)
        line.drugs.add(fact.concept)
        newest = at
    return found


def _adds(line: Line, fact: Fact, at: datetime) -> bool:
    return fact.concept not in line.drugs and _days(line.began, at) > JOINS_DAYS


def _days(earlier: datetime, later: datetime) -> float:
    return (later - earlier).total_seconds() / 86400
