"""Is the cancer confirmed, and is it known to have spread? No survival is shown before both are settled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from cds.record.facts import Fact, Record

# nodes are not among them: their code does not tell a regional node (N) from a distant one (M)
METASTASES = ("metastasis-liver", "metastasis-peritoneum", "metastasis-lung", "metastasis-any")
_STAGING = ("stage-group", "tnm-m")
_SPREAD = frozenset({"stage-iv", "m1"})
READS = (
    "pancreatic-cancer",
    "pancreatic-neuroendocrine",
    "other-primary-cancer",
    *_STAGING,
    "stage-iv",
    "m1",
    *METASTASES,
)

# staging work-up begins before the diagnosis is entered
_BEFORE_DIAGNOSIS = timedelta(days=90)


@dataclass(frozen=True)
class Extent:
    """``known``: ``metastatic``, ``not-metastatic``, ``unknown`` (stage not found), ``unread-stage`` (the newest
    staging is one that can't be read here), ``conflict`` (the record contradicts itself), ``another-cancer`` (the
    metastases may be those of another one on record), ``unverified`` (the diagnosis is not marked confirmed), ``over``
    (it is no longer active, and metastases or a stage that says so came after it), ``absent`` (there is none)."""

    known: str
    facts: tuple[Fact, ...] = ()
    since: Fact | None = None
    """Metastatic: the fact that first says so."""


def extent(record: Record) -> Extent:
    """The newest staging decides, from the diagnosis on; coded metastases count where no later staging denies them."""
    diagnoses = [f for f in record.of("pancreatic-cancer") if not f.provisional and f.status != "inactive"]
    confirmed = [f for f in diagnoses if f.verification == "confirmed"]
    if not confirmed:
        return Extent("unverified", tuple(diagnoses[:1])) if diagnoses else _over(record)
    cancer = confirmed[-1]
    staged = [f for f in record.of(*_STAGING) if f.answers and _after(f, cancer)]
    spread = [f for f in record.of(*METASTASES) if _stands(f) and _after(f, cancer)]
    if _contradict([f for f in staged if _same_day(f, staged[0])]):
        return Extent("conflict", (cancer, staged[0]))
    if staged and _SPREAD & set(staged[0].answers):
        says = [f for f in staged if _SPREAD & set(f.answers)]
        return Extent("metastatic", (cancer, says[0]), says[-1])
    if spread and any(_stands(f) for f in record.of("other-primary-cancer")):
        return Extent("another-cancer", (cancer, spread[0]))
    if spread and (not staged or _later(spread[0], staged[0])):
        return Extent("metastatic", (cancer, *spread[:2]), spread[-1])
    if spread:
        return Extent("conflict", (cancer, staged[0]))
    if (unread := _unread(record, cancer)) and (not staged or _later(unread, staged[0])):
        return Extent("unread-stage", (cancer, unread))
    return Extent("not-metastatic", (cancer, staged[0])) if staged else Extent("unknown", (cancer,))


def _unread(record: Record, cancer: Fact) -> Fact | None:
    """The newest staging that something is said in, and nothing that can be read: in words, or in a code of others."""
    told = (r for r in record.refused if r.concept in _STAGING and r.reason == "no-value" and r.when is not None)
    return next((f for f in (Fact(r.concept, r.source, r.when) for r in told) if _after(f, cancer)), None)


def _same_day(fact: Fact, other: Fact) -> bool:
    return fact.when is not None and other.when is not None and fact.when.text == other.when.text


def _contradict(staged: list[Fact]) -> bool:
    return len({bool(_SPREAD & set(f.answers)) for f in staged}) > 1


def _over(record: Record) -> Extent:
    """Spread after a cancer that is recorded as over: it may have come back, or the spread is another one's."""
    past = [f for f in record.of("pancreatic-cancer") if f.status == "inactive" and f.verification == "confirmed"]
    staged = [f for f in record.of(*_STAGING) if f.answers and any(_after(f, one) for one in past)][:1]
    spread = [f for f in staged if _SPREAD & set(f.answers)]
    spread += [f for f in record.of(*METASTASES) if _stands(f) and any(_after(f, one) for one in past)]
    return Extent("over", (past[0], spread[0])) if spread else Extent("absent")


def _stands(fact: Fact) -> bool:
    return not fact.provisional and fact.status != "inactive"


def _after(fact: Fact, cancer: Fact) -> bool:
    """From the diagnosis on: an older stage belongs to another disease. Undated facts are given the benefit."""
    if fact.when is None or cancer.when is None:
        return True
    return fact.when.latest >= cancer.when.earliest - _BEFORE_DIAGNOSIS


def _later(fact: Fact, other: Fact) -> bool:
    return fact.when is not None and other.when is not None and fact.when.middle > other.when.middle
