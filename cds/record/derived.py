"""What is worked out of other facts where it was not recorded itself."""

from __future__ import annotations

from cds.record.facts import Fact, Record
from cds.record.vocabulary import Vocabulary


def derive(record: Record, vocabulary: Vocabulary) -> None:
    """Body-mass index from the newest weight and any height, when none was recorded as new as that weight."""
    for name, concept in vocabulary.derived.items():
        weight, height = record.has("body-weight"), record.has("body-height")
        if weight is None or height is None or not weight.value or not height.value:
            continue
        recorded = record.has(name)
        if recorded and recorded.when and weight.when and recorded.when.middle >= weight.when.middle:
            continue
        value = weight.value / (height.value / 100) ** 2
        if concept.plausible and not concept.plausible[0] <= value <= concept.plausible[1]:
            continue
        derived = Fact(
            name,
            weight.source,
            weight.when,
            value=value,
            unit="kg/m2",
            original=f"{weight.original}, {height.original}",
        )
        record.facts[name] = [derived, *record.facts.get(name, [])]
