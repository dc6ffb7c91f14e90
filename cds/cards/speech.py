"""Which of a manifest's speeches holds, under which limits: decided from what the model said and read alone.

So the same question can be put to a stored answer, under a policy that was not in force then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from cds.inference.contribution import COMPARISONS, Contribution, Speech, Test


class Answered(Protocol):
    """A prediction, just made or stored."""

    @property
    def rules(self) -> tuple[str, ...]: ...
    def number(self, name: str) -> float:
        """An output."""

    def category(self, name: str) -> str | None:
        """An output's category by name."""

    def value_of(self, name: str) -> float | None:
        """An input; None when absent."""


def limits(card: Contribution, set_by_policy: Mapping[str, float]) -> dict[str, float]:
    """The packaged thresholds, and over them the policy's."""
    return {name: threshold.value for name, threshold in card.thresholds.items()} | dict(set_by_policy)


def chosen(card: Contribution, answered: Answered, under: Mapping[str, float]) -> Speech | None:
    """The first of the card's speeches whose tests all hold."""
    return next((s for s in card.speaks if all(_holds(test, answered, under) for test in s.when)), None)


def quieted_by(card: Contribution, speech: Speech) -> tuple[str, ...]:
    """Its own kind and those declared before it, which outweigh it: their snooze silences it, too."""
    kinds = list(dict.fromkeys(s.kind for s in card.speaks if s.kind))
    return tuple(kinds[: kinds.index(speech.kind)]) if speech.kind else ()


def _holds(test: Test, answered: Answered, under: Mapping[str, float]) -> bool:
    if test.rule is not None:
        return test.rule in answered.rules
    if test.is_ is not None:
        return answered.category(test.output or "") == test.is_
    value = answered.number(test.output) if test.output else answered.value_of(test.input or "")
    if value is None:
        return False
    comparison = next(name for name in COMPARISONS if getattr(test, name) is not None)
    wanted = getattr(test, comparison)
    limit = under[wanted] if isinstance(wanted, str) else float(wanted)
    match comparison:
        case "at_least":
            return value >= limit
        case "at_most":
            return value <= limit
        case "below":
            return value < limit
        case _:
            return value > limit
