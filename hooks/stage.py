"""Is the cancer confirmed, and is it known to have spread? No survival is shown before both are settled."""

from __future__ import annotations

from dataclasses import dataclass

from cds.record.facts import Fact, Record
from hooks.gates import is_confirmed

# nodes are not among them: their code does not tell a regional node (N) from a distant one (M)
METASTASES = ("metastasis-liver", "metastasis-peritoneum", "metastasis-lung", "metastasis-any")
READS = ("pancreatic-cancer", "pancreatic-neuroendocrine", "stage-group", "tnm-m", "stage-iv", "m1", *METASTASES)


@dataclass(frozen=True)
class Extent:
    """``known`` is ``metastatic``, ``not-metastatic``, ``unknown`` (stage not found) or ``unconfirmed`` (diagnosis)."""

    known: str
    facts: tuple[Fact, ...] = ()


def extent(record: Record) -> Extent:
    cancer = next((f for f in record.of("pancreatic-cancer") if is_confirmed(f)), None)
    if cancer is None:
        return Extent("unconfirmed")
    staged = [f for f in record.of("stage-group", "tnm-m") if f.answers]
    spread = [f for f in record.of(*METASTASES) if is_confirmed(f) and f.status != "inactive"]
    if spread or any({"stage-iv", "m1"} & set(f.answers) for f in staged):
        says = [f for f in staged if {"stage-iv", "m1"} & set(f.answers)]
        return Extent("metastatic", (cancer, *(says or spread)[:2]))
    if staged:
        return Extent("not-metastatic", (cancer, staged[0]))
    return Extent("unknown", (cancer,))
