"""Is this the first line of treatment of the metastatic disease, and how far into it is the patient?

The survival models were made at the start of first-line treatment. A second line is another population, with a worse
outlook; a late cycle has lived part of the estimate already.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cds.record.facts import Fact, Record
from hooks import regimens
from hooks.drug_names import PARTNER
from hooks.regimens import Recognised
from hooks.stage import Extent
from hooks.used_elsewhere import used_elsewhere

# Drugs given longer ago than half a year, and before the disease was known to have spread, are taken for an adjuvant
# course and make no second line. The half year is this product's choice; the models' cohorts do not settle it.
_ADJUVANT_DAYS = 183.0
_LATE_DAYS = 91.0
_NEXT_CYCLE_DAYS = 7.0
_RESCUE = "leucovorin"
"""Given beside a cancer drug, and none itself."""


@dataclass(frozen=True)
class Line:
    """``first`` (about to start), ``later-cycle`` (the same regimen, begun up to three months ago), ``not-first``."""

    kind: str
    begun: Fact | None = None
    """The first of the regimen's own drugs; where it is not the first line by another drug, the newest such."""
    untold: tuple[Fact, ...] = ()
    """Drugs given when an earlier line would have been, of which neither code nor text tells what they were; each once,
    however often it was given."""
    elsewhere: tuple[Fact, ...] = ()
    """Drugs given then that may have been for another disease; each once."""
    undated: tuple[Fact, ...] = ()
    """Cancer drugs given on a day that nobody recorded; each once."""


def line(record: Record, found: Recognised, extent: Extent) -> Line:
    if found.after is not None:
        return Line("not-first", found.after)
    ordered = {regimens.plain(fact) for fact in found.drugs} | {_RESCUE}  # ordered or not
    counted = [f for f in regimens.previous(record) if _counts(f, record, extent)]
    elsewhere = _each(f for f in counted if used_elsewhere(f))
    earlier = [f for f in counted if not used_elsewhere(f)]
    others = [f for f in earlier if not regimens.is_one_of(f, ordered)]
    if others:
        return Line("not-first", others[0])
    begun = earlier[-1] if earlier else None
    if begun is None or begun.when is None or begun.when.days_before(record.now) <= _NEXT_CYCLE_DAYS:
        return Line("first", None, _untold(record, extent), elsewhere, _undated(record))
    kind = "not-first" if begun.when.days_before(record.now) > _LATE_DAYS else "later-cycle"
    return Line(kind, begun, _untold(record, extent), elsewhere, _undated(record))


def _undated(record: Record) -> tuple[Fact, ...]:
    """What stands ordered without a day may be of this cycle (``regimens.unplaced``): of that nobody says when."""
    told = record.of(*regimens.DRUGS, PARTNER)
    ours = (f for f in told if f.when is None and f.status not in ("active", "draft") and f.concept != _RESCUE)
    return _each(f for f in ours if not used_elsewhere(f))


def _untold(record: Record, extent: Extent) -> tuple[Fact, ...]:
    given = (f for f in record.untold if regimens.before_this_cycle(f, record) and _counts(f, record, extent))
    return tuple(fact for fact in _each(given) if not regimens.named(fact))


def _each(drugs: Iterable[Fact]) -> tuple[Fact, ...]:
    each: dict[tuple[object, ...], Fact] = {}
    for fact in drugs:
        each.setdefault((fact.title.lower(), fact.codes), fact)
    return tuple(each.values())


def _counts(fact: Fact, record: Record, extent: Extent) -> bool:
    """Given for the metastatic disease, or so shortly before it that the disease came back under it."""
    if fact.when is None:
        return False
    if fact.when.days_before(record.now) <= _ADJUVANT_DAYS:
        return True
    since = extent.since.when if extent.since else None
    return since is not None and fact.when.middle >= since.earliest
