"""Bilirubin so high that jaundice usually shows, where nobody has recorded jaundice.

The guideline's criterion is the sign. A laboratory value is told as what it is, and asks somebody to look.
"""

from __future__ import annotations

import msgspec

from cds.record.facts import Fact, Record

BILIRUBIN, DIRECT = "bilirubin-total", "bilirubin-direct"
EXPLAINED = ("unconjugated-hyperbilirubinaemia", "liver-disease")
READS = (BILIRUBIN, DIRECT, *EXPLAINED)

USUALLY_SHOWS = 3.0
"""mg/dL (51 µmol/L), from which jaundice is typically apparent: Am Fam Physician 2025;111(1):25-30."""
LEVEL_URL = "https://www.aafp.org/pubs/afp/issues/2025/0100/jaundice.html"
UMOL_PER_MG_DL = 17.1
"""Molar mass 584.66 g/mol."""
_UNCONJUGATED_BELOW = 0.2
"""Share of direct bilirubin below which the excess is taken as unconjugated, as in haemolysis and Gilbert's syndrome. A
fifth is a convention, not a figure of the source above; kept low, so that doubt leaves the value standing."""
_SAME_SAMPLE_DAYS = 1.0
_MOST = 20


class Reading(msgspec.Struct, frozen=True, omit_defaults=True):
    """A total bilirubin; enough to judge it again under another limit."""

    days: float
    """Before the call."""
    value: float
    """mg/dL; of one known as a bound only, what it is at least."""
    unconjugated: bool = False


def readings(record: Record) -> tuple[Reading, ...]:
    """Newest first. None where a cause is on the problem list that is not the bile duct's."""
    if any(fact.status != "inactive" and not fact.provisional for fact in record.of(*EXPLAINED)):
        return ()
    found = (_reading(record, fact) for fact in record.of(BILIRUBIN)[:_MOST])
    return tuple(one for one in found if one is not None)


def newest(record: Record) -> Fact | None:
    """The fact behind the first of ``readings``."""
    return next((fact for fact in record.of(BILIRUBIN)[:_MOST] if _reading(record, fact) is not None), None)


def raised_since(found: tuple[Reading, ...], at_least: float, within_days: float) -> float | None:
    """For how many days no value has been lower; None when the newest is lower, unconjugated or old. Later values of
    one rise are no new finding: imaging made after the first has seen to it."""
    since = None
    for one in found:
        if one.value < at_least or one.unconjugated or one.days > within_days:
            break
        since = one.days
    return since


def _reading(record: Record, fact: Fact) -> Reading | None:
    if fact.when is None or fact.value is None or fact.comparator in ("<", "<="):
        return None
    days = fact.when.days_before(record.now)
    direct = (
        other.value
        for other in record.of(DIRECT)
        if other.when is not None
        and other.value is not None
        and other.comparator not in (">", ">=")
        and abs(other.when.days_before(record.now) - days) <= _SAME_SAMPLE_DAYS
    )
    share = next(direct, fact.value)
    return Reading(days, fact.value, unconjugated=share < _UNCONJUGATED_BELOW * fact.value)
